"""Limits on a photo's structure, checked before any decoder opens it."""

from dogbreed.data.decoding.structure.base import TOO_COMPLEX, Structure

__all__ = ["TOO_COMPLEX", "Structure"]
