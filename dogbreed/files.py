"""Files that are whole or not there: written beside their place and renamed into it."""

import csv
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
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

# No space, quota used up, file-size limit reached: to a person all three are a full disk.
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
PARTIAL_SUFFIX = ".part"  # of a file that isn't complete yet
STALE_S = 86_400  # a temporary file of another host is taken for abandoned after a day


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there if the block ends without an error.

    Works for files, links, and folders that don't exist yet. What a failed block wrote is removed,
    and what a killed process left there for the same `path`.

    Raises:
        OSError: of the file's name, where the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    token = f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"
    beside = path.with_name(f".{path.name}.{token}{PARTIAL_SUFFIX}")
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


def _remove_abandoned(path: Path) -> None:
    """Remove temporary files for `path` whose process has ended without removing them."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(\w{{6}})-(\d+)-\w{{8}}{PARTIAL_SUFFIX}")
    for entry in path.parent.glob(f".*{PARTIAL_SUFFIX}"):
        match = pattern.fullmatch(entry.name)
        if match is None:
            continue
        with suppress(OSError):  # another process may be removing it, or own it
            old = time.time() - entry.lstat().st_mtime > STALE_S
            if old or (match[1] == _host() and not _is_running(int(match[2]))):
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
    with whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file, whole or not at all; names with undecodable bytes are kept as they are."""
    with (
        whole(path) as beside,
        beside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        csv.writer(file).writerows(rows)


def write_json(path: Path, values: Any) -> None:
    """Write `values` as JSON, whole or not at all; what isn't finite becomes null, as JSON asks."""
    write_text(path, json_text(values))


def json_text(values: Any) -> str:
    """`values` as JSON; what isn't finite becomes null, as JSON has no word for it."""
    return f"{json.dumps(_finite(values), indent=1, allow_nan=False)}\n"


def _finite(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _finite(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file `path` among processes; False if another has it and `wait` is false.

    The system takes the lock back from a process that dies.
    """
    while True:
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            if not _is_at(file, path):  # who had the lock put another file there
                continue
            yield True
            return


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def cache_dir() -> Path:
    """Where what can be made again is kept: $DOGBREED_CACHE, else ~/.cache/dogbreed."""
    named = os.environ.get("DOGBREED_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dogbreed"
