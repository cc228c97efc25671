"""Data sets that come with the package or from their publishers."""
