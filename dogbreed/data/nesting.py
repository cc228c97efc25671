"""Class folders that have folders in them: one class, or several."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from dogbreed.data.split_names import split_name
from dogbreed.data.walk import Folder

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
            for inside in top.walk():
                path = top.path
                if nested_classes:
                    steps = inside.path.relative_to(top.path).parts
                    path = path.joinpath(*(step for step in steps if not is_container(step)))
                    if top.has_photos and not inside.photos and not inside.others:
                        continue
                name = path.relative_to(folder.path).as_posix()
                empty = ClassPhotos(name, split, path, [], [])
                own = found.setdefault((name, split), empty)
                own.paths.extend(inside.photos)
                own.others.extend(inside.others)
    return list(found.values())


def find_nested(classes: Iterable[ClassPhotos]) -> dict[str, Counter[str]]:
    """Classes with photos in several folders, each with these folders' paths below its own.

    The folder of the class itself is "." among them. Folders that only containers and dates tell
    apart (cat/2019/, cat/2020/05/, cat/images/) are one: nobody takes them for classes. Folders of
    all splits count: boots in train/shoes/boots/ and sneakers in test/shoes/sneakers/ are two.
    """
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for own in classes:
        for parent in Counter(path.parent for path in own.paths):
            steps = _distinguishing(parent.relative_to(own.folder).parts)
            found[own.name]["/".join(steps) or "."] += 1
    return {name: folders for name, folders in found.items() if len(folders) > 1}


def _distinguishing(steps: Sequence[str]) -> list[str]:
    """The parts of a path that may name a class: neither containers nor dates."""
    kept, in_date = [], False
    for step in steps:
        in_date = bool(_DATE.fullmatch(step) or (in_date and _DAY_OR_MONTH.fullmatch(step)))
        if not in_date and not is_container(step):
            kept.append(step)
    return kept


def nested_message(root: Path, nested: dict[str, Counter[str]], classes: int) -> str:
    """What the `nested` ones of so many classes look like, and each way to read them."""
    inside = [{path.split("/")[0] for path in folders} - {"."} for folders in nested.values()]
    times = Counter(name for names in inside for name in names)
    shared = sum(count for count in times.values() if count > 1) * 2 >= times.total()
    first, folders = next(iter(nested.items()))
    deepest = max(folders, key=lambda path: path != ".")
    every = classes - len(nested) + sum(map(len, nested.values()))
    ways = [
        f"data.nested_classes=false: each folder with all below it, such as {first} "
        f"({classes:,} classes)",
        f"data.nested_classes=true: each folder that photos are in, such as {first}/{deepest} "
        f"({every:,} classes)",
    ]
    if shared and all(map(split_name, times)):
        what = "folders have split folders in them; a split goes above its classes: train/CLASS/"
    elif shared and len(nested) > 1:
        what = "folders share the names of their subfolders: are they splits, or classes?"
        ways.insert(0, "splits: rename the folders to train, valid and test")
    else:
        what = "class folders have photos in several folders: are those one class, or several?"
    return "\n".join(
        [
            f"{root}: {len(nested):,} {what}",
            *_first_lines(
                [
                    f"  {name}/{_as_split(name) if shared else ''}: {_first(sorted(folders))}"
                    for name, folders in nested.items()
                ]
            ),
            "Choose one:",
            *(f"  {way}" for way in ways),
        ]
    )


def _as_split(name: str) -> str:
    """Which split a folder looks like, for people."""
    own = split_name(name)
    return f" (looks like {own.split})" if own else " (looks like no split)"


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _first_lines(lines: list[str]) -> list[str]:
    more = [f"  and {len(lines) - _SHOWN:,} more"] if len(lines) > _SHOWN else []
    return lines[:_SHOWN] + more
