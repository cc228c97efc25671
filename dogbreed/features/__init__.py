"""The feature cache: what the frozen part of a backbone gives for a photo, computed once."""
