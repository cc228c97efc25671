"""The lock on a run's folder: one process at a time trains there."""

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


class RunLock:
    """Holds `folder`/.lock until `release`, or until the process ends, however it does.

    A POSIX record lock: unlike flock's it isn't inherited by forked loader workers, which outlive a
    killed parent for some seconds.
    """

    def __init__(self, folder: Path, descriptor: int) -> None:
        self._path, self._descriptor = folder / LOCK_FILE, descriptor

    @classmethod
    def acquire(cls, folder: Path) -> "RunLock | None":
        """The lock, or None if another process holds it.

        Raises:
            OSError: something else is at its place, such as a symbolic link.
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
                # A file system without locks, as some network mounts are: nothing to hold.
            if is_at(descriptor, path):
                os.truncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
                return cls(folder, descriptor)
            os.close(descriptor)  # its holder removed the file in the meantime

    def release(self) -> None:
        """Remove the lock file and let go of the lock."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def holder(folder: Path) -> str:
    """Which process holds the lock of `folder`, as text."""
    try:
        text = read_bytes(folder / LOCK_FILE, MAX_BYTES).decode("utf-8", "replace")
    except DocumentError:
        return "another process"
    return printable(text.strip()) or "another process"
