"""Atomic writes, and locks between processes, without following other users' symbolic links.

A user who can write to the same folder could put a symbolic link there, so that another file of
this user is truncated or appended to; or a pipe, at which this process would wait.
"""

import errno
import fcntl
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dogbreed.utils.csv_cells import csv_line
from dogbreed.utils.os_errors import DISK_FULL

PARTIAL_SUFFIX = ".part"  # of an incomplete file
_TOKEN = re.compile(rf"\.((\w{{6}})-(\d+)-\w{{8}}){re.escape(PARTIAL_SUFFIX)}\Z")
STALE_S = 86_400  # after a day, another host's temporary file counts as abandoned

# A file system takes 255 bytes per name (NAME_MAX of Linux; eCryptfs 143).
MAX_NAME_BYTES = 255


class NotRegularError(PermissionError):
    """A symbolic link, a pipe, a folder or a device is where a regular file must be."""


def open_plain(path: Path, flags: int, mode: int = 0o666) -> int:
    """Open a regular file, never through a symbolic link at `path`; returns its descriptor.

    A pipe isn't waited for.

    Raises:
        NotRegularError: `path` is a symbolic link or no regular file.
        OSError: what os.open raises.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno == errno.ENXIO or path.is_symlink():
            raise _not_plain(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_plain(path)
    return descriptor


def _not_plain(path: Path) -> NotRegularError:
    what = "a symbolic link, which isn't followed here" if path.is_symlink() else "no regular file"
    return NotRegularError(errno.EPERM, f"is {what}", str(path))


def refuse_foreign_link(path: Path) -> None:
    """Raise an OSError if `path` is a symbolic link of another user than this one and root."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode) and status.st_uid not in (os.geteuid(), 0):
            raise OSError(errno.EPERM, "is a symbolic link of another user's", str(path))


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder, renamed to `path` if the block succeeds.

    For files, links, and folders that don't exist yet. Temporary files of a failed block, and those
    that a killed process left for the same `path`, are removed.

    Raises:
        OSError: if the disk is full, with `path` as its file name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    temporary = _temporary(path, f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno in DISK_FULL:
            error.filename = str(path)  # a failed write knows no name
        raise
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with its content, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _host() -> str:
    """A short digest of the host's name, as process ids are unique per host only."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


def _temporary(path: Path, token: str) -> Path:
    """The temporary file for `path` of the process identified by `token`."""
    return with_ending(path.with_name(f".{path.name}"), f".{token}{PARTIAL_SUFFIX}")


def _remove_abandoned(path: Path) -> None:
    """Remove temporary files for `path` whose process has ended without removing them."""
    for entry in path.parent.glob(f".*{PARTIAL_SUFFIX}"):
        match = _TOKEN.search(entry.name)
        if match is None or entry != _temporary(path, match[1]):
            continue
        with suppress(OSError):  # another process may be removing it, or another user owns it
            old = time.time() - entry.lstat().st_mtime > STALE_S
            if old or (match[2] == _host() and not _is_running(int(match[3]))):
                remove(entry)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file atomically; undecodable bytes of names stay unchanged."""
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        file.writelines(map(csv_line, rows))


def write_json(path: Path, values: Any) -> None:
    """Write `values` as JSON atomically; numbers that aren't finite become null."""
    write_text(path, json_text(values))


def json_text(values: Any) -> str:
    """`values` as JSON; numbers that aren't finite become null, as JSON has none."""
    text = json.dumps(_finite(values), indent=1, allow_nan=False)
    return text.replace("\x7f", "\\u007f") + "\n"  # json doesn't escape DEL


def _finite(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _finite(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


@contextmanager
def locked(path: Path, *, wait: bool = True, links: bool = False) -> Iterator[bool]:
    """Lock the file `path` between processes; False if another holds it and `wait` is false.

    The system releases the lock of a process that dies. A symbolic link at `path` is followed
    only if `links`.
    """
    while True:
        place = path.resolve() if links else path
        with open(open_plain(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            if not is_at(file.fileno(), path):  # the previous holder has replaced the file
                continue
            yield True
            return


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one that is at `path` now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def first_odd_file(folder: Path) -> Path | None:
    """A link, pipe or device in a folder that this package writes, which creates none itself.

    Whoever created it could make the next user of the folder write to any of their files.
    """
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            mode = os.lstat(Path(place, name)).st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                return Path(place, name)
    return None


def shortened(name: str, max_bytes: int) -> str:
    """The longest start of `name` in at most `max_bytes` bytes, without a partial character."""
    remaining = max_bytes
    for place, character in enumerate(name):
        remaining -= len(character.encode("utf-8", "surrogateescape"))
        if remaining < 0:
            return name[:place]
    return name


def with_ending(path: Path, ending: str) -> Path:
    """The path with `ending` (ASCII) after its name, shortened to MAX_NAME_BYTES."""
    return path.with_name(shortened(path.name, MAX_NAME_BYTES - len(ending)) + ending)
