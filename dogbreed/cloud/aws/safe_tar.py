"""Unpack a job's .tar.gz safely: bounded members, bytes and ratio; no links, no path traversal."""

import tarfile
from pathlib import Path
from typing import IO, cast

from dogbreed.utils.printable import printable
from dogbreed.utils.tar_stream import (
    CHUNK_BYTES,
    DECOMPRESSION_ERRORS,
    MAX_HEADER_BYTES,
    TarStream,
)

MAX_MEMBERS = 20_000
MAX_BYTES = 4 * 2**30  # unpacked
# Text compresses 5 to 20 times, zeros 1,000 times. A small archive may have any ratio.
MAX_RATIO = 100
ANY_RATIO_BYTES = 32 * 2**20
MAX_PATH_BYTES, MAX_NAME_BYTES, MAX_DEPTH = 1024, 255, 32
# Raised by open() and mkdir() if two members have the same name, or one is a folder of the other.
CLASHES = (FileExistsError, NotADirectoryError, IsADirectoryError)


class UnpackError(Exception):
    """An archive that can't be unpacked; the message is the end of a sentence that says why."""


def unpack(archive: Path, target: Path) -> None:
    """Unpack a .tar.gz into the new folder `target`; after an error the caller removes it.

    The archive may have only regular files and folders inside `target`. They get default
    permissions, not those in the archive.

    Raises:
        UnpackError: it isn't such an archive, or exceeds one of the limits.
    """
    size_bytes = archive.stat().st_size
    max_bytes = min(MAX_BYTES, max(ANY_RATIO_BYTES, MAX_RATIO * size_bytes))
    target.mkdir()
    try:
        with archive.open("rb") as file:
            source = TarStream(file, "gz", max_bytes)
            with tarfile.TarFile(fileobj=cast(IO[bytes], source)) as tape:
                _unpack_all(tape, source, target)
    except (tarfile.TarError, *DECOMPRESSION_ERRORS, ValueError, RecursionError) as error:
        raise UnpackError(printable(str(error)) or type(error).__name__) from error
    except CLASHES as error:
        place = Path(error.filename).relative_to(target)
        raise UnpackError(f"it has {printable(str(place))} twice") from error


def _unpack_all(tape: tarfile.TarFile, source: TarStream, target: Path) -> None:
    for number in range(MAX_MEMBERS + 1):
        source.in_header = MAX_HEADER_BYTES
        member = tape.next()
        source.in_header = None
        if member is None:
            return
        if number == MAX_MEMBERS:
            raise UnpackError(f"it has more than {MAX_MEMBERS} members")
        place = target / _checked_name(member)
        if member.isdir():
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            left = member.size
            while left:
                data = source.read(min(left, CHUNK_BYTES))
                if not data:
                    raise UnpackError("it ends in the middle of a member")
                file.write(data)
                left -= len(data)


def _checked_name(member: tarfile.TarInfo) -> str:
    """The member's name; raises an UnpackError if the member may not be unpacked."""
    shown = printable(member.name[:MAX_NAME_BYTES])
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise UnpackError(f"{shown} is a link, a device or a sparse file")
    if member.size < 0 or (member.isdir() and member.size):
        raise UnpackError(f"{shown} has an invalid size")
    if not member.name.isprintable():
        raise UnpackError(f"{shown!r} has control characters in its name")
    parts = member.name.split("/")
    if member.name.startswith("/") or ".." in parts:
        raise UnpackError(f"{shown} leads out of its folder")
    sizes = [len(part.encode()) for part in parts]
    if max(sizes) > MAX_NAME_BYTES or sum(sizes) > MAX_PATH_BYTES or len(parts) > MAX_DEPTH:
        raise UnpackError(f"{shown} has too long or too deep a path")
    return member.name
