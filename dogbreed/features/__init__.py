"""The feature cache: a photo's activations after a backbone's frozen part, computed once."""
