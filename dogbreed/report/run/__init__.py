"""The report of one training run, and its model card."""
