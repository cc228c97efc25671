"""The two files of a feature cache: opened, locked among processes, and appended to."""

import errno
import fcntl
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from dogbreed.utils.files import is_at, open_plain, refuse_foreign_link
from dogbreed.utils.user_paths import make_private

FEATURES, INDEX = "features.bin", "digests.bin"
OPEN_ATTEMPTS = 100  # while another process deletes the folder


class FeatureFiles:
    """Descriptors of both files. They stay open, so that deleting the files takes nothing away."""

    def __init__(self, folder: Path, flags: int) -> None:
        self.index = open_plain(folder / INDEX, flags)
        self._close_index = weakref.finalize(self, os.close, self.index)
        self.features = open_plain(folder / FEATURES, flags)
        self._close_features = weakref.finalize(self, os.close, self.features)

    @classmethod
    def open(cls, folder: Path) -> Self | None:
        """Open them for reading; None if one isn't there."""
        try:
            return cls(folder, os.O_RDONLY)
        except FileNotFoundError:
            return None

    @classmethod
    @contextmanager
    def locked(cls, folder: Path) -> Iterator[Self]:
        """Open them for writing, made where missing, and lock out other writers.

        The locks are on the files themselves: who holds them writes to these and to no others,
        whatever is put at their paths meanwhile. The system takes locks back from a process that
        dies.
        """
        files = cls._locked(folder)
        try:
            yield files
        finally:
            for file in (files.features, files.index):
                fcntl.flock(file, fcntl.LOCK_UN)

    @classmethod
    def _locked(cls, folder: Path) -> Self:
        failure: OSError | None = None
        for _ in range(OPEN_ATTEMPTS):
            try:
                make_private(folder.parent)
                # As open as the folder that it is in, which users may share (features.root).
                folder.mkdir(mode=0o700 | folder.parent.stat().st_mode & 0o777, exist_ok=True)
                refuse_foreign_link(folder)
                files = cls(folder, os.O_RDWR | os.O_CREAT)
            except (FileNotFoundError, FileExistsError) as error:
                failure = error  # the folder went while it was made, or between both files
                continue
            for file in (files.index, files.features):
                fcntl.flock(file, fcntl.LOCK_EX)
            # Who had the locks before, or another program, may have put others there.
            if files._are_at(folder):
                return files
            files.close()
        raise failure or FileNotFoundError(errno.ENOENT, "It is deleted again and again", folder)

    def close(self) -> None:
        """Close both, which releases their locks."""
        self._close_index()
        self._close_features()

    def _are_at(self, folder: Path) -> bool:
        return is_at(self.index, folder / INDEX) and is_at(self.features, folder / FEATURES)

    def are(self, others: Self) -> bool:
        """Whether these are the same files as `others`, opened once more."""
        return all(
            os.path.samestat(os.fstat(mine), os.fstat(other))
            for mine, other in ((self.index, others.index), (self.features, others.features))
        )


def append_bytes(file: int, end: int, data: memoryview) -> None:
    """Write `data` at `end` and onto the disk."""
    left, at = data.cast("B"), end
    while left:
        written = os.pwrite(file, left, at)
        left, at = left[written:], at + written
    os.fsync(file)


@contextmanager
def cut_off_on_failure(file: int, end: int) -> Iterator[None]:
    """Truncate the file to `end` if the block fails."""
    try:
        yield
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, end)
        raise
