"""Detects symbolic links that lead out of a folder of photos, when a file is opened.

Otherwise anybody who can create a link in the folder could have any of the user's files trained on,
shown in a report or uploaded. A hard link can't be detected: it is the file under another name.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path


def is_within(real_path: str, folder: str) -> bool:
    """Whether a path without links is that of `folder` (without links too) or below it."""
    return real_path == folder or real_path.startswith(os.path.join(folder, ""))  # noqa: PTH118


def open_within(path: Path, folder: str | None) -> int:
    """Open a file to read it, without waiting for a pipe; returns its descriptor.

    The open file is checked, so that changing a link at the last moment has no effect.

    Args:
        path: the file, reached through any links.
        folder: the real path of the folder that it must be in; None: anywhere.

    Raises:
        OSError: it can't be opened, or is outside `folder`.
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
    """The path of an open file, without links."""
    with suppress(OSError):
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 (Linux; exact)
    real_path = os.path.realpath(path)
    if not os.path.samestat(os.lstat(real_path), os.fstat(descriptor)):
        raise OSError(errno.ESTALE, "it was replaced while it was opened", str(path))
    return real_path
