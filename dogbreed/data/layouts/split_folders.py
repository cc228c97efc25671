"""Where a data set has its classes: in split folders or in the root, by names and structure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dogbreed.data.layouts.class_names import spelling_key
from dogbreed.data.layouts.nesting import is_container
from dogbreed.data.layouts.split_names import SplitName, split_name
from dogbreed.data.layouts.splits import SPLITS, TEST, TRAIN, VALID
from dogbreed.data.layouts.walk import Folder
from dogbreed.errors import DataError

# Folders with one of these words in their names, beside train/ alone, are no classes like train.
_LEFTOVERS = frozenset(
    {
        "extra", "extras", "unsup", "unsupervised", "unlabeled", "unlabelled", "unknown", "unused",
        "other", "others", "misc", "rest", "pred", "predict", "prediction", "predictions", "backup",
        "old", "tmp", "temp", "raw", "original", "originals", "masks", "labels", "annotations",
        "rejected", "discarded", "duplicates", "submission", "docs",
    }
)  # fmt: skip
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folders whose subfolders are classes, each with its split; folders that aren't used."""

    parts: tuple[tuple[str, Folder], ...]
    unused: tuple[Folder, ...] = ()
    has_splits: bool = True


def find_layout(root: Folder) -> Layout:
    """Distinguish the split folders in `root` from class folders.

    A split folder has a split's name (`split_name`) and class folders of photos in it; a folder of
    that name with the photos themselves is a class like any other, or not used beside real split
    folders. Other words in the name are fine if a second split has them too (dogs_train, dogs_test)
    or the same classes, or if it is the only folder. Without split folders the root is the
    training part.

    Raises:
        DataError: two folders for one split, splits without train, a split that is unreadable or a
            link that isn't followed, a train/ that may be a class among others (train/, bus/,
            car/), or a folder that may be the missing split by its classes and not by its name.
    """
    used = [folder for folder in root.subfolders if folder.has_photos]
    named = {f.path: parsed for f in root.subfolders if (parsed := split_name(f.name)) is not None}
    _require_readable(root, named)
    splits = _split_folders(used, named)
    for split, folders in splits.items():
        if len(folders) > 1:
            raise DataError(
                f"{root.path}: {_names(folders)} look like the same split ({split}): put the "
                "photos of one into the other, or rename what is something else."
            )
    if TRAIN not in splits:
        _refuse_splits_without_train(root, used, named, splits)
        return Layout(parts=((TRAIN, root),), has_splits=False)
    taken = {folders[0].path for folders in splits.values()}
    others = [folder for folder in used if folder.path not in taken]
    _refuse_doubtful(root, splits, [folder for folder in others if folder.path not in named])
    parts = {split: unwrapped(folders[0]) for split, folders in splits.items()}
    for part in parts.values():
        if len(_splits_inside(part)) > 1:
            raise DataError(_splits_of_its_own(root, part))
    for folder in root.subfolders:  # an empty one: a split that has lost its photos
        parsed = named.get(folder.path)
        if parsed is not None and not parsed.rest and not folder.has_photos:
            parts.setdefault(parsed.split, folder)
    return Layout(
        parts=tuple((split, parts[split]) for split in SPLITS if split in parts),
        unused=tuple(others),
    )


def unwrapped(folder: Folder) -> Folder:
    """The folder that the classes are in: seg_train/seg_train/ and train/images/ wrap them."""
    return _innermost(folder) if class_folders(folder) else folder


def class_folders(folder: Folder) -> list[Folder]:
    """The folders with photos in a folder of classes; a wrapper of photos is no class."""
    return [each for each in _innermost(folder).subfolders if each.has_photos]


def _innermost(folder: Folder) -> Folder:
    """The folder less the wrappers: folders around one other whose name says nothing more."""
    while not folder.named_photos:
        inside = [each for each in folder.subfolders if each.has_photos]
        if len(inside) != 1 or not (
            inside[0].name.lower() == folder.name.lower() or is_container(inside[0].name)
        ):
            break
        folder = inside[0]
    return folder


def _class_keys(folder: Folder) -> set[str]:
    """The names of the class folders in a split folder, however they are spelled."""
    return {spelling_key(each.name) for each in class_folders(folder)}


def _split_folders(
    used: Sequence[Folder], named: Mapping[Path, SplitName]
) -> dict[str, list[Folder]]:
    """The folders that are splits by name and structure; those without other words in the name
    go before those with."""
    shaped = [f for f in used if f.path in named and class_folders(f)]
    keys = {folder.path: _class_keys(folder) for folder in shaped}
    found: dict[str, list[Folder]] = defaultdict(list)
    for folder in shaped:
        parsed = named[folder.path]
        supported = len(used) == 1 or any(
            parsed.split != named[other.path].split
            and (
                parsed.rest == named[other.path].rest
                or bool(keys[folder.path] & keys.get(other.path, set()))
            )
            for other in used
            if other.path in named
        )
        if not parsed.rest or supported:
            found[parsed.split].append(folder)
    for split, folders in found.items():
        found[split] = [f for f in folders if not named[f.path].rest] or folders
    if len(found[VALID]) == 2 and not found[TEST]:  # training, validation, evaluation (Food-11)
        found[VALID].sort(key=lambda folder: named[folder.path].evaluation)
        if [named[folder.path].evaluation for folder in found[VALID]] == [False, True]:
            found[TEST].append(found[VALID].pop())
    return {split: folders for split, folders in found.items() if folders}


