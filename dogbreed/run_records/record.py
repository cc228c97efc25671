"""run.json: what lists and comparisons need to know of a run, small enough to read hundreds."""

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dogbreed.utils.documents import DocumentError, read_json
from dogbreed.utils.files import json_text, write_text
from dogbreed.utils.version import __version__

RECORD_FILE = "run.json"
METRICS_FILE = "metrics.json"  # written last: a run that has it is finished
MAX_BYTES = 4 * 2**20  # of run.json: a million test photos
MAX_CHANGES = 200
MAX_FAILURE_CHARACTERS = 200

Splits = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class PhotoAnswers:
    """Which test photos a run classified correctly, in the order of predictions.csv.

    Attributes:
        sha256: identifies the photos, their classes and their order.
        n: how many there are.
        right: in base64, a bit per photo, the first one in the highest bit of the first byte.
        wrong: in base64, the predicted class of each of the other photos, 2 bytes each (big
            endian); empty for more than 65,536 classes.
    """

    sha256: str
    n: int
    right: str
    wrong: str


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The content of run.json: written when a run starts, and again with its results.

    Attributes:
        data: the name of the photos, without the folders that they are in.
        classes: how many there are; `classes_sha256` identifies them and their order.
        changes: the keys of the configuration that differ from the defaults, as they were given.
        version: that of dogbreed.
        failure: why the run has failed, in one line.
        seconds: of the complete run.
        data_fingerprint: identifies the photos, their classes and their splits.
        splits: the metrics of "valid" and "test", as in metrics.json.
    """

    data: str | None
    classes: int
    classes_sha256: str
    changes: Mapping[str, Any] | None
    version: str | None = __version__
    failure: str | None = None
    seconds: float | None = None
    data_fingerprint: str | None = None
    splits: Splits | None = None
    test_answers: PhotoAnswers | None = None

    def write(self, folder: Path) -> None:
        """Write run.json."""
        write_text(folder / RECORD_FILE, json_text(asdict(self)))

    def metric(self, split: str, name: str) -> float | None:
        """A metric's value on a split; None if it isn't known."""
        value = (self.splits or {}).get(split, {}).get(name)
        return float(value) if isinstance(value, int | float) else None

    def interval(self, split: str, name: str) -> tuple[float, float] | None:
        """Its 95 % interval; None if it isn't known."""
        ends = (self.splits or {}).get(split, {}).get("ci95", {}).get(name)
        return (float(ends[0]), float(ends[1])) if ends is not None else None


def classes_digest(classes: Sequence[str]) -> str:
    """What identifies class names and their order."""
    return hashlib.sha256(json.dumps(list(classes)).encode()).hexdigest()


def read_record(folder: Path) -> RunRecord:
    """The content of the run.json of a folder.

    Raises:
        DocumentError: it isn't such a file, or has values of other types.
    """
    values = read_json(folder / RECORD_FILE, MAX_BYTES)
    try:
        answers = values["test_answers"]
        return RunRecord(
            data=_optional(str, values["data"]),
            classes=_of(int, values["classes"]),
            classes_sha256=_of(str, values["classes_sha256"]),
            changes=_changes(values["changes"]),
            version=_optional(str, values["version"]),
            failure=_optional(str, values["failure"]),
            seconds=_optional(float, values["seconds"]),
            data_fingerprint=_optional(str, values["data_fingerprint"]),
            splits=None if values["splits"] is None else _splits(values["splits"]),
            test_answers=None if answers is None else _answers(answers),
        )
    except KeyError as error:
        raise DocumentError(f"lacks {error.args[0]}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise DocumentError("has a value that no run writes") from error


def read_metrics(folder: Path) -> RunRecord:
    """What the metrics.json of a folder holds of a record, for runs without run.json.

    Raises:
        DocumentError: it isn't the metrics.json of a training.
    """
    values = read_json(folder / METRICS_FILE)
    try:
        classes = list(values["classes"])
        return RunRecord(
            data=None,
            classes=len(classes),
            classes_sha256=classes_digest(classes),
            changes=None,
            version=None,
            seconds=_of(float, values["seconds"]["total"]),
            data_fingerprint=_optional(str, values.get("data_fingerprint")),
            splits=_splits({split: values[split] for split in ("valid", "test")}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DocumentError("isn't that of a training") from error


def _of(kind: type[Any], value: Any) -> Any:
    """The value, if it is of the kind; a whole number is a float too."""
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _optional(kind: type[Any], value: Any) -> Any:
    return None if value is None else _of(kind, value)


def _changes(values: Any) -> Mapping[str, Any] | None:
    if values is None:
        return None
    if len(_of(dict, values)) > MAX_CHANGES:
        raise ValueError("too many keys")
    return dict(values)


def _splits(values: Any) -> dict[str, dict[str, Any]]:
    """The metrics by split: finite numbers, and their intervals below "ci95"."""
    splits: dict[str, dict[str, Any]] = {}
    for split, metrics in values.items():
        ends = {
            name: [_number(end) for end in each]
            for name, each in metrics["ci95"].items()
            if None not in each  # of a metric that couldn't be computed
        }
        if any(len(each) != 2 for each in ends.values()):
            raise ValueError("an interval has two ends")
        numbers = {
            name: _number(value)
            for name, value in metrics.items()
            if name != "ci95" and value is not None
        }
        splits[split] = {**numbers, "ci95": ends}
    return splits


def _number(value: Any) -> float | int:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return float(value) if isinstance(value, float) else int(value)


def _answers(values: Any) -> PhotoAnswers:
    answers = PhotoAnswers(**values)
    for text in (answers.sha256, answers.right, answers.wrong):
        _of(str, text)
    try:
        right = base64.b64decode(answers.right, validate=True)
        wrong = base64.b64decode(answers.wrong, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
    count = int.from_bytes(right).bit_count()
    if len(right) != (_of(int, answers.n) + 7) // 8:
        raise ValueError("as many bits as photos")
    if wrong and len(wrong) != 2 * (answers.n - count):
        raise ValueError("a class for each photo that isn't right")
    return answers
