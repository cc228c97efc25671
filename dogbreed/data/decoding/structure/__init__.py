"""Limits on a photo's structure, checked before any decoder sees it: see `check_structure`."""

from dogbreed.data.decoding.structure.base import TOO_COMPLEX, Structure
from dogbreed.data.decoding.structure.check import check_structure

__all__ = ["TOO_COMPLEX", "Structure", "check_structure"]