def _require_readable(root: Folder, named: Mapping[Path, SplitName]) -> None:
    """Raise a DataError if a split can't be read: it would be drawn from other photos instead."""
    for path, target in root.skipped.links.targets.items():
        link = split_name(path.name) if path.parent == root.path else None
        if link is not None and not link.rest and (Path(target).is_dir() or not path.suffix):
            raise DataError(
                f"{path} is a symbolic link that leads out of {root.path} and looks like the "
                f"{link.split} split: follow it (data.links=true), or move it away."
            )
    for path, parsed in named.items():
        if not parsed.rest and path in root.skipped.unreadable:
            raise DataError(
                f"{path} can't be read ({root.skipped.unreadable[path]}): it looks like the "
                f"{parsed.split} split. Give yourself the right to read it, or move it away."
            )


def _refuse_doubtful(
    root: Folder, splits: Mapping[str, Sequence[Folder]], others: Sequence[Folder]
) -> None:
    """Raise a DataError if folders without a split's name may be splits, or train/ a class."""
    train = splits[TRAIN][0]
    keys = _class_keys(train)
    unknown = [
        folder
        for folder in others
        if (name := spelling_key(folder.name)) not in keys and not _LEFTOVERS & {*name.split()}
    ]
    same = [folder for folder in unknown if keys & _class_keys(folder)]
    if same and len(splits) < len(SPLITS):
        raise DataError(
            f"{root.path}: {_names(same)} has class folders like those of {train.name}/, and a "
            "name that is no split's: rename it valid or test if it is one, else move it away."
        )
    classes = [folder for folder in unknown if folder not in same]
    if len(splits) == 1 and (len(classes) > 1 or any(map(class_folders, classes))):
        raise DataError(
            f"{root.path}: is {train.name}/ the training split, or a class like "
            f"{_names(classes)}? If it is a split, move the others away: they would not be used. "
            f"If it is a class, give it another name, such as {train.name}s/."
        )


def _refuse_splits_without_train(
    root: Folder,
    used: Sequence[Folder],
    named: Mapping[Path, SplitName],
    splits: Mapping[str, Sequence[Folder]],
) -> None:
    """Raise a DataError for folders that are no classes, where none is a train split either."""
    trains = [path for path, parsed in named.items() if parsed.split == TRAIN and not parsed.rest]
    if splits and all(folder.path in named for folder in used):
        names = _names([folders[0] for folders in splits.values()])
        if trains:
            raise DataError(
                f"{root.path} has {names}, but {trains[0].name}/ has no class folders with photos: "
                "nothing to train on."
            )
        unreadable = root.skipped.unreadable_line()
        raise DataError(
            f"{root.path} has {names} but no train/ folder: nothing to train on."
            + (f" ({unreadable}.)" if unreadable else "")
        )
    alike: dict[frozenset[str], dict[str, Folder]] = defaultdict(dict)
    for folder in used:
        if (parsed := named.get(folder.path)) is not None:
            alike[parsed.rest].setdefault(parsed.split, folder)
    for folders in alike.values():
        if len(folders) > 1:
            raise DataError(
                f"{root.path}: {_names(list(folders.values()))} look like splits, but the photos "
                "are in them directly: put those of each class into a folder of its name, as in "
                f"{root.path / TRAIN / 'Beagle'}."
            )
    for folder in () if named else used:
        if TRAIN in _splits_inside(folder):
            raise DataError(_splits_of_its_own(root, folder))


def _splits_inside(folder: Folder) -> dict[str, Folder]:
    """The split folders in a folder, by their split."""
    named = {inside: split_name(inside.name) for inside in folder.subfolders}
    return {
        parsed.split: inside for inside, parsed in named.items() if parsed and class_folders(inside)
    }


def _splits_of_its_own(root: Folder, folder: Folder) -> str:
    split = next(iter(_splits_inside(folder).values()))
    return (
        f"{root.path} holds folders with splits of their own "
        f"({split.path.relative_to(root.path)}/), no classes. Did you mean data.root={folder.path}?"
    )


def _names(folders: Sequence[Folder]) -> str:
    """The folders' names in one line."""
    more = f" and {len(folders) - _SHOWN} more" if len(folders) > _SHOWN else ""
    return ", ".join(f"{folder.name}/" for folder in folders[:_SHOWN]) + more
