"""Save the settings of the user's searches (photos, launcher) for the final training.

Account keys and paths aren't part of a search's result, which may come from another user. They are
saved in the user's cache, under the path of the search's folder.
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dogbreed.utils.documents import DocumentError, read_json
from dogbreed.utils.files import atomic_write, json_text
from dogbreed.utils.user_paths import optional_cache_dir

MAX_BYTES = 2**20


def save_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Save the settings of the search in `folder`; does nothing without a writable cache."""
    path = _path(folder)
    if path is None:
        return
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic_write(path) as beside:
            beside.touch(0o600)
            beside.write_text(json_text(dict(settings)), "utf-8")


def load_settings(folder: Path) -> dict[str, Any] | None:
    """The saved settings of the search in `folder`; None if there are none."""
    path = _path(folder)
    if path is None or not _is_private(path.parent) or not _is_private(path):
        return None
    try:
        return read_json(path, MAX_BYTES)
    except DocumentError:
        return None


def _path(folder: Path) -> Path | None:
    root = optional_cache_dir("searches")
    mark = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return root / f"{mark}.json" if root is not None else None


def _is_private(path: Path) -> bool:
    """Whether the user owns it and nobody else can write it, as the cache folder may be shared."""
    try:
        status = path.lstat()
    except OSError:
        return False
    others = stat.S_IWGRP | stat.S_IWOTH
    return (
        not stat.S_ISLNK(status.st_mode)
        and status.st_uid == os.geteuid()
        and not (status.st_mode & others)
    )
