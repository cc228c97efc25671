"""The files of a wheel as pip would install them, without the scripts and headers."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from dogbreed.errors import ArtifactError

# OpenVINO's has 963 files of 184 MB, the largest of 60 MB.
MAX_FILES, MAX_BYTES = 10_000, 2**30
# Folders of NAME.data whose files belong beside the modules (PEP 427).
_LIBRARIES = ("purelib", "platlib")


@dataclass(frozen=True)
class WheelMember:
    """A file in an open wheel."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    @property
    def size_bytes(self) -> int:
        return self.info.file_size

    def open(self) -> IO[bytes]:
        """Its content, whose checksum is verified at the end."""
        return self.archive.open(self.info)


@contextmanager
def open_wheel(path: Path) -> Iterator[zipfile.ZipFile]:
    """The wheel at `path`.

    Raises:
        ArtifactError: it is no wheel, here or when a file is read in the block.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (OSError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{path} is no valid wheel ({error}): remove it.") from error


def unpacked_names(archive: zipfile.ZipFile, folder: str) -> dict[str, WheelMember]:
    """The wheel's files by their paths below `folder`.

    Raises:
        ArtifactError: it has more or larger files than a wheel may have, or names outside.
    """
    found, size_bytes = dict[str, WheelMember](), 0
    for info in archive.infolist():
        name = _installed_name(info.filename)
        if info.is_dir() or name is None:
            continue
        size_bytes += info.file_size
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise ArtifactError(f"{archive.filename}: {name!r} would be outside its folder.")
        if len(found) >= MAX_FILES or size_bytes > MAX_BYTES:
            raise ArtifactError(f"{archive.filename} has more or larger files than it may have.")
        found[f"{folder}/{name}"] = WheelMember(archive, info)
    return found


def _installed_name(name: str) -> str | None:
    """Where a file belongs below the folder of the modules; None if it isn't needed there."""
    first, _, rest = name.partition("/")
    if not first.endswith(".data"):
        return name
    kind, _, inner = rest.partition("/")
    return inner if kind in _LIBRARIES and inner else None
