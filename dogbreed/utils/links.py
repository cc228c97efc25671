"""Symbolic links that lead out of a folder of photos: recognised, and refused when one is opened.

Who can put a link into the folder could otherwise have any file of the user's trained on, shown in
a report or uploaded. A hard link is the file itself, under another name: it can't be told.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path


def is_within(real_path: str, folder: str) -> bool:
    """Whether a path without links is that of `folder` (without links too) or below it."""
    return real_path == folder or real_path.startswith(os.path.join(folder, ""))  # noqa: PTH118


def open_within(path: Path, folder: str | None) -> int:
    """Open a file to read it: its descriptor. A pipe isn't waited for.

    What was opened is compared, so that a link that is changed at the last moment gains nothing.

    Args:
        path: the file, reached through any links.
        folder: the real path of the folder that it must be in; None: anywhere.

    Raises:
        OSError: it can't be opened; it is outside `folder`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if folder is not None and not is_within(_real_path(descriptor, path), folder):
            raise OSError(errno.EPERM, f"a symbolic link leads out of {folder}", str(path))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _real_path(descriptor: int, path: Path) -> str:
    """Where an open file is, without links."""
    with suppress(OSError):
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 (Linux; exact)
    real_path = os.path.realpath(path)
    if not os.path.samestat(os.lstat(real_path), os.fstat(descriptor)):
        raise OSError(errno.ESTALE, "it was replaced while it was opened", str(path))
    return real_path
