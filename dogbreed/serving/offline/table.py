"""The predictions for many photos as a file that grows row by row and can be resumed."""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from dogbreed.errors import ConfigError, OutputError, PhotoError
from dogbreed.serving.prediction import Prediction
from dogbreed.utils.csv_cells import csv_line, text_of
from dogbreed.utils.files import atomic_write, locked, refuse_foreign_link, with_ending, write_text
from dogbreed.utils.os_errors import DISK_FULL

CSV, JSONL = ".csv", ".jsonl"

Row = dict[str, Any]

# The columns' names, as <table>.meta.json has them; version 0.1, which had no such key, called the
# label "breed" and the list "breeds".
COLUMNS = "label"
_HEADER = ""  # stands for the path in a CSV file's first line: no file has this name


def row_of(path: str, result: Prediction | PhotoError, *, embedding: bool = False) -> Row:
    """A photo's row: the most likely class, the list of `top_k` classes, or the error."""
    if isinstance(result, PhotoError):
        row: Row = dict.fromkeys(("label", "class", "probability", "unknown"))
        row |= {"classes": [], "error": str(result), "embedding": None}
    else:
        classes = [
            {**each, "probability": round(each["probability"], 6)}
            for each in result.as_dict()["classes"]
        ]
        row = {**classes[0], "unknown": result.unknown, "classes": classes, "error": None}
        # Six decimals are what float32 has, and half the file.
        row["embedding"] = result.embedding.astype(float).round(6).tolist() if embedding else None
    if not embedding:
        del row["embedding"]
    return {"path": path, **row}


def json_line(row: Row) -> str:
    """The row as one line of JSON, in ASCII: names that aren't text keep their bytes as escapes."""
    return json.dumps(row).replace("\x7f", "\\u007f") + "\n"  # json leaves DEL as it is


def csv_lines(rows: Iterable[Row], top_k: int, *, header: bool = True) -> Iterator[bytes]:
    """The lines of a CSV file: its header, and one for each row."""
    if header:
        yield csv_line(_columns(top_k)).encode()
    for row in rows:
        yield csv_line(_cells(row, top_k)).encode("utf-8", "surrogateescape")


class Table:
    """Rows in a .csv or .jsonl file; `done` maps the path of each row to its error."""

    def __init__(self, file: BinaryIO, suffix: str, top_k: int, done: dict[str, str]) -> None:
        self.done = done
        self._file = file
        self._suffix = suffix
        self._top_k = top_k

    def add(self, row: Row) -> None:
        """Append a row."""
        line = json_line(row) if self._suffix == JSONL else csv_line(_cells(row, self._top_k))
        self._file.write(line.encode("utf-8", "surrogateescape"))
        self._file.flush()  # a killed run loses no row, however long the next one takes
        self.done[row["path"]] = row["error"] or ""


def check_suffix(path: Path) -> None:
    """Raise a ConfigError unless the file can be a table."""
    if path.suffix not in (CSV, JSONL):
        raise ConfigError(f"output={path}: must end in {CSV} or {JSONL}.")


