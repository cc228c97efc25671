"""The recording of a training: a file of columns that grows, and can be read at any moment.

    DBREC1 <length> <JSON: the tables with their columns>   the head
    <table, rows, CRC-32> <column> <column> ...             a block, and so on

A block holds rows of one table, column after column. What a killed process or a full disk left of
the last block is not taken for complete. A training that is resumed appends blocks of
steps that were there already: those before them don't count any more.
"""

import json
import os
import struct
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from dogbreed.errors import RecordingError
from dogbreed.evaluation.metrics.registry import VALID_PREFIX, epoch_metrics
from dogbreed.utils.files import open_plain

RECORDING = "recording"  # the file, in the folder debug of a run
MAGIC = b"DBREC1"
HEAD = struct.Struct("<6sI")
BLOCK = struct.Struct("<HHI")
# What a killed process can lose: so many rows of a table, or seconds.
MAX_ROWS, MAX_SECONDS = 512, 1.0

STEPS, LAYERS, EPOCHS = "steps", "layers", "epochs"
ORDER = "step"  # the column by which later blocks replace earlier ones


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What was recorded: tables of columns by name.

    steps: step, cross_entropy (nats), top1, lr, seconds. layers: step, and grad_norm, weight_norm,
    update_ratio [rows, layers] in the order of `layer_names`. epochs: epoch, step,
    train_cross_entropy, train_top1, valid_cross_entropy, valid_top1, and `valid_<name>` of each
    further metric that was registered (`recorded_metrics`). A table is a plain mapping:
    `pandas.DataFrame(recording.steps)` takes it.
    """

    layer_names: tuple[str, ...]
    steps: Mapping[str, npt.NDArray[Any]]
    layers: Mapping[str, npt.NDArray[Any]]
    epochs: Mapping[str, npt.NDArray[Any]]
    complete: bool  # False if the last block was torn


def recorded_metrics() -> tuple[str, ...]:
    """The names of the metrics that have a column of their own in the table of epochs.

    Cross entropy and top-1 are recorded of the training photos too, in columns of fixed names.
    """
    return tuple(m.name for m in epoch_metrics() if m.name not in ("loss", "top1"))


def tables_of(layers: int) -> dict[str, dict[str, tuple[str, int]]]:
    """Each table's columns: their type, and how many values a row has (0: one, not a list)."""
    numbers = ("cross_entropy", "top1", "lr", "seconds")
    norms = ("grad_norm", "weight_norm", "update_ratio")
    epochs = (
        *("train_cross_entropy", "train_top1", "valid_cross_entropy", "valid_top1"),
        *(f"{VALID_PREFIX}{name}" for name in recorded_metrics()),
    )
    return {
        STEPS: {ORDER: ("<u4", 0), **dict.fromkeys(numbers, ("<f4", 0))},
        LAYERS: {ORDER: ("<u4", 0), **dict.fromkeys(norms, ("<f4", layers))},
        EPOCHS: {"epoch": ("<u4", 0), ORDER: ("<u4", 0), **dict.fromkeys(epochs, ("<f4", 0))},
    }


