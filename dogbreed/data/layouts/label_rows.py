"""The rows of a file of labels matched with the photos below a folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dogbreed.data.layouts.label_columns import Columns
from dogbreed.data.layouts.label_file import LabelFile, Row
from dogbreed.data.layouts.photo_names import PhotoNames
from dogbreed.data.layouts.split_names import split_name
from dogbreed.data.layouts.splits import Finding
from dogbreed.data.layouts.walk import Folder
from dogbreed.errors import DataError
from dogbreed.utils.nouns import counted

# As long as the name of a class folder may be; a longer text is a description.
MAX_LABEL_CHARACTERS, MAX_GROUP_CHARACTERS = 255, 1024
# Reasons of findings.
MISSING_PHOTO, NO_ROW, NO_LABEL = "missing_photo", "no_row", "no_label"
LABELS, REPEATED = "labels", "repeated_row"
_SHOWN = 3


class Meaning(NamedTuple):
    """What a row says of its photo: class, split (None: none is given) and group ("": none)."""

    label: str
    split: str | None
    group: str


@dataclass(frozen=True, kw_only=True)
class LabelledPhotos:
    """What the rows say of each photo that is there, and what there is to report."""

    header: tuple[str, ...]
    photos: Mapping[Path, Meaning]
    findings: tuple[Finding, ...]


class _Entry(NamedTuple):
    """A row with its photo; None: it isn't there."""

    row: Row
    name: str
    photo: Path | None
    meaning: Meaning


def match_rows(file: LabelFile, columns: Columns, top: Folder) -> LabelledPhotos:
    """Find the photo of each row anywhere below `top`.

    Raises:
        DataError: no rows, a name that several photos have, a photo that has two classes, splits or
            groups, a text that is no split, or a label of many characters.
    """
    if not file.rows:
        raise DataError(f"data.labels={file.path}: has a header and no rows.")
    photos = [photo for folder in top.walk() for photo in folder.photos]
    names = PhotoNames(top.path, file.path.parent, photos)
    entries: dict[Path | str | int, _Entry] = {}
    repeated = []
    for row in file.rows:
        entry = _entry(file, columns, names, row)
        first = entries.setdefault(entry.photo or entry.name or row.line, entry)
        if first is not entry:
            _refuse_conflict(file, columns, first, entry)
            repeated.append(row)
    labelled = [entry for entry in entries.values() if entry.meaning.label]
    unlabelled = [entry.row for entry in entries.values() if not entry.meaning.label]
    missing = [entry for entry in labelled if entry.photo is None]
    without_row = [photo for photo in photos if photo not in entries]
    return LabelledPhotos(
        header=file.header,
        photos={entry.photo: entry.meaning for entry in labelled if entry.photo is not None},
        findings=(
            _about(file, columns),
            *_missing(file, missing, len(entries)),
            *_without_row(file, top, without_row),
            *_rows(file, NO_LABEL, "without a label; left out", unlabelled),
            *_rows(file, REPEATED, "like an earlier one; left out", repeated),
        ),
    )


def _entry(file: LabelFile, columns: Columns, names: PhotoNames, row: Row) -> _Entry:
    name, label = row.cells[columns.photo], row.cells[columns.label]
    group = "" if columns.group is None else row.cells[columns.group]
    if len(label) > MAX_LABEL_CHARACTERS or len(group) > MAX_GROUP_CHARACTERS:
        what, text = ("label", label) if len(label) > MAX_LABEL_CHARACTERS else ("group", group)
        raise _refused(file, row, f"a {what} has {len(text):,} characters: {text!r:.80}")
    photos = names.find(name) if name else ()
    if len(photos) > 1:
        raise _refused(
            *(file, row),
            f"{name!r:.80} may be {photos[0]} or {photos[1]}: write the path below data.root, or "
            "name the folder of the labelled photos as data.root",
        )
    photo = photos[0] if photos else None
    if not label:
        return _Entry(row, name, photo, Meaning("", None, ""))
    split = None if columns.split is None else _split(file, row, row.cells[columns.split])
    return _Entry(row, name, photo, Meaning(label, split, group))


def _split(file: LabelFile, row: Row, text: str) -> str:
    parsed = split_name(text)
    if parsed is None:
        raise _refused(
            *(file, row),
            f"the split {text!r:.80} is none of train, valid and test: correct it, or rename its "
            "column if it means something else",
        )
    return parsed.split


def _refuse_conflict(file: LabelFile, columns: Columns, first: _Entry, second: _Entry) -> None:
    """Raise a DataError if two rows of a photo say different things."""
    for kind, one, other in zip(Meaning._fields, first.meaning, second.meaning, strict=True):
        if one != other:
            column = file.header[getattr(columns, kind)]
            raise _refused(
                *(file, second.row),
                f"{second.name!r:.80} has the {column} {other!r:.80} here and {one!r:.80} in line "
                f"{first.row.line}: keep one of them",
            )


def _refused(file: LabelFile, row: Row, what: str) -> DataError:
    return DataError(f"data.labels={file.path}: line {row.line}: {what}.")


def _about(file: LabelFile, columns: Columns) -> Finding:
    """Which columns were used, as they may have been recognised wrongly."""
    used = (
        f"{kind} in the column {file.header[place]!r:.80}"
        for kind, place in columns._asdict().items()
        if place is not None
    )
    encoding = " (no UTF-8: read as Windows-1252)" if file.encoding == "cp1252" else ""
    message = f"{counted(len(file.rows), 'row')}{encoding}: {', '.join(used)}"
    return Finding.note(file.path, LABELS, message)


def _missing(file: LabelFile, missing: Sequence[_Entry], total: int) -> Iterator[Finding]:
    """Rows without a photo: one that counts as many bad photos, and a line for each."""
    if not missing:
        return
    yield Finding(
        path=file.path,
        reason=MISSING_PHOTO,
        message=(
            f"{len(missing):,} of {total:,} rows have no photo below data.root, such as "
            + ", ".join(_named(entry) for entry in missing[:_SHOWN])
        ),
        bad=True,
        photos=len(missing),
    )
    for entry in missing:
        yield Finding.note(file.path, MISSING_PHOTO, f"{_named(entry)} is not there")


def _named(entry: _Entry) -> str:
    line = f"line {entry.row.line}"
    return f"{entry.name!r:.200} ({line})" if entry.name else line


def _rows(file: LabelFile, reason: str, what: str, rows: Sequence[Row]) -> Iterator[Finding]:
    """A finding for rows of one kind."""
    if rows:
        lines = ", ".join(f"{row.line}" for row in rows[:_SHOWN])
        more = f" and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
        message = f"{counted(len(rows), 'row')} {what} (line {lines}{more})"
        yield Finding.note(file.path, reason, message)


def _without_row(file: LabelFile, top: Folder, photos: Sequence[Path]) -> Iterator[Finding]:
    """One finding for all photos that no row names."""
    if photos:
        message = (
            f"{counted(len(photos), 'photo')} without a row in {file.path.name}; left out, such as "
            f"{photos[0].relative_to(top.path)}"
        )
        yield Finding.note(top.path, NO_ROW, message)
