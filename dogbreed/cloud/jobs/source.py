"""Pack the project's source into sourcedir.tar.gz: files tracked by git, and requirements.txt.

The training toolkit unpacks it to /opt/ml/code, and installs requirements.txt when the input
channels are there. Source: aws/sagemaker-training-toolkit, modules.install_requirements.
"""

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dogbreed.cloud.wheels.pins import CONSTRAINTS, exact_version, read_pins
from dogbreed.errors import CloudError
from dogbreed.utils.links import open_within

FOLDERS = ("dogbreed", "conf", "inference", "launch")
ENTRY_POINT = "launch/job.py"
REQUIREMENTS = "requirements.txt"
CLONE = "Jobs run the source of a git checkout: clone the project, and launch there."


@dataclass(frozen=True, kw_only=True)
class SourcePackage:
    """A tar.gz: its bytes, its files with their sizes in bytes, its requirements.

    It is reproducible: the same source gives the same bytes and `sha256`.
    """

    data: bytes
    files: tuple[tuple[str, int], ...]
    requirements: tuple[str, ...]
    sha256: str


def pack_source(checkout: Path, requirements: Sequence[str] = ()) -> SourcePackage:
    """Pack the files tracked by git, as they are on disk; new files need `git add`.

    `requirements` are the lines of requirements.txt; without any there is no such file.

    Raises:
        CloudError: `checkout` is no git checkout of the project, or git isn't installed.
    """
    contents = {name: _read(checkout, name) for name in _tracked(checkout)}
    if ENTRY_POINT not in contents:
        raise CloudError(f"{checkout} has no {ENTRY_POINT} that git tracks. {CLONE}")
    if requirements:
        contents[REQUIREMENTS] = "".join(f"{line}\n" for line in requirements).encode()
    data = _archive(contents)
    return SourcePackage(
        data=data,
        files=tuple((name, len(content)) for name, content in sorted(contents.items())),
        requirements=tuple(requirements),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _tracked(checkout: Path) -> list[str]:
    """Files that git tracks and that are there, by their paths below the checkout."""
    git = shutil.which("git")
    if git is None:
        raise CloudError("git isn't installed, and it lists the source files: install it.")
    listing = [git, "ls-files", "-z", "--", *FOLDERS]
    done = subprocess.run(listing, cwd=checkout, capture_output=True)
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip().split("\n")[0]
        raise CloudError(f"git can't list the source in {checkout} ({message}). {CLONE}")
    names = [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    return [name for name in names if (checkout / name).is_file()]


def _read(checkout: Path, name: str) -> bytes:
    """The content of a tracked file; a tracked symbolic link may not lead out of the checkout."""
    try:
        with open(open_within(checkout / name, os.path.realpath(checkout)), "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError as error:
        raise CloudError(f"{checkout / name} can't be packed: {error.strerror}.") from error


def job_requirements(
    checkout: Path, carried: frozenset[str], extras: Sequence[str] = ()
) -> tuple[str, ...]:
    """The project's dependencies that the container lacks, as pinned in constraints.txt.

    `carried` are the packages that the container has, which aren't installed; `extras` are the
    project's extras that the job needs. A job installs the tested versions, not the newest of the
    package index.

    Raises:
        CloudError: constraints.txt is missing, or lacks what must be installed.
    """
    project = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    pins, pinned = read_pins(checkout / CONSTRAINTS), list[str]()
    for line in dict.fromkeys(lines):
        wanted = Requirement(line)
        name = canonicalize_name(wanted.name)
        if name in carried:
            continue
        # smdebug is pinned in pyproject.toml: it isn't compatible with current packages.
        exact = pins.get(name) or ((wanted,) if exact_version(wanted) else ())
        if not exact:
            raise CloudError(
                f"{checkout / CONSTRAINTS} doesn't pin {line}, which the job installs: run make "
                "constraints."
            )
        pinned += [_as_line(each) for each in exact]
    return tuple(dict.fromkeys(pinned))


def _as_line(pin: Requirement) -> str:
    marker = f" ; {pin.marker}" if pin.marker else ""
    return f"{canonicalize_name(pin.name)}{pin.specifier}{marker}"


def _archive(contents: dict[str, bytes]) -> bytes:
    """A reproducible tar.gz: without times, users and permissions."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tape:
        for name, content in sorted(contents.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tape.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)
