"""A local record of photos that an earlier launch has checked, so that none is decoded again.

It has photos about which nothing was found. Jobs check all photos again.
"""

import hashlib
import importlib.metadata
import os
from collections.abc import Set
from contextlib import suppress
from pathlib import Path

from dogbreed.data.check import Checked, known_as
from dogbreed.utils.documents import DocumentError, read_json
from dogbreed.utils.files import write_json
from dogbreed.utils.user_paths import optional_cache_dir
from dogbreed.utils.version import __version__

FOLDER = "checked"  # in the cache
PHOTOS = "photos"


def read_known(root: Path, max_pixels: int) -> Set[str]:
    """The photos of a folder that were checked with these limits and versions."""
    path = _path(root, max_pixels)
    try:
        found = read_json(path)[PHOTOS] if path is not None else []
        return frozenset(map(str, found))
    except (DocumentError, LookupError, TypeError):
        return frozenset()


def write_known(root: Path, max_pixels: int, checked: Checked, known: Set[str]) -> None:
    """Record the photos without findings, unless they are `known`; without a cache, nothing."""
    path = _path(root, max_pixels)
    remarked = {finding.path for finding in checked.findings}
    good = {
        known_as(photo, digest)
        for photo, digest in checked.digests.items()
        if photo not in remarked
    }
    if path is not None and good != known:
        with suppress(OSError):
            write_json(path, {PHOTOS: sorted(good)})


def _path(root: Path, max_pixels: int) -> Path | None:
    folder = optional_cache_dir(FOLDER)
    if folder is None:
        return None
    made_by = [__version__, importlib.metadata.version("pillow"), str(max_pixels)]
    mark = hashlib.sha256(b"\0".join([os.fsencode(root.resolve()), *map(str.encode, made_by)]))
    return folder / f"{mark.hexdigest()[:32]}.json"
