"""A published archive: its bytes checked, its photos unpacked into class folders."""

import hashlib
import shutil
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Literal

from dogbreed.data.archives.members import DAMAGE, checked_parts, read_members
from dogbreed.data.archives.zip_names import NameDecoder
from dogbreed.data.layouts.system_files import system_kind
from dogbreed.errors import DownloadError
from dogbreed.utils.progress import progress

BLOCK_BYTES = 256 * 1024
# The largest of the sets has 20,580 photos, or 1.2 GB: an archive that claims several times as much
# was made to fill the disk.
MAX_MEMBERS = 100_000
MAX_UNPACKED_BYTES = 4_000_000_000

# How an archive names its photos: flat top/<class>_<n>.jpg, classes top/<class>/*.jpg, splits
# top/<split>/<class>/*.jpg.
Layout = Literal["flat", "classes", "splits"]
_DEPTH: dict[Layout, int] = {"flat": 2, "classes": 3, "splits": 4}  # parts of a photo's name


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
    except (*DAMAGE, FileExistsError) as error:  # the last is ours, at two members of one name
        raise BadArchive(str(error) or type(error).__name__) from error
    got = (len(unpacked), len({path.parent.name for path in unpacked}))
    if got != (photos, classes):
        raise BadArchive(f"expected {photos} photos of {classes} classes, got {got[0]} of {got[1]}")


def _unpack(archive: Path, target: Path, layout: Layout, photos: int) -> list[Path]:
    """Write the photos; returns where below `target`."""
    unpacked = []
    limits = {"max_members": MAX_MEMBERS, "max_bytes": MAX_UNPACKED_BYTES}
    with (
        archive.open("rb") as file,
        progress(f"unpacking {archive.name}", photos) as advance,
        closing(read_members(file, NameDecoder(), **limits)) as members,
    ):
        for member in members:
            if member.is_special:
                raise BadArchive(f"its member {member.name!r} is a link or a device")
            path = _place(member.name, layout)
            if member.contents is None or path is None:
                continue
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            with (target / path).open("xb") as beside:
                shutil.copyfileobj(member.contents, beside, BLOCK_BYTES)
            unpacked.append(path)
            advance(1)
    return unpacked


def _place(name: str, layout: Layout) -> Path | None:
    """Where a member belongs below the set's folder; None for what is no photo of the set."""
    path = PurePosixPath(*checked_parts(name))
    if "\\" in name or ":" in name:  # in no published name; on Windows they lead elsewhere
        raise BadArchive(f"its member {name!r} leads out of the folder")
    is_photo = path.suffix.lower() in (".jpg", ".jpeg") and not any(map(system_kind, path.parts))
    if not is_photo or len(path.parts) != _DEPTH[layout]:
        return None
    if layout == "flat":
        return Path(path.stem.rpartition("_")[0], path.name)
    return Path(*path.parts[1:])