@contextmanager
def open_table(
    path: Path, origin: Mapping[str, Any], top_k: int, wanted: Iterable[str]
) -> Iterator[Table]:
    """The table at `path`, new or resumed.

    `origin` is what its rows depend on; it is stored in <path>.meta.json. A table of another origin
    is never added to. If the table has a row for every `wanted` path, the rows with an error are
    removed, so that their photos are tried again.

    Raises:
        OutputError: `path` can't be written, holds something else, or is being written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_foreign_link(path)
        with _exclusive(path):
            done, _ = _resume(path, origin)
            if any(done.values()) and done.keys() >= set(wanted):
                _drop_errors(path)
        with _exclusive(path), path.open("r+b") as file:
            done, end = _resume(path, origin)
            file.truncate(end)  # an incomplete row of a killed run
            file.seek(end)
            if not end and path.suffix == CSV:
                file.write(csv_line(_columns(top_k)).encode())
            yield Table(file, path.suffix, top_k, done)
    except OSError as error:
        if error.errno in DISK_FULL:
            error.filename = str(path)  # the error of a failed write has none
            raise
        raise OutputError(
            f"{path} can't be written ({error.strerror}): set output to a file of yours."
        ) from error


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with locked(path, wait=False, links=True) as acquired:
        if not acquired:
            raise OutputError(f"{path} is being written by another command: wait for it.")
        yield


def _drop_errors(path: Path) -> None:
    """Rewrite the table without the rows that have an error."""
    start = 0
    with (
        path.open("rb") as file,
        atomic_write(path) as temporary,
        temporary.open("wb") as rewritten,
    ):
        for name, fault, end in _rows(path, file):
            if not fault or name == _HEADER:
                rewritten.write(os.pread(file.fileno(), end - start, start))
            start = end


def _resume(path: Path, origin: Mapping[str, Any]) -> tuple[dict[str, str], int]:
    """The paths of the table's rows, with their errors, and where its last complete row ends."""
    meta = with_ending(path, ".meta.json")
    done: dict[str, str] = {}
    end = 0
    if path.stat().st_size:
        before = _origin_of(path, meta)
        if before.get("columns") != COLUMNS:
            raise OutputError(
                f"{path} was written by an older version of dogbreed, with other columns (breed in "
                "place of label): give another output, or remove it to start again."
            )
        done, end = _read(path)
        differing = [key for key in origin if before.get(key) != origin[key]]
        if done and differing:
            raise OutputError(
                f"{path} was made with another {' and '.join(differing)}: give another output, "
                "or remove it to start again."
            )
    if not done:
        write_text(meta, json.dumps({"columns": COLUMNS, **origin}, indent=1) + "\n")
        return {}, 0
    return done, end


def _origin_of(path: Path, meta: Path) -> Mapping[str, Any]:
    """The origin of the rows of `path`."""
    try:
        values = json.loads(meta.read_text("utf-8"))
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise OutputError(
            f"{path} exists, but {meta.name}, which says which model and photos it is of, is "
            "missing or damaged: give another output, or remove it."
        )
    return values


def _read(path: Path) -> tuple[dict[str, str], int]:
    """The paths of the complete rows, with their errors, and where the last of them ends."""
    done: dict[str, str] = {}
    end = 0
    try:
        with path.open("rb") as file:
            for name, fault, row_end in _rows(path, file):
                done[name], end = fault, row_end
    except (ValueError, LookupError, TypeError, csv.Error) as error:
        raise OutputError(
            f"{path} was changed since it was written (a row after byte {end:,} can't be read): "
            "give another output, or remove it to start again."
        ) from error
    done.pop(_HEADER, None)
    return done, end


def _rows(path: Path, file: BinaryIO) -> Iterator[tuple[str, str, int]]:
    """Each complete row of the table as (path, error, where it ends)."""
    return _csv_rows(file) if path.suffix == CSV else _jsonl_rows(file)


def _jsonl_rows(file: BinaryIO) -> Iterator[tuple[str, str, int]]:
    """Each complete row as (path, error, where it ends)."""
    end = 0
    for line in file:
        if not line.endswith(b"\n"):
            return
        end += len(line)
        row = json.loads(line)
        yield row["path"], row["error"] or "", end


def _csv_rows(file: BinaryIO) -> Iterator[tuple[str, str, int]]:
    """The same of a CSV file; the header's path is empty."""
    end, record, is_header = 0, b"", True
    for line in file:
        record += line
        # A name with line breaks is in quotes; quotes in it are doubled.
        if not line.endswith(b"\n") or record.count(b'"') % 2:
            continue
        end += len(record)
        text = io.StringIO(record.decode("utf-8", "surrogateescape"), newline="")
        cells = next(csv.reader(text))
        yield _HEADER if is_header else text_of(cells[0]), cells[-1], end
        record, is_header = b"", False


def _columns(top_k: int) -> list[str]:
    further = [
        f"{name}_{rank}" for rank in range(2, top_k + 1) for name in ("label", "probability")
    ]
    return ["path", "label", "class", "probability", "unknown", *further, "error"]


def _cells(row: Row, top_k: int) -> list[object]:
    """A row's cells in the order of `_columns`."""
    further: list[object] = []
    for each in row["classes"][1:]:
        further += [each["label"], _decimal(each["probability"])]
    further += [""] * (2 * (top_k - 1) - len(further))
    unknown = "" if row["unknown"] is None else str(row["unknown"]).lower()
    best = [row["path"], row["label"], row["class"], _decimal(row["probability"]), unknown]
    return [*best, *further, row["error"]]


def _decimal(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.6f}"
