"""The trained model as a folder: its files, its description, its export formats, its archive."""
