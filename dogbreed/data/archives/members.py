"""The members of a zip or tar archive by anybody: recognised by content, read once, bounded.

Contents are streams to be copied, never extracted by the standard library: no mode, owner or link
of the archive reaches the disk. Neither format yields more bytes than a member's size claims.
"""

import io
import re
import stat
import tarfile
import zipfile
from collections.abc import Generator
from typing import IO, BinaryIO, NamedTuple, cast

from dogbreed.data.archives.zip_names import NameDecoder
from dogbreed.utils.printable import printable
from dogbreed.utils.tar_stream import (
    DECOMPRESSION_ERRORS,
    MAX_HEADER_BYTES,
    TarStream,
)

HEAD_BYTES = 512
ZIP, TAR = "zip", "tar"
# The first bytes of packed files, and how each is packed.
_PACKED = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz"}
_ZIP_STARTS = (b"PK\3\4", b"PK\5\6")  # the second: an empty one
# Archives that aren't read, by their first bytes.
OTHERS = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar", b"\x28\xb5\x2f\xfd": "zstd"}
# zipfile gives those of lzma as much memory as their headers ask for.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
# zipfile reads it in one piece: some 150 bytes for each member.
MAX_DIRECTORY_BYTES = 128 * 2**20
MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_DEPTH = 255, 1024, 32  # any file system in use has them
_DRIVE = re.compile(r"[A-Za-z]:")
# What the standard library raises for bytes that aren't a complete zip or tar. An OSError with a
# number is the disk's: the archive may be good.
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, *DECOMPRESSION_ERRORS),
    *(RuntimeError, ValueError, RecursionError),
)


class ArchiveError(ValueError):
    """An archive that isn't read; the message is a clause that says why."""


class Member(NamedTuple):
    """A member: its name as written, unpacked size, contents, and how much was read with it.

    `contents` is None for a folder, and for a link or a device (`is_special`).
    """

    name: str
    size_bytes: int
    contents: IO[bytes] | None
    is_special: bool
    packed_bytes: int


def kind_of(head: bytes) -> str | None:
    """What a file that begins so is: ZIP, TAR, or how a tar is packed; None: no such archive."""
    if head.startswith(_ZIP_STARTS):
        return ZIP
    for start, packing in _PACKED.items():
        if head.startswith(start):
            return packing
    try:
        tarfile.TarInfo.frombuf(head[:HEAD_BYTES], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return None
    return TAR


def read_members(
    file: BinaryIO, names: NameDecoder, *, max_members: int, max_bytes: int
) -> Generator[Member]:
    """Yield the members of an open archive; each one's contents are read before the next.

    Raises:
        ArchiveError, any of DAMAGE: it is damaged, encrypted, or exceeds a limit.
    """
    kind = kind_of(file.read(HEAD_BYTES))
    file.seek(0)
    if kind is None:
        raise ArchiveError("it is neither a zip nor a tar archive")
    members = _zip(file, names) if kind == ZIP else _tar(file, kind, max_bytes)
    unpacked_bytes = 0
    for count, member in enumerate(members, 1):
        unpacked_bytes += member.size_bytes
        if count > max_members or unpacked_bytes > max_bytes:
            raise ArchiveError(f"over {max_members} files or {max_bytes} bytes")
        yield member


def checked_parts(name: str) -> tuple[str, ...]:
    """The parts of a member's relative path.

    Raises:
        ArchiveError: it leads out of the folder, or is too long or too deep.
    """
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or _DRIVE.match(name):
        raise ArchiveError(f"its member {printable(name[:MAX_NAME_BYTES])} leads out of the folder")
    sizes = [len(part.encode(errors="replace")) for part in parts]
    too_long = max(sizes, default=0) > MAX_NAME_BYTES or sum(sizes) > MAX_PATH_BYTES
    if too_long or len(sizes) > MAX_DEPTH or "\0" in name:
        raise ArchiveError(f"its member {printable(name[:60])}... has too long or too deep a path")
    return parts


class _BoundedReads(io.BufferedReader):
    """A file of which no piece is read that a zip's directory may not have."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise ArchiveError(f"its directory has over {MAX_DIRECTORY_BYTES} bytes")
        return super().read(size)


def _zip(file: BinaryIO, names: NameDecoder) -> Generator[Member]:
    packed_bytes = 0
    raw = io.FileIO(file.fileno(), closefd=False)
    with zipfile.ZipFile(_BoundedReads(raw)) as box:
        entries = box.infolist()
        names.learn(entries)
        for entry in entries:
            name = names.name_of(entry)
            shown = printable(name[:MAX_NAME_BYTES])
            packed_bytes += entry.compress_size
            if entry.flag_bits & 1:
                raise ArchiveError(f"its member {shown} is encrypted")
            if entry.compress_type not in _METHODS:
                raise ArchiveError(f"its member {shown} is compressed by an unusual method")
            if entry.header_offset < 0:  # zipfile would seek there: an OSError
                raise ArchiveError(f"its member {shown} is before its start")
            mode = stat.S_IFMT(entry.external_attr >> 16)
            is_folder = name.endswith("/") or mode == stat.S_IFDIR
            if is_folder or mode not in (0, stat.S_IFREG):
                yield Member(name, 0, None, not is_folder, packed_bytes)
                continue
            with box.open(entry) as contents:
                yield Member(name, entry.file_size, contents, False, packed_bytes)


def _tar(file: BinaryIO, kind: str, max_bytes: int) -> Generator[Member]:
    source = TarStream(file, None if kind == TAR else kind, max_bytes)
    with tarfile.TarFile(fileobj=cast(IO[bytes], source)) as tape:
        while True:
            source.in_header = MAX_HEADER_BYTES
            member = tape.next()
            source.in_header = None
            tape.members = []  # type: ignore[attr-defined] # which tarfile keeps for random access
            if member is None:
                break
            if member.size < 0:
                raise ArchiveError(f"its member {printable(member.name)} has an invalid size")
            is_file = member.isreg() and not member.issparse()
            contents = tape.extractfile(member) if is_file else None
            is_special = not is_file and not member.isdir()
            yield Member(member.name, member.size, contents, is_special, file.tell())
    if not source.last or source.last.strip(b"\0"):  # tarfile takes any damaged header for the end
        raise ArchiveError("it is damaged or incomplete")
    source.finish()
