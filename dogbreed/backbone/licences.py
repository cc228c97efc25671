"""Licences of pretrained weights, as their providers state them."""

import re

from dogbreed.backbone.providers.base import provider_of

# Creative Commons' NC, and what others write.
_NON_COMMERCIAL = re.compile(r"\bnc\b|non-?commercial|research", re.IGNORECASE)


def licence_of(name: str) -> str:
    """The licence of a network's pretrained weights, as far as its provider states one.

    Raises:
        ConfigError: no provider has such a network.
    """
    return provider_of(name).licence(name)


def is_non_commercial(licence: str) -> bool:
    """Whether a licence excludes commercial use, by its name."""
    return _NON_COMMERCIAL.search(licence) is not None
