"""Files that are whole or not there, locks among processes; no link of another user's is followed.

Whoever can write to a folder that this user writes to, too, could put a symbolic link there, and
have another file of the user's truncated or appended to; or a pipe, which would be waited for.
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

PARTIAL_SUFFIX = ".part"  # of a file that isn't complete yet
_TOKEN = re.compile(rf"\.((\w{{6}})-(\d+)-\w{{8}}){re.escape(PARTIAL_SUFFIX)}\Z")
STALE_S = 86_400  # a temporary file of another host is taken for abandoned after a day

# A file system takes 255 bytes per name (NAME_MAX of Linux; eCryptfs 143).
MAX_NAME_BYTES = 255


class NotRegularError(PermissionError):
    """A symbolic link, a pipe, a folder or a device is where a regular file must be."""


def open_plain(path: Path, flags: int, mode: int = 0o666) -> int:
    """Open a regular file, never through a symbolic link at `path`: its descriptor.

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
    """Raise an OSError for a symbolic link that another user has put there; root's are fine."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode) and status.st_uid not in (os.geteuid(), 0):
            raise OSError(errno.EPERM, "is a symbolic link of another user's", str(path))


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there if the block ends without an error.

    Works for files, links, and folders that don't exist yet. What a failed block wrote is removed,
    and what a killed process left there for the same `path`.

    Raises:
        OSError: of the file's name, where the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    beside = _temporary(path, f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        if error.errno in DISK_FULL:
            error.filename = str(path)  # a failed write knows no name
        raise
    finally:
        remove(beside)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _host() -> str:
    """This host's name as a few characters; processes have their numbers from it."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


def _temporary(path: Path, token: str) -> Path:
    """The temporary file for `path` of the process that `token` names."""
    return with_ending(path.with_name(f".{path.name}"), f".{token}{PARTIAL_SUFFIX}")


def _remove_abandoned(path: Path) -> None:
    """Remove temporary files for `path` whose process has ended without removing them."""
    for entry in path.parent.glob(f".*{PARTIAL_SUFFIX}"):
        match = _TOKEN.search(entry.name)
        if match is None or entry != _temporary(path, match[1]):
            continue
        with suppress(OSError):  # another process may be removing it, or own it
            old = time.time() - entry.lstat().st_mtime > STALE_S
            if old or (match[2] == _host() and not _is_running(int(match[3]))):
                remove(entry)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to somebody else
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, whole or not at all."""
    with atomic_write(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file, whole or not at all; names with undecodable bytes are kept as they are."""
    with (
        atomic_write(path) as beside,
        beside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        file.writelines(map(csv_line, rows))


def write_json(path: Path, values: Any) -> None:
    """Write `values` as JSON, whole or not at all; what isn't finite becomes null, as JSON asks."""
    write_text(path, json_text(values))


def json_text(values: Any) -> str:
    """`values` as JSON; what isn't finite becomes null, as JSON has no word for it."""
    text = json.dumps(_finite(values), indent=1, allow_nan=False)
    return text.replace("\x7f", "\\u007f") + "\n"  # json takes DEL for harmless


def _finite(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _finite(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


@contextmanager
def locked(path: Path, *, wait: bool = True, links: bool = False) -> Iterator[bool]:
    """Hold the lock file `path` among processes; False if another has it and `wait` is false.

    The system takes the lock back from a process that dies. A symbolic link at `path` is followed
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
            if not is_at(file.fileno(), path):  # who had the lock put another file there
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
    """A link, pipe or device in a folder that this package writes: it puts none there itself.

    Who made it could have the next one who works there write to any file of theirs.
    """
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            mode = os.lstat(Path(place, name)).st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                return Path(place, name)
    return None


def shortened(name: str, max_bytes: int) -> str:
    """The start of `name` that takes at most `max_bytes` bytes on the disk, in full characters."""
    room = max_bytes
    for place, character in enumerate(name):
        room -= len(character.encode("utf-8", "surrogateescape"))
        if room < 0:
            return name[:place]
    return name


def with_ending(path: Path, ending: str) -> Path:
    """The path with `ending` (ASCII) after its name, cut where the disk takes no longer one."""
    return path.with_name(shortened(path.name, MAX_NAME_BYTES - len(ending)) + ending)
