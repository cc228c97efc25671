"""The files of an archive below a new folder: none leads out of it, and no disk is filled."""

import logging
import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import IO, BinaryIO

from dogbreed.data.archives.members import DAMAGE, ArchiveError, checked_parts, read_members
from dogbreed.data.archives.zip_names import NameDecoder
from dogbreed.data.layouts.system_files import system_kind
from dogbreed.utils.os_errors import DISK_FULL
from dogbreed.utils.printable import printable
from dogbreed.utils.progress import progress
from dogbreed.utils.user_paths import CACHE_VARIABLE

MAX_MEMBERS = 1_000_000
MAX_BYTES = 2**40
# Photos hardly compress, drawings in BMP up to a hundred times, zeros a thousand times. A small
# archive may have any ratio.
MAX_RATIO = 100
ANY_RATIO_BYTES = 64 * 2**20
RESERVE_BYTES = 256 * 2**20  # of the disk, that stay free
CHECKED_BYTES = 64 * 2**20
BLOCK_BYTES = 256 * 1024
MAX_NAMED = 3  # names in a warning
MB = 1_000_000

log = logging.getLogger("dogbreed")


def extract(file: BinaryIO, name: str, target: Path) -> None:
    """Extract the open archive `name` into the new folder `target`.

    System files are left out; links and devices too, with a warning. After an error the caller
    removes `target`.

    Raises:
        ArchiveError: it is damaged or unsafe, exceeds a limit, or doesn't fit on the disk.
        OSError: the disk can't be written to.
    """
    try:
        _extract(file, name, target)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        place = Path(error.filename).relative_to(target)
        raise ArchiveError(
            f"it has {printable(place)} twice, or in spellings that this disk can't tell apart"
        ) from error
    except ArchiveError:
        raise
    except DAMAGE as error:
        raise ArchiveError(f"it is damaged: {printable(error) or type(error).__name__}") from error
    except OSError as error:
        if error.errno is None:  # of bz2
            raise ArchiveError(f"it is damaged: {printable(error)}") from error
        if error.errno in DISK_FULL:
            raise _no_space(target.parent) from error
        raise


def _extract(file: BinaryIO, name: str, target: Path) -> None:
    size_bytes = os.fstat(file.fileno()).st_size
    names, special, shown_mb = NameDecoder(), [], 0
    max_bytes = min(MAX_BYTES, max(ANY_RATIO_BYTES, MAX_RATIO * size_bytes))
    members = read_members(file, names, max_members=MAX_MEMBERS, max_bytes=max_bytes)
    space = _Space(target.parent)
    with closing(members), progress(f"extracting {name}", size_bytes // MB, "MB") as advance:
        target.mkdir(mode=0o700)
        for member in members:
            parts = checked_parts(member.name)
            if any(map(system_kind, parts)):
                continue
            if member.is_special:
                special.append(member.name)
            elif member.contents is None:
                target.joinpath(*parts).mkdir(parents=True, exist_ok=True)
            else:
                space.take(member.size_bytes)
                _write(member.contents, target.joinpath(*parts))
            advance(member.packed_bytes // MB - shown_mb)
            shown_mb = member.packed_bytes // MB
    if names.example is not None:
        log.warning(
            "warning: %s doesn't say how its names are encoded: read as %s (%s)",
            *(name, names.encoding, names.example),
        )
    if special:
        log.warning(
            "warning: %d links or devices in %s are left out: %s",
            *(len(special), name, ", ".join(special[:MAX_NAMED])),
        )


def _write(contents: IO[bytes], path: Path) -> None:
    try:
        beside = path.open("xb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True)
        beside = path.open("xb")
    with beside:
        shutil.copyfileobj(contents, beside, BLOCK_BYTES)


class _Space:
    """The free space of a folder's disk, looked up again after every CHECKED_BYTES."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._left = folder, 0

    def take(self, size_bytes: int) -> None:
        """Use some of it; raise an ArchiveError where that would use the reserve."""
        self._left -= size_bytes
        if self._left < 0:
            free_bytes = shutil.disk_usage(self._folder).free - RESERVE_BYTES - size_bytes
            if free_bytes < 0:
                raise _no_space(self._folder)
            self._left = min(free_bytes, CHECKED_BYTES)


def _no_space(folder: Path) -> ArchiveError:
    return ArchiveError(
        f"its files don't fit on the disk of {folder}: free some space, or set the variable "
        f"{CACHE_VARIABLE} to a folder elsewhere"
    )
