"""The configuration: typed keys, their values in conf/, composing them, and help."""
