"""A CSV file with the labels of photos: from untrusted bytes to a header and rows."""

import csv
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dogbreed.errors import DataError
from dogbreed.utils.links import open_within

MAX_BYTES = 256 * 2**20  # ImageNet's 1.3 million photos take less than 100 MB
MAX_ROWS = 2_000_000
MAX_COLUMNS = 10_000
DELIMITERS = ",;\t|"
# The first bytes of files that people take for CSV.
_SHEETS = {b"PK\x03\x04": "an Excel or OpenDocument file", b"\xd0\xcf\x11\xe0": "an Excel file"}


@dataclass(frozen=True)
class Row:
    """A row: the number of its last line in the file, and its cells, as many as the header has."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class LabelFile:
    """A file of labels: header and rows, without spaces around; rows without any text are left out.

    `encoding` is the one that its text was read in.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    encoding: str


def find_label_file(labels: str, root: Path) -> tuple[Path, bool]:
    """The file that data.labels names: in the working directory, or else in `root` (then True).

    Raises:
        DataError: there is no such file.
    """
    for path, inside in ((Path(labels), False), (root / labels, True)):
        if path.is_file():
            return path, inside
    places = f"here or in {root}" if not Path(labels).is_absolute() else "there"
    raise DataError(f"data.labels={labels}: no such file {places}: write the path of a CSV file.")


def read_label_file(path: Path, within: str | None) -> LabelFile:
    """Read a file of labels in UTF-8, UTF-16 or Windows-1252, whatever separates its columns.

    `within` is the real path of a folder that it must be in; None: anywhere.

    Raises:
        DataError: it can't be read, is no such text, or is too large.
    """
    text, encoding = _decoded(path, _read(path, within))
    lines = _lines(path, text)
    header, rows = next(lines, None), []
    if header is None:
        raise DataError(f"data.labels={path}: is empty: its first line names the columns.")
    for row in lines:
        rows.append(_row(path, header, row))
        if len(rows) > MAX_ROWS:
            raise DataError(f"data.labels={path}: has more than {MAX_ROWS:,} rows.")
    return LabelFile(path, header.cells, tuple(rows), encoding)


def _read(path: Path, within: str | None) -> bytes:
    try:
        with open(open_within(path, within), "rb") as file:  # noqa: PTH123 (a descriptor)
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DataError(f"data.labels={path}: is no regular file.")
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"data.labels={path}: can't be read: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise DataError(f"data.labels={path}: is larger than {MAX_BYTES // 2**20} MiB.")
    return data


def _decoded(path: Path, data: bytes) -> tuple[str, str]:
    """The text and its encoding; Excel writes Windows-1252 by default."""
    for start, kind in _SHEETS.items():
        if data.startswith(start):
            raise DataError(f"data.labels={path}: is {kind}: save the sheet as CSV.")
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, encoding
    raise DataError(f"data.labels={path}: is no text in UTF-8, UTF-16 or Windows-1252.")


def _lines(path: Path, text: str) -> Iterator[Row]:
    """Rows that have any text."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells[: MAX_COLUMNS + 1])
            if len(stripped) > MAX_COLUMNS:
                raise DataError(f"data.labels={path}: has more than {MAX_COLUMNS:,} columns.")
            if any(stripped):
                yield Row(reader.line_num, stripped)
    except csv.Error as error:
        raise DataError(
            f"data.labels={path}: line {reader.line_num} can't be read as CSV ({error}): is a "
            "quote not closed?"
        ) from error


def _delimiter(text: str) -> str:
    """What separates most columns in the first line that has any text."""
    first = next((line for line in io.StringIO(text) if line.strip()), "")

    def columns(delimiter: str) -> int:
        try:
            return len(next(csv.reader([first], delimiter=delimiter), []))
        except csv.Error:
            return 0

    return max(DELIMITERS, key=columns)


def _row(path: Path, header: Row, row: Row) -> Row:
    """The row with as many cells as the header has."""
    width, cells = len(header.cells), row.cells
    if any(cells[width:]):
        raise DataError(
            f"data.labels={path}: line {row.line} has {len(cells)} columns, the header {width}: "
            "write a text that has the delimiter in it in double quotes."
        )
    return Row(row.line, (*cells[:width], *[""] * (width - len(cells))))
