"""Files that are whole or not there: written beside their place and renamed into it."""

import csv
import errno
import fcntl
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

# No space, quota used up, file-size limit reached: to a person all three are a full disk.
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there if the block ends without an error.

    Works for files and for folders that don't exist yet. What a failed block wrote is removed.

    Raises:
        OSError: of the file's name, where the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        if error.errno in DISK_FULL:
            error.filename = str(path)  # a failed write knows no name
        raise
    finally:
        if beside.is_dir():
            shutil.rmtree(beside)
        beside.unlink(missing_ok=True)


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
    text = json.dumps(_finite(values), indent=1, allow_nan=False)
    write_text(path, f"{text}\n")


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
