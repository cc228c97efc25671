"""The answers for many photos as a file that grows row by row and can be gone on with."""

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

_HEAD = ""  # stands for the path in a CSV file's first line: no file is called so


def row_of(path: str, answer: Prediction | PhotoError, *, embedding: bool = False) -> Row:
    """A photo's row: the likeliest breed, all that were asked for, or the error."""
    if isinstance(answer, PhotoError):
        row: Row = dict.fromkeys(("breed", "class", "probability", "unknown"))
        row |= {"breeds": [], "error": str(answer), "embedding": None}
    else:
        breeds = [
            {"breed": b.name, "class": b.class_name, "probability": round(b.probability, 6)}
            for b in answer.breeds
        ]
        row = {**breeds[0], "unknown": answer.unknown, "breeds": breeds, "error": None}
        # Six decimals are what float32 has, and half the file.
        row["embedding"] = answer.embedding.astype(float).round(6).tolist() if embedding else None
    if not embedding:
        del row["embedding"]
    return {"path": path, **row}


def json_line(row: Row) -> str:
    """The row as one line of JSON, in ASCII: names that aren't text keep their bytes as escapes."""
    return json.dumps(row).replace("\x7f", "\\u007f") + "\n"  # json takes DEL for harmless


class Table:
    """Rows in a .csv or .jsonl file; `done` has the paths that it holds, each with its error."""

    def __init__(self, file: BinaryIO, suffix: str, top_k: int, done: dict[str, str]) -> None:
        self.done = done
        self._file = file
        self._suffix = suffix
        self._top_k = top_k

    def add(self, row: Row) -> None:
        """Append a row."""
        line = json_line(row) if self._suffix == JSONL else csv_line(_cells(row, self._top_k))
        self._file.write(line.encode("utf-8", "surrogateescape"))
        self._file.flush()  # a killed run has lost no row, however long the next one takes
        self.done[row["path"]] = row["error"] or ""


def check_suffix(path: Path) -> None:
    """Raise a ConfigError unless the file can be a table."""
    if path.suffix not in (CSV, JSONL):
        raise ConfigError(f"output={path}: must end in {CSV} or {JSONL}.")


@contextmanager
def open_table(
    path: Path, origin: Mapping[str, Any], top_k: int, wanted: Iterable[str]
) -> Iterator[Table]:
    """The table at `path`, begun or gone on with.

    `origin` is what its rows depend on; it stands in <path>.meta.json. Rows of another origin are
    never added to. Where all that is `wanted` is there, the rows of photos that could not be
    answered are taken out, to be tried again.

    Raises:
        OutputError: `path` can't be written, holds something else, or is being written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_foreign_link(path)
        with _held(path):
            done, _ = _begun(path, origin)
            if any(done.values()) and done.keys() >= set(wanted):
                _drop_errors(path)
        with _held(path), path.open("r+b") as file:
            done, end = _begun(path, origin)
            file.truncate(end)  # a row that a killed run left torn
            file.seek(end)
            if not end and path.suffix == CSV:
                file.write(csv_line(_columns(top_k)).encode())
            yield Table(file, path.suffix, top_k, done)
    except OSError as error:
        if error.errno in DISK_FULL:
            error.filename = str(path)  # a failed write knows no name
            raise
        raise OutputError(
            f"{path} can't be written ({error.strerror}): set output to a file of yours."
        ) from error


@contextmanager
def _held(path: Path) -> Iterator[None]:
    with locked(path, wait=False, links=True) as held:
        if not held:
            raise OutputError(f"{path} is being written by another command: wait for it.")
        yield


def _drop_errors(path: Path) -> None:
    """Write the table anew without the rows of photos that could not be answered."""
    start = 0
    with path.open("rb") as file, atomic_write(path) as beside, beside.open("wb") as kept:
        for name, fault, end in _rows(path, file):
            if not fault or name == _HEAD:
                kept.write(os.pread(file.fileno(), end - start, start))
            start = end


def _begun(path: Path, origin: Mapping[str, Any]) -> tuple[dict[str, str], int]:
    """The paths that the table holds, with their errors, and where its last whole row ends."""
    meta = with_ending(path, ".meta.json")
    done: dict[str, str] = {}
    end = 0
    if path.stat().st_size:
        before = _origin_of(path, meta)
        done, end = _read(path)
        differing = [key for key in origin if before.get(key) != origin[key]]
        if done and differing:
            raise OutputError(
                f"{path} was made with another {' and '.join(differing)}: give another output, "
                "or remove it to begin anew."
            )
    if not done:
        write_text(meta, json.dumps(dict(origin), indent=1) + "\n")
        return {}, 0
    return done, end


def _origin_of(path: Path, meta: Path) -> Mapping[str, Any]:
    """What the rows of `path` were made of."""
    try:
        values = json.loads(meta.read_text("utf-8"))
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise OutputError(
            f"{path} is there already, and nothing ({meta.name}) says what it was made of: "
            "give another output, or remove it."
        )
    return values


def _read(path: Path) -> tuple[dict[str, str], int]:
    """The paths of the whole rows, with their errors, and where the last of them ends."""
    done: dict[str, str] = {}
    end = 0
    try:
        with path.open("rb") as file:
            for name, fault, row_end in _rows(path, file):
                done[name], end = fault, row_end
    except (ValueError, LookupError, TypeError, csv.Error) as error:
        raise OutputError(
            f"{path} was changed since it was written (a row after byte {end:,} can't be read): "
            "give another output, or remove it to begin anew."
        ) from error
    done.pop(_HEAD, None)
    return done, end


def _rows(path: Path, file: BinaryIO) -> Iterator[tuple[str, str, int]]:
    """Each whole row of the table as (path, error, where it ends)."""
    return _csv_rows(file) if path.suffix == CSV else _jsonl_rows(file)


def _jsonl_rows(file: BinaryIO) -> Iterator[tuple[str, str, int]]:
    """Each whole row as (path, error, where it ends)."""
    end = 0
    for line in file:
        if not line.endswith(b"\n"):
            return
        end += len(line)
        row = json.loads(line)
        yield row["path"], row["error"] or "", end


def _csv_rows(file: BinaryIO) -> Iterator[tuple[str, str, int]]:
    """The same of a CSV file; the head's path is empty."""
    end, record, head = 0, b"", True
    for line in file:
        record += line
        # A name may hold line breaks, then it stands in quotes; quotes in it are doubled.
        if not line.endswith(b"\n") or record.count(b'"') % 2:
            continue
        end += len(record)
        text = io.StringIO(record.decode("utf-8", "surrogateescape"), newline="")
        cells = next(csv.reader(text))
        yield _HEAD if head else text_of(cells[0]), cells[-1], end
        record, head = b"", False


def _columns(top_k: int) -> list[str]:
    further = [
        f"{name}_{rank}" for rank in range(2, top_k + 1) for name in ("breed", "probability")
    ]
    return ["path", "breed", "class", "probability", "unknown", *further, "error"]


def _cells(row: Row, top_k: int) -> list[object]:
    """A row's cells in the order of `_columns`."""
    further: list[object] = []
    for breed in row["breeds"][1:]:
        further += [breed["breed"], _decimal(breed["probability"])]
    further += [""] * (2 * (top_k - 1) - len(further))
    unknown = "" if row["unknown"] is None else str(row["unknown"]).lower()
    best = [row["path"], row["breed"], row["class"], _decimal(row["probability"]), unknown]
    return [*best, *further, row["error"]]


def _decimal(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.6f}"
