"""The lock on a run's folder: one process at a time trains in it."""

import errno
import fcntl
import os
import socket
from pathlib import Path

from dogbreed.utils.documents import DocumentError, read_bytes
from dogbreed.utils.files import is_at, open_plain
from dogbreed.utils.printable import printable

LOCK_FILE = ".lock"
MAX_BYTES = 1024
_held: set[Path] = set()  # by this process


class RunLock:
    """Holds `folder`/.lock until `release` or the end of the process.

    A POSIX record lock: unlike flock's it isn't inherited by forked loader workers, which outlive a
    killed parent for some seconds.
    """

    def __init__(self, folder: Path, descriptor: int) -> None:
        self._path, self._descriptor = folder / LOCK_FILE, descriptor
        _held.add(self._path.resolve())

    @classmethod
    def acquire(cls, folder: Path) -> "RunLock | None":
        """The lock, or None if another process holds it.

        Raises:
            OSError: there is no regular file at its path, but a symbolic link, for example.
        """
        path = folder / LOCK_FILE
        while True:
            descriptor = open_plain(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    os.close(descriptor)
                    return None
                # The file system has no locks, as some network mounts: continue without.
            if is_at(descriptor, path):
                os.truncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
                return cls(folder, descriptor)
            os.close(descriptor)  # the previous holder has removed the file

    def release(self) -> None:
        """Remove the lock file and release the lock."""
        _held.discard(self._path.resolve())
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def is_locked(folder: Path) -> bool:
    """Whether a process, this one or another, trains in the folder."""
    path = folder / LOCK_FILE
    # A process that closes any descriptor of a file loses its own lock on it.
    if path.resolve() in _held:
        return True
    try:
        descriptor = open_plain(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EAGAIN)
    finally:
        os.close(descriptor)
    return False


def holder(folder: Path) -> str:
    """Which process holds the lock of `folder`, as text."""
    try:
        text = read_bytes(folder / LOCK_FILE, MAX_BYTES).decode("utf-8", "replace")
    except DocumentError:
        return "another process"
    return printable(text.strip()) or "another process"
