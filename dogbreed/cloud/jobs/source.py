"""The project's source as one archive: what git tracks, and what must be installed beside it."""

import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dogbreed.errors import CloudError
from dogbreed.utils.links import open_within

FOLDERS = ("dogbreed", "conf", "launch")
ENTRY_POINT = "launch/job.py"
REQUIREMENTS, CONSTRAINTS = "requirements.txt", "constraints.txt"
WAY_OUT = "Jobs are sent the source of a git checkout: clone the project, and launch there."


@dataclass(frozen=True, kw_only=True)
class SourcePackage:
    """A tar.gz: its bytes, its files with their sizes in bytes, what it has installed.

    The same source gives the same bytes, so `sha256` names it.
    """

    data: bytes
    files: tuple[tuple[str, int], ...]
    requirements: tuple[str, ...]
    sha256: str


def pack_source(
    checkout: Path, carried: frozenset[str], extras: Sequence[str] = ()
) -> SourcePackage:
    """Pack what git tracks of the package, as it now is on the disk; new files need `git add`.

    `carried` are names of packages that the container has and that aren't to be installed, `extras`
    the project's extras that the job needs.

    Raises:
        CloudError: `checkout` is no git checkout of the project, git isn't installed, or
            constraints.txt lacks what must be installed.
    """
    contents = {name: _read(checkout, name) for name in _tracked(checkout)}
    if ENTRY_POINT not in contents:
        raise CloudError(f"{checkout} has no {ENTRY_POINT} that git tracks. {WAY_OUT}")
    requirements = _requirements(checkout, carried, extras)
    contents[REQUIREMENTS] = "".join(f"{line}\n" for line in requirements).encode()
    data = _archive(contents)
    return SourcePackage(
        data=data,
        files=tuple((name, len(content)) for name, content in sorted(contents.items())),
        requirements=requirements,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _tracked(checkout: Path) -> list[str]:
    """Files that git tracks and that are there, by their paths below the checkout."""
    git = shutil.which("git")
    if git is None:
        raise CloudError("git isn't installed, and it says which files are source: install it.")
    listing = [git, "ls-files", "-z", "--", *FOLDERS]
    done = subprocess.run(listing, cwd=checkout, capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().split("\n")[0]
        raise CloudError(f"git can't list the source in {checkout} ({said}). {WAY_OUT}")
    names = [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    return [name for name in names if (checkout / name).is_file()]


def _read(checkout: Path, name: str) -> bytes:
    """A tracked file; git tracks symbolic links too, wherever they lead."""
    try:
        with open(open_within(checkout / name, os.path.realpath(checkout)), "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError as error:
        raise CloudError(f"{checkout / name} can't be packed: {error.strerror}.") from error


def _requirements(
    checkout: Path, carried: frozenset[str], extras: Sequence[str]
) -> tuple[str, ...]:
    """The project's dependencies less what the container carries, each as constraints.txt pins it.

    A job installs the versions that were tested, not what the package index has on that day.
    """
    project = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    pins, pinned = _pins(checkout), list[str]()
    for line in dict.fromkeys(lines):
        name = _name(line)
        if name in carried:
            continue
        # smdebug is pinned where it is asked for: it goes with nothing else of today.
        exact = pins.get(name) or ((line,) if "==" in line else ())
        if not exact:
            raise CloudError(
                f"{checkout / CONSTRAINTS} doesn't pin {line}, which the job installs: run make "
                "constraints."
            )
        pinned += exact
    return tuple(dict.fromkeys(pinned))


def _pins(checkout: Path) -> dict[str, tuple[str, ...]]:
    """The lines of constraints.txt by the package; a package may have one for each Python."""
    path = checkout / CONSTRAINTS
    if not path.is_file():
        raise CloudError(f"There is no {path}. {WAY_OUT}")
    found: dict[str, tuple[str, ...]] = {}
    for line in path.read_text("utf-8").splitlines():
        found[_name(line)] = (*found.get(_name(line), ()), line)
    return found


def _name(requirement: str) -> str:
    """The package's name in the form in which `Scikit_Learn>=1.6` and `scikit-learn` are one."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def _archive(contents: dict[str, bytes]) -> bytes:
    """A tar.gz that says nothing about when, where and by whom it was made."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tape:
        for name, content in sorted(contents.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tape.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)
