"""A published archive: its bytes checked, its photos unpacked into class folders."""

import gzip
import hashlib
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Generator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from dogbreed.data.layouts.system_files import system_kind
from dogbreed.errors import DownloadError
from dogbreed.utils.progress import progress

BLOCK_BYTES = 256 * 1024
# The largest of the sets has 20,580 photos, or 1.2 GB: an archive that claims several times as much
# was made to fill the disk.
MAX_MEMBERS = 100_000
MAX_UNPACKED_BYTES = 4_000_000_000
_MAX_NAME_BYTES = 255  # of a file, on every file system in use

# How an archive names its photos: flat top/<class>_<n>.jpg, classes top/<class>/*.jpg, splits
# top/<split>/<class>/*.jpg.
Layout = Literal["flat", "classes", "splits"]
_DEPTH: dict[Layout, int] = {"flat": 2, "classes": 3, "splits": 4}  # parts of a photo's name
# What the standard library raises for bytes that aren't a complete tar or zip; FileExistsError
# is ours, at two members of one name. Any other OSError is the disk's: the archive may be good.
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError,
    ValueError, FileExistsError,
)  # fmt: skip


class BadArchive(DownloadError):
    """An archive whose bytes or members aren't what was published."""


def check_bytes(archive: Path, size_bytes: int, sha256: str | None, record: Path) -> str:
    """The SHA-256 of an archive that has this size and, where one is published, this checksum.

    Where none is, `record` has that of the archive that was used first: no other is used after it.

    Raises:
        BadArchive: it is another.
    """
    expected, got = f"{size_bytes:,} bytes", f"{archive.stat().st_size:,} bytes"
    if expected != got:
        raise BadArchive(f"expected {expected}, got {got}")
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    known, named = sha256, ""
    if known is None and record.is_file():
        known = record.read_text("utf-8").strip()
        named = (
            f" (that of the first download, in {record}: remove it if the publisher has a new one)"
        )
    if known not in (None, digest):
        raise BadArchive(f"expected {known}{named}, got {digest}")
    return digest


def unpack(archive: Path, target: Path, layout: Layout, photos: int, classes: int) -> None:
    """Write the archive's photos below `target`, as <class>/*.jpg or <split>/<class>/*.jpg.

    What else the archive holds is left out. `target` may be left half filled by an error.

    Raises:
        BadArchive: it is damaged or unsafe, or holds other than `photos` photos of `classes`
            classes.
        OSError: the disk is full or can't be written to.
    """
    try:
        unpacked = _unpack(archive, target, layout, photos)
    except _DAMAGE as error:
        raise BadArchive(str(error) or type(error).__name__) from error
    got = (len(unpacked), len({path.parent.name for path in unpacked}))
    if got != (photos, classes):
        raise BadArchive(f"expected {photos} photos of {classes} classes, got {got[0]} of {got[1]}")


def _unpack(archive: Path, target: Path, layout: Layout, photos: int) -> list[Path]:
    """Write the photos; returns where below `target`."""
    unpacked_bytes, unpacked = 0, []
    bar = progress(f"unpacking {archive.name}", photos)
    with bar as advance, closing(_members(archive)) as members:
        for count, (name, size_bytes, contents) in enumerate(members, 1):
            unpacked_bytes += size_bytes
            if count > MAX_MEMBERS or unpacked_bytes > MAX_UNPACKED_BYTES:
                raise BadArchive(f"over {MAX_MEMBERS} files or {MAX_UNPACKED_BYTES} bytes")
            path = _place(name, layout)
            if contents is None or path is None:
                continue
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            with (target / path).open("xb") as file:
                shutil.copyfileobj(contents, file, BLOCK_BYTES)
            unpacked.append(path)
            advance(1)
    return unpacked


def _place(name: str, layout: Layout) -> Path | None:
    """Where a member belongs below the set's folder; None for what is no photo of the set."""
    path = PurePosixPath(name)
    # The backslash and the colon are what leads out of a folder on Windows.
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise BadArchive(f"its member {name!r} leads out of the folder")
    if any(len(part.encode(errors="replace")) > _MAX_NAME_BYTES for part in path.parts):
        raise BadArchive(f"its member {name[:60]!r}... has too long a name")
    is_photo = path.suffix.lower() in (".jpg", ".jpeg") and not any(map(system_kind, path.parts))
    if not is_photo or len(path.parts) != _DEPTH[layout]:
        return None
    if layout == "flat":
        return Path(path.stem.rpartition("_")[0], path.name)
    return Path(*path.parts[1:])


def _members(archive: Path) -> Generator[tuple[str, int, IO[bytes] | None]]:
    """Yield each member's name, unpacked size in bytes, and contents (None for a folder).

    The contents are copied by us, never extracted: no mode, owner or link of the archive's reaches
    the disk. Neither format yields more bytes than the size it claims.
    """
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as box:
            for entry in box.infolist():
                if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise BadArchive(f"its member {entry.filename!r} is a link or a device")
                if entry.header_offset < 0:  # zipfile would seek there: an OSError
                    raise BadArchive(f"its member {entry.filename!r} is before its start")
                with box.open(entry) as contents:
                    yield entry.filename, entry.file_size, None if entry.is_dir() else contents
        return
    with tarfile.open(archive, "r:gz" if archive.suffix == ".gz" else "r:") as tape:
        for member in tape:
            if not (member.isreg() or member.isdir()):
                raise BadArchive(f"its member {member.name!r} is a link or a device")
            yield member.name, member.size, tape.extractfile(member)
