"""Folders of classes: how they are laid out, their names and their splits."""
