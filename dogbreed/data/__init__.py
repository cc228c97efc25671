"""Photographs: folders of classes, their check, and the one way from bytes to pixels."""
