"""Paths of the user: ~ in paths, the home folder, and the cache folder below it."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dogbreed.errors import ConfigError, DogbreedError, OutputError
from dogbreed.utils.os_errors import DISK_FULL

CACHE_VARIABLE = "DOGBREED_CACHE"
# The home folder of a process without one: nothing below it can be read or written.
NO_HOME = os.devnull


def cache_dir() -> Path:
    """The cache folder: $DOGBREED_CACHE, else one below ~/.cache.

    Raises:
        ConfigError: the variable names the home folder of a user who doesn't exist.
        OutputError: it isn't set, and this process has no home folder.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(expanded(CACHE_VARIABLE, named))
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not Path(base).is_absolute():  # must be ignored (XDG Base Directory 0.8)
        base = str(Path.home() / ".cache")
    if Path(base).is_relative_to(NO_HOME):
        raise OutputError(
            "There is no home folder to cache weights, features and sample photos in: set the "
            f"variable {CACHE_VARIABLE} to a folder of your own."
        )
    return Path(base, "dogbreed")


def optional_cache_dir(name: str) -> Path | None:
    """The folder `name` in the cache; None if there is no cache, for optional uses."""
    try:
        return cache_dir() / name
    except DogbreedError:
        return None


def make_private(folder: Path) -> None:
    """Create a folder and its missing parents, all with mode 0700; existing ones stay unchanged."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        if folder.parent == folder:
            raise
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def private_folder(folder: Path) -> Path:
    """A folder of the cache, created with mode 0700; an existing one must be this user's.

    Like ssh's files, it must be owned by this user or root, and be writable by no other user
    (unless the sticky bit protects files from other users). Root may use a folder of any owner:
    in containers, caches of the host's users are mounted.

    Raises:
        OSError: it can't be created, or another user could replace what is in it.
    """
    make_private(folder)
    user = os.geteuid()
    allowed = {user, 0}
    status = folder.stat()
    owners = {status.st_uid, folder.lstat().st_uid}  # of the folder, and of a link that leads to it
    if not owners <= allowed and user != 0:
        raise OSError(errno.EPERM, "belongs to another user, who could replace it", str(folder))
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        reason = "every user could replace what is in it (chmod o-w forbids that)"
        raise OSError(errno.EPERM, reason, str(folder))
    return folder


@contextmanager
def cached_in(folder: Path) -> Iterator[None]:
    """Turn an OSError of a cache folder into a message that names DOGBREED_CACHE.

    The error of a full disk is passed on.

    Raises:
        OutputError: `folder` can't be created, read or written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        raise OutputError(
            f"The cache can't be used: {error.filename or folder}: {error.strerror or error}. Set "
            f"the variable {CACHE_VARIABLE} to a folder of your own."
        ) from error


def expanded(name: str, path: str) -> str:
    """The value of the path key `name` with ~ or ~USER at its start replaced by the home folder.

    Raises:
        ConfigError: it is empty, has a zero byte, or there is no such home folder.
    """
    if not path:
        raise ConfigError(f"{name} is empty: write a path.")
    if "\0" in path:
        raise ConfigError(f"{name}={path!r}: a path can't have a zero byte in it.")
    full = os.path.expanduser(path)  # noqa: PTH111 (pathlib would make one slash of s3://'s two)
    user = path.split("/")[0]
    if full.startswith("~") or (user == "~" and Path(full).is_relative_to(NO_HOME)):
        missing = "there is no home folder" if user == "~" else f"there is no user {user[1:]}"
        raise ConfigError(
            f"{name}={path}: {missing}: write the full path (./{user} for a folder of this name)."
        )
    return full
