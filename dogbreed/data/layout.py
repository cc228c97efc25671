"""Where a data set keeps its classes: in split folders or in the root, by names and structure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dogbreed.data.class_names import spelling_key
from dogbreed.data.nesting import is_container
from dogbreed.data.split_names import SplitName, split_name
from dogbreed.data.splits import SPLITS, TRAIN
from dogbreed.data.walk import Folder
from dogbreed.errors import DataError

# Folders of these names beside a single train/ hold photos that nobody takes for a class.
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


def find_layout(root: Folder, nested_classes: bool | None) -> Layout:
    """Tell the split folders in `root` from class folders.

    A split folder has a split's name (`split_name`) and class folders of photos in it; a folder of
    that name with the photos themselves is a class like any other, or not used beside real split
    folders. Other words in the name are fine if a second split has them too (dogs_train, dogs_test)
    or the same classes, or if it is the only folder. Without split folders the root is the
    training part. A single training folder beside what may be classes (train/, bus/, car/, each
    with photos) is a class only if `nested_classes` is set.

    Raises:
        DataError: two folders for one split, splits without train, an unreadable split, or names
            and structure that contradict each other.
    """
    used = [folder for folder in root.subfolders if folder.has_photos]
    named = {f.path: own for f in root.subfolders if (own := split_name(f.name)) is not None}
    _require_readable(root, named)
    splits = _split_folders(used, named)
    for split, folders in splits.items():
        if len(folders) > 1:
            raise DataError(
                f"{root.path}: {_names(folders)} all look like the {split} split: put the photos "
                "of one into the other, or rename what is something else."
            )
    if TRAIN not in splits:
        _refuse_splits_without_train(root, used, named, splits)
        return Layout(parts=((TRAIN, root),))
    others = [folder for folder in used if [folder] not in splits.values()]
    doubtful = [folder for folder in others if folder.path not in named]
    if len(splits) == 1 and _may_be_classes(doubtful, splits[TRAIN][0]):
        if nested_classes is not None:
            return Layout(parts=((TRAIN, root),))
        raise DataError(_is_train_a_class(root, splits[TRAIN][0], doubtful))
    parts = {split: unwrapped(folders[0]) for split, folders in splits.items()}
    for folder in root.subfolders:  # an empty one: a split that has lost its photos
        own = named.get(folder.path)
        if own is not None and not own.rest and not folder.has_photos:
            parts.setdefault(own.split, folder)
    return Layout(
        parts=tuple((split, parts[split]) for split in SPLITS if split in parts),
        unused=tuple(others),
    )


def unwrapped(folder: Folder) -> Folder:
    """The folder that the classes are in: seg_train/seg_train/ and train/images/ wrap them."""
    while not folder.photos:
        inside = [each for each in folder.subfolders if each.has_photos]
        if len(inside) != 1 or not class_folders(inside[0]):
            break
        if inside[0].name.lower() != folder.name.lower() and not is_container(inside[0].name):
            break
        folder = inside[0]
    return folder


def class_folders(folder: Folder) -> list[Folder]:
    """The folders with photos in a folder of classes."""
    return [each for each in unwrapped(folder).subfolders if each.has_photos]


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
        own = named[folder.path]
        supported = len(used) == 1 or any(
            own.split != named[other.path].split
            and (
                own.rest == named[other.path].rest
                or bool(keys[folder.path] & keys.get(other.path, set()))
            )
            for other in used
            if other.path in named
        )
        if not own.rest or supported:
            found[own.split].append(folder)
    for split, folders in found.items():
        found[split] = [f for f in folders if not named[f.path].rest] or folders
    return dict(found)


def _require_readable(root: Folder, named: Mapping[Path, SplitName]) -> None:
    """Raise a DataError if a split can't be read: it would be drawn from other photos instead."""
    for path, own in named.items():
        if not own.rest and path in root.skipped.unreadable:
            raise DataError(
                f"{path} can't be read ({root.skipped.unreadable[path]}): it looks like the "
                f"{own.split} split. Give yourself the right to read it, or move it away."
            )


def _may_be_classes(others: Sequence[Folder], train: Folder) -> bool:
    """Whether the folders beside the only split folder may be classes, and train/ one of them."""
    keys = _class_keys(train)
    rest = [
        folder
        for folder in others
        if spelling_key(folder.name) not in keys | _LEFTOVERS and not keys & _class_keys(folder)
    ]
    return len(rest) > 1 or any(class_folders(folder) for folder in rest)


def _is_train_a_class(root: Folder, train: Folder, others: Sequence[Folder]) -> str:
    return (
        f"{root.path}: is {train.name}/ the training split, or a class like {_names(others)}? As a "
        "split it has the classes, and the others aren't used: move those away. As a class: set "
        "data.nested_classes=false, or data.nested_classes=true to make a class of each folder "
        "inside."
    )


def _refuse_splits_without_train(
    root: Folder,
    used: Sequence[Folder],
    named: Mapping[Path, SplitName],
    splits: Mapping[str, Sequence[Folder]],
) -> None:
    """Raise a DataError for folders that are no classes, where none is a train split either."""
    trains = [path for path, own in named.items() if own.split == TRAIN and not own.rest]
    if splits and all(folder.path in named for folder in used):
        names = _names([folders[0] for folders in splits.values()])
        if trains:
            raise DataError(
                f"{root.path} has {names}, but {trains[0].name}/ has no class folders with photos: "
                "nothing to train on."
            )
        raise DataError(f"{root.path} has {names} but no train/ folder: nothing to train on.")
    alike: dict[frozenset[str], dict[str, Folder]] = defaultdict(dict)
    for folder in used:
        if (own := named.get(folder.path)) is not None:
            alike[own.rest].setdefault(own.split, folder)
    for folders in alike.values():
        if len(folders) > 1:
            raise DataError(
                f"{root.path}: {_names(list(folders.values()))} look like splits, but the photos "
                "are in them directly: put those of each class into a folder of its name, as in "
                f"{root.path / TRAIN / 'Beagle'}."
            )
    for folder in () if named else used:
        for inside in folder.subfolders:
            own = split_name(inside.name)
            if own is not None and own.split == TRAIN and class_folders(inside):
                raise DataError(
                    f"{root.path} holds folders with splits of their own "
                    f"({folder.name}/{inside.name}/), no classes. Did you mean "
                    f"data.root={folder.path}?"
                )


def _names(folders: Sequence[Folder]) -> str:
    """The folders' names in one line."""
    more = f" and {len(folders) - _SHOWN} more" if len(folders) > _SHOWN else ""
    return ", ".join(f"{folder.name}/" for folder in folders[:_SHOWN]) + more
