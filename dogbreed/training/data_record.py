"""data.json: a record of a run's data, compared with the present data when it is resumed."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from dogbreed.data.check import Checked
from dogbreed.data.layouts.splits import SPLITS
from dogbreed.run_records.listing import DATA_FILE
from dogbreed.utils.documents import DocumentError, read_json
from dogbreed.utils.files import write_text
from dogbreed.utils.printable import printable

MAX_CHARACTERS = 200  # of a logged name; the file may be another user's
MAX_NAMED = 3  # differences of a kind that are named; the others are counted


@dataclass(frozen=True)
class ClassPhotos:
    """The photos of one class in one split: how many, and a digest of their contents."""

    count: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class RunData:
    """Everything besides the configuration that a run's result depends on.

    `classes` in the order of the head's rows; `backbone` is the digest of the frozen part's
    weights; `photos` by split and class.
    """

    classes: tuple[str, ...]
    backbone: str
    photos: Mapping[str, Mapping[str, ClassPhotos]]

    def write(self, folder: Path) -> None:
        """Write data.json."""
        write_text(folder / DATA_FILE, json.dumps(asdict(self), ensure_ascii=True))


def describe_data(checked: Checked, backbone: str) -> RunData:
    """The data of a run over checked photos."""
    folders = checked.folders
    contents: dict[str, dict[str, list[bytes]]] = {split: {} for split in SPLITS}
    for sample in folders.all_samples():
        of_class = contents[sample.split].setdefault(folders.classes[sample.label], [])
        of_class.append(checked.digests[sample.path])
    return RunData(
        classes=folders.classes,
        backbone=backbone,
        photos={
            split: {name: _class_photos(digests) for name, digests in of_split.items()}
            for split, of_split in contents.items()
        },
    )


def _class_photos(digests: list[bytes]) -> ClassPhotos:
    return ClassPhotos(len(digests), hashlib.sha256(b"".join(sorted(digests))).hexdigest()[:16])


def read_run_data(folder: Path) -> RunData | None:
    """The data.json of the run in `folder`; None if it can't be read."""
    try:
        values = read_json(folder / DATA_FILE)
        return RunData(
            classes=tuple(map(_text, values["classes"])),
            backbone=_text(values["backbone"]),
            photos={
                split: {
                    name: ClassPhotos(int(photos["count"]), _text(photos["digest"]))
                    for name, photos in of_split.items()
                }
                for split, of_split in values["photos"].items()
            },
        )
    except (DocumentError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} isn't text")
    return value


def differences(before: RunData, now: RunData) -> list[str]:
    """The differences between a run's data and the present data, as short clauses."""
    old, new = set(before.classes), set(now.classes)
    found = [
        f"{what} {_named(sorted(names))}"
        for what, names in (("new classes:", new - old), ("classes gone:", old - new))
        if names
    ]
    if not found and before.classes != now.classes:
        found.append("the classes are in another order")
    changed = [_change(*each) for each in _changed_photos(before, now, old & new)]
    if changed:
        found.append(_named(changed))
    if before.backbone != now.backbone:
        found.append("the backbone has other weights")
    return found


def _changed_photos(
    before: RunData, now: RunData, classes: set[str]
) -> Iterator[tuple[str, str, int, int]]:
    """(split, class, photos then, photos now) wherever the photos differ."""
    nothing = ClassPhotos(0, "")
    for split in SPLITS:
        for name in sorted(classes):
            old = before.photos.get(split, {}).get(name, nothing)
            new = now.photos.get(split, {}).get(name, nothing)
            if old != new:
                yield split, name, old.count, new.count


def _change(split: str, name: str, before: int, now: int) -> str:
    if before == now:
        return f"other photos of {name} in {split}"
    return f"{now} photos of {name} in {split} (the run: {before})"


def _named(things: list[str]) -> str:
    things = [printable(thing[:MAX_CHARACTERS]) for thing in things]
    more = f" and {len(things) - MAX_NAMED} more" if len(things) > MAX_NAMED else ""
    return ", ".join(things[:MAX_NAMED]) + more
