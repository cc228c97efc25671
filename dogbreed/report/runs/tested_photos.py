"""The test photos of runs, and each run's answers to them, as the page of all runs has them."""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dogbreed.run_records.listing import ListedRun
from dogbreed.run_records.record import METRICS_FILE, PhotoAnswers
from dogbreed.utils.csv_cells import text_of
from dogbreed.utils.documents import DocumentError, open_regular, read_json
from dogbreed.utils.printable import printable

PREDICTIONS_FILE = "predictions.csv"
MAX_BYTES = 1_000_000  # of the page, for photos and answers: the newest runs have theirs in it
_MAX_ROWS = 1_000_000  # of a predictions.csv


@dataclass
class TestedPhotos:
    """What the page has of photos, as plain values.

    Attributes:
        sets: sets of test photos: the folder of the photos as an address relative to the page,
            and each photo's name below it, the name as an address where that differs (else null),
            and its class.
        classes: the names of classes, of the models.
        by_run: by a run's name the numbers of its `set` and its `classes`, and its answers.
    """

    sets: list[dict[str, Any]] = field(default_factory=list)
    classes: list[list[str]] = field(default_factory=list)
    by_run: dict[str, dict[str, Any]] = field(default_factory=dict)


def tested_photos(root: Path, runs: Sequence[ListedRun]) -> TestedPhotos:
    """The photos and answers of as many of the runs, in their order, as fit into MAX_BYTES."""
    found = TestedPhotos()
    sets: dict[str, int] = {}
    classes: dict[str, int] = {}
    left = MAX_BYTES
    for run in runs:
        answers = run.record.test_answers if run.record is not None else None
        if run.record is None or answers is None:
            continue
        new: list[tuple[dict[str, int], str, list[Any], Any]] = []
        digest = run.record.classes_sha256
        try:
            if answers.sha256 not in sets:
                new.append((sets, answers.sha256, found.sets, _read_set(root, run.folder, answers)))
            if digest not in classes:
                names = _read_classes(run.folder, run.record.classes)
                new.append((classes, digest, found.classes, names))
        except (DocumentError, ValueError, UnicodeError, csv.Error):
            continue  # the page compares the run's numbers, not its photos
        left -= len(answers.right) + len(answers.wrong) + sum(_size(each) for *_, each in new)
        if left < 0:
            break
        for numbers, key, known, values in new:
            numbers[key] = len(known)
            known.append(values)
        found.by_run[run.name] = {
            "set": sets[answers.sha256],
            "classes": classes[digest],
            "right": answers.right,
            "wrong": answers.wrong,
        }
    return found


def _read_set(root: Path, folder: Path, answers: PhotoAnswers) -> dict[str, Any]:
    """The test photos in the predictions.csv of a run.

    Raises:
        DocumentError, ValueError: it can't be read, or has other photos than the answers.
    """
    rows = list(islice(_test_rows(folder / PREDICTIONS_FILE), answers.n + 1))
    if len(rows) != answers.n:
        raise ValueError(f"{len(rows)} rows for {answers.n} photos")
    labels, paths = zip(*rows, strict=True)
    # Of paths relative to the working folder too: all of a run are relative, or none is.
    base = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120
    relative = os.path.relpath(base, root.resolve())
    names = [os.path.relpath(path, base) for path in paths]
    addresses = [quote(os.fsencode(name)) for name in names]
    known = sorted(set(labels))
    numbers = {label: number for number, label in enumerate(known)}
    return {
        "base": quote(os.fsencode(relative)),
        "names": list(map(printable, names)),
        "addresses": [
            None if address == name else address
            for address, name in zip(addresses, names, strict=True)
        ],
        "classes": known,
        "labels": [numbers[label] for label in labels],
    }


def _test_rows(path: Path) -> Iterator[tuple[str, str]]:
    """The class and the path of each test photo."""
    with open_regular(path) as binary:
        lines = (line.decode("utf-8", "surrogateescape") for line in binary)
        for row in islice(csv.DictReader(lines), _MAX_ROWS):
            if row.get("split") == "test":
                yield text_of(str(row["class"])), text_of(str(row["path"]))


def _read_classes(folder: Path, count: int) -> list[str]:
    """The names of the classes in the metrics.json of a run.

    Raises:
        DocumentError, ValueError: it can't be read, or has another number of classes.
    """
    classes = read_json(folder / METRICS_FILE).get("classes")
    if not isinstance(classes, dict) or len(classes) != count:
        raise ValueError("other classes")
    return list(classes)


def _size(values: Any) -> int:
    """About as many bytes as the values take as JSON."""
    if isinstance(values, dict):
        return sum(map(_size, values.values()))
    if isinstance(values, list):
        return sum(map(_size, values))
    return len(values) + 3 if isinstance(values, str) else 5
