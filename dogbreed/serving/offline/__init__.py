"""Predictions for files, folders and URLs, written to a terminal or a table."""