class RecordingWriter:
    """Appends rows to a recording; what is there already, of an interrupted training, is retained.

    Raises:
        OSError: the file can't be written; what was written before can be read.
        RecordingError: what is there is the recording of other layers.
    """

    def __init__(self, path: Path, layer_names: tuple[str, ...]) -> None:
        self._tables = tables_of(len(layer_names))
        self._numbers = {name: number for number, name in enumerate(self._tables)}
        self._waiting: dict[str, list[tuple[Any, ...]]] = {name: [] for name in self._tables}
        self._written = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what was handed over outlives the process.
        self._file = open(open_plain(path, os.O_RDWR | os.O_CREAT), "r+b", buffering=0)  # noqa: PTH123, SIM115
        try:
            if path.stat().st_size:
                self._go_on(layer_names)
            else:
                described = {"layers": layer_names, "tables": self._tables}
                text = json.dumps(described, separators=(",", ":")).encode()
                self._write(HEAD.pack(MAGIC, len(text)) + text)
        except Exception:
            self._file.close()
            raise

    def add(self, table: str, *row: Any) -> None:
        """A row of values in the order of the table's columns."""
        waiting = self._waiting[table]
        waiting.append(row)
        if len(waiting) >= MAX_ROWS or time.monotonic() - self._written >= MAX_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write all rows that wait."""
        self._written = time.monotonic()
        for table, rows in self._waiting.items():
            if rows:
                columns = zip(*rows, strict=True)
                types = self._tables[table].values()
                payload = b"".join(
                    np.asarray(values, dtype).tobytes()
                    for values, (dtype, _) in zip(columns, types, strict=True)
                )
                head = BLOCK.pack(self._numbers[table], len(rows), zlib.crc32(payload))
                rows.clear()
                self._write(head + payload)

    def close(self) -> None:
        """Write what waits, and close the file."""
        try:
            self.flush()
        finally:
            self._file.close()

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:  # an unbuffered write may take a part only, as on a disk that fills up
            left = left[self._file.write(left) :]

    def _go_on(self, layer_names: tuple[str, ...]) -> None:
        """Put what follows behind the last complete block."""
        head = _read_head(self._file)
        tables = {name: list(columns) for name, columns in self._tables.items()}
        if (
            tuple(head["layers"]) != layer_names
            or {name: list(columns) for name, columns in head["tables"].items()} != tables
        ):
            raise RecordingError(
                f"{self._file.name} is the recording of other layers or metrics: move it away."
            )
        end = self._file.tell()
        for _ in _blocks(self._file, head["tables"]):
            end = self._file.tell()
        self._file.seek(end)
        self._file.truncate()


def read_recording(path: str | Path) -> Recording:
    """All complete blocks of a recording, of a training that runs, ended or was killed.

    Raises:
        RecordingError: there is none, or the file is none.
    """
    path = Path(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise RecordingError(f"{path} can't be read ({error.strerror}).") from error
    with file:
        head = _read_head(file)
        parts: dict[str, list[dict[str, Any]]] = {name: [] for name in head["tables"]}
        end = file.tell()
        for table, columns in _blocks(file, head["tables"]):
            end = file.tell()
            # A training that was resumed wrote these steps again.
            parts[table] = [*_before(parts[table], int(columns[ORDER][0])), columns]
        complete = end == path.stat().st_size
    tables = {
        name: {
            column: np.concatenate([part[column] for part in parts[name]])
            if parts[name]
            else _column(b"", *kind)
            for column, kind in columns.items()
        }
        for name, columns in head["tables"].items()
    }
    return Recording(layer_names=tuple(head["layers"]), complete=complete, **tables)


def empty_recording() -> Recording:
    """The recording of a training of which nothing could be written."""
    tables = {
        name: {column: _column(b"", *kind) for column, kind in columns.items()}
        for name, columns in tables_of(0).items()
    }
    return Recording(layer_names=(), complete=False, **tables)


def _read_head(file: BinaryIO) -> dict[str, Any]:
    try:
        magic, length = HEAD.unpack(file.read(HEAD.size))
        if magic != MAGIC:
            raise ValueError("other first bytes")
        head: dict[str, Any] = json.loads(file.read(length))
        if head["tables"].keys() != tables_of(0).keys():
            raise ValueError("other tables")
    except (struct.error, ValueError, KeyError) as error:
        raise RecordingError(f"{file.name} is no recording of a training ({error}).") from error
    return head


def _blocks(
    file: BinaryIO, tables: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each complete block from the file's position: its table and its columns."""
    names = list(tables)
    while len(head := file.read(BLOCK.size)) == BLOCK.size:
        number, rows, checksum = BLOCK.unpack(head)
        if number >= len(names):
            return
        kinds = tables[names[number]]
        sizes = {
            column: rows * max(1, width) * np.dtype(dtype).itemsize
            for column, (dtype, width) in kinds.items()
        }
        payload = file.read(sum(sizes.values()))
        if len(payload) < sum(sizes.values()) or zlib.crc32(payload) != checksum:
            return
        columns, at = {}, 0
        for column, size in sizes.items():
            columns[column] = _column(payload[at : at + size], *kinds[column])
            at += size
        yield names[number], columns


def _column(data: bytes, dtype: str, width: int) -> npt.NDArray[Any]:
    """[rows], or [rows, width] where a row has several values."""
    values = np.frombuffer(data, dtype)
    return values.reshape(-1, width) if width else values


def _before(parts: list[dict[str, Any]], step: int) -> list[dict[str, Any]]:
    """The rows of a table before a step."""
    if not parts or parts[-1][ORDER][-1] < step:
        return parts
    earlier = [
        {column: values[part[ORDER] < step] for column, values in part.items()} for part in parts
    ]
    return [part for part in earlier if len(part[ORDER])]
