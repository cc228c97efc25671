"""Wheel files: name, version and requirements by their METADATA, SHA-256, and sets of them."""

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from dogbreed.errors import CloudError

MAX_METADATA_BYTES = 2**22  # the longest of PyPI's are about 1 MB


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel for a container; `sha256` is in hex."""

    name: str
    version: str
    file: Path
    sha256: str

    @property
    def size_bytes(self) -> int:
        return self.file.stat().st_size


@dataclass(frozen=True, kw_only=True)
class WheelSet:
    """What a container installs: versions by name, and the wheels, None if they aren't here.

    A dry run downloads nothing: without the wheels, packages may be missing in `versions` too.
    """

    versions: dict[str, str]
    wheels: tuple[Wheel, ...] | None

    @property
    def names(self) -> list[str]:
        """`name==version` of each package, sorted."""
        return [f"{name}=={version}" for name, version in sorted(self.versions.items())]

    @property
    def size_bytes(self) -> int:
        return sum(wheel.size_bytes for wheel in self.wheels or ())

    def requirements(self) -> list[str]:
        """A line for each package that allows its one wheel only."""
        if self.wheels is None:
            return self.names
        return [f"{each.name}=={each.version} --hash=sha256:{each.sha256}" for each in self.wheels]

    @property
    def digest(self) -> str:
        """Identifies the wheels by their content, in hex."""
        return hashlib.sha256("\n".join(self.requirements()).encode()).hexdigest()


def parsed_name(file: Path) -> tuple[str, str]:
    """Name and version by a wheel's file name.

    Raises:
        CloudError: it isn't the name of a wheel.
    """
    try:
        name, version, _, _ = parse_wheel_filename(file.name)
    except InvalidWheelFilename as error:
        raise CloudError(f"{file} isn't the name of a wheel: remove it.") from error
    return canonicalize_name(name), str(version)


def requirements_of(file: Path) -> Sequence[Requirement]:
    """What a wheel's package needs, by its METADATA.

    Raises:
        CloudError: the file isn't a valid wheel.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            (member,) = (
                info
                for info in archive.infolist()
                if info.filename.count("/") == 1 and info.filename.endswith(".dist-info/METADATA")
            )
            if member.file_size > MAX_METADATA_BYTES:
                raise ValueError("its METADATA is too long")
            text = archive.read(member).decode("utf-8", "replace")
        lines = HeaderParser().parsestr(text).get_all("Requires-Dist", [])
        return [Requirement(line) for line in lines]
    except (OSError, ValueError, zipfile.BadZipFile, InvalidRequirement) as error:
        raise CloudError(
            f"{file} is no valid wheel ({error}): remove it, and try again."
        ) from error
