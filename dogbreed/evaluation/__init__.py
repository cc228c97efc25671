"""What a model knows: its metrics over a split."""
