"""Class folders that have folders in them: one class, or several."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from dogbreed.data.layouts.split_names import split_name
from dogbreed.data.layouts.walk import Folder

_CONTAINERS = frozenset(
    {
        "images", "image", "imgs", "img", "photos", "photo", "pictures", "pics", "jpg", "jpgs",
        "jpeg", "jpegs", "png", "pngs", "data", "files", "dcim", "camera", "new folder",
    }
)  # fmt: skip
# 100CANON: JEITA CP-3461 (DCF), the folders of cameras. Then numbered parts, and dates.
_NUMBERED = re.compile(r"\d{3}[a-z_]{5}|(part|batch|chunk|page|new folder)[ _-]*\(?\d+\)?")
_DATE = re.compile(r"(19|20)\d\d([-_. ]?\d\d){0,2}")
_DAY_OR_MONTH = re.compile(r"\d\d?")
_SHOWN = 3


class ClassPhotos(NamedTuple):
    """What a class has in one split: photos and other files, in `folder` or below it."""

    name: str
    split: str
    folder: Path
    paths: list[Path]
    others: list[Path]


def is_container(name: str) -> bool:
    """Whether a folder's name only says that photos are in it: images/, 100CANON/, part_2/."""
    return name.lower() in _CONTAINERS or _NUMBERED.fullmatch(name.lower()) is not None


def read_classes(
    parts: Iterable[tuple[str, Folder]], nested_classes: bool | None
) -> list[ClassPhotos]:
    """What is in the class folders of each part; a class folder without photos has no paths.

    With `nested_classes` true a class is each folder that has photos in it, named by its path
    ("shoes/boots") less containers such as images/. Otherwise a class is a class folder with all
    that is below it; `find_nested` says where that is a guess.
    """
    found: dict[tuple[str, str], ClassPhotos] = {}
    for split, folder in parts:
        for top in folder.subfolders:
            if not top.has_photos:
                found[top.name, split] = ClassPhotos(top.name, split, top.path, [], [])
            for inside in top.walk():
                path = top.path
                if nested_classes:
                    if inside.subfolders and not inside.photos and not inside.others:
                        continue
                    steps = inside.path.relative_to(top.path).parts
                    path = path.joinpath(*(step for step in steps if not is_container(step)))
                name = path.relative_to(folder.path).as_posix()
                class_photos = found.setdefault(
                    (name, split), ClassPhotos(name, split, path, [], [])
                )
                class_photos.paths.extend(inside.photos)
                class_photos.others.extend(inside.others)
    return list(found.values())


def find_nested(classes: Iterable[ClassPhotos]) -> dict[str, Counter[str]]:
    """Classes with photos in several folders, each with these folders' paths below its own.

    The folder of the class itself is "." among them. Folders that only containers and dates
    distinguish (cat/2019/, cat/2020/05/, cat/images/) are one: nobody takes them for classes.
    Folders of all splits count: boots in train/shoes/boots/ and sneakers in test/shoes/sneakers/
    are two.
    """
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for class_photos in classes:
        for parent in Counter(path.parent for path in class_photos.paths):
            steps = _distinguishing(parent.relative_to(class_photos.folder).parts)
            found[class_photos.name]["/".join(steps) or "."] += 1
    return {name: folders for name, folders in found.items() if len(folders) > 1}


def _distinguishing(steps: Sequence[str]) -> list[str]:
    """The parts of a path that may name a class: neither containers nor dates."""
    distinguishing, in_date = [], False
    for step in steps:
        in_date = bool(_DATE.fullmatch(step) or (in_date and _DAY_OR_MONTH.fullmatch(step)))
        if not in_date and not is_container(step):
            distinguishing.append(step)
    return distinguishing


def nested_message(
    root: Path, nested: dict[str, Counter[str]], classes: int, has_splits: bool
) -> list[str]:
    """What the `nested` ones of so many classes look like, and each way to read them, as lines."""
    first, folders = next(iter(nested.items()))
    deepest = max(folders, key=lambda path: path != ".")
    every = classes - len(nested) + sum(map(len, nested.values()))
    ways = [
        f"data.nested_classes=false: each folder with all below it, such as {first} "
        f"({classes:,} classes)",
        f"data.nested_classes=true: each folder that photos are in, such as {first}/{deepest} "
        f"({every:,} classes)",
    ]
    shared = [] if has_splits else _shared(nested)
    inverted = bool(shared) and all(map(split_name, shared))
    what = "photos in several folders: are those one class, or several?"
    if inverted:
        what = "split folders inside:"
        ways.insert(0, f"splits: a split folder has the class folders in it, as train/{first}")
    elif shared:
        what = "subfolders of the same names: are they splits, or classes?"
        ways.insert(0, "splits: rename the folders to train, valid and test")
    lines = [
        f"  {name}/{_as_split(name) if shared and not inverted else ''}: "
        f"{', '.join(_first(sorted(folders)))}"
        for name, folders in nested.items()
    ]
    number = "1 folder has" if len(nested) == 1 else f"{len(nested):,} folders have"
    return [f"{root}: {number} {what}", *_first(lines), "Choose:", *(f"  {way}" for way in ways)]


def _shared(nested: dict[str, Counter[str]]) -> list[str]:
    """The subfolders that several folders have, if that is most of them."""
    inside = [{path.split("/")[0] for path in folders} - {"."} for folders in nested.values()]
    times = Counter(name for names in inside for name in names)
    shared = [name for name, count in times.items() if count > 1]
    return shared if 2 * sum(times[name] for name in shared) >= times.total() else []


def _as_split(name: str) -> str:
    """Which split a folder looks like, for people."""
    parsed = split_name(name)
    return f" (looks like {parsed.split})" if parsed else " (looks like no split)"


def _first(texts: Sequence[str]) -> list[str]:
    """The first few of the texts, and how many more there are."""
    more = [f"and {len(texts) - _SHOWN:,} more"] if len(texts) > _SHOWN else []
    return [*texts[:_SHOWN], *more]
