"""Folders of classes on the disk: their layouts, and the photos in them. No photo is decoded."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from dogbreed.data.layouts.nesting import ClassPhotos, find_nested, nested_message, read_classes
from dogbreed.data.layouts.spellings import refuse_spellings
from dogbreed.data.layouts.split_folders import Layout, class_folders, find_layout
from dogbreed.data.layouts.split_names import split_name
from dogbreed.data.layouts.splits import (
    OUTSIDE_LINK,
    SYSTEM_FILES,
    TEST,
    TRAIN,
    UNREADABLE,
    UNUSED,
    VALID,
    Finding,
    PhotoFolders,
    assemble,
    sample_splits,
)
from dogbreed.data.layouts.system_files import Skipped
from dogbreed.data.layouts.walk import Folder
from dogbreed.errors import DataError


def read_folders(
    root: Path,
    *,
    valid_share: float = 0.15,
    test_share: float = 0.15,
    split_seed: int = 0,
    nested_classes: bool | None = None,
    links: bool = False,
) -> PhotoFolders:
    """Read `root` as train/valid/test folders of classes, or as class folders alone.

    A split that isn't there is sampled from the training photos of each class, in the order of
    their names' hashes: the same whatever else is in the folders. `nested_classes` says whether
    a folder in a class folder is a class of its own; None refuses where that matters. Symbolic
    links that lead out of `root` are skipped and reported, unless `links`.

    Raises:
        DataError: no folder, one that can't be read, no photos, fewer than two classes, or folders
            that can be read in several ways: as splits or classes, as one class or several.
    """
    check_root(root)
    top = Folder.top(root, Skipped(), links=links)
    shares = {VALID: valid_share, TEST: test_share}
    try:
        return replace(read_tree(top, shares, split_seed, nested_classes), within=top.within)
    except DataError as error:
        if (line := top.skipped.links_line(root)) is None:
            raise
        raise DataError(f"{error}\n({line}.)") from error


def read_tree(
    top: Folder, shares: Mapping[str, float], split_seed: int, nested_classes: bool | None
) -> PhotoFolders:
    """Read `top`, which needn't be on the disk, as `read_folders` does.

    `shares` are of the splits VALID and TEST, where they are sampled.

    Raises:
        DataError: no photos, fewer than two classes, or folders that can be read in several ways.
    """
    root = top.path
    layout = find_layout(top)
    classes = read_classes(layout.parts, nested_classes)
    names = {class_photos.name for class_photos in classes if class_photos.paths}
    nested = find_nested(classes) if nested_classes is None else {}
    if nested and len(names) > 1:
        raise DataError(*nested_message(root, nested, len(names), layout.has_splits))
    refuse_spellings(root, classes)
    found = [
        (path, class_photos.name, class_photos.split)
        for class_photos in classes
        for path in class_photos.paths
    ]
    sampled = tuple(split for split in (VALID, TEST) if split not in dict(layout.parts))
    if sampled:
        if sum(shares[split] for split in sampled) >= 1:
            raise DataError("data.valid_share and data.test_share leave nothing to train on.")
        found = sample_splits(found, {split: shares[split] for split in sampled}, root, split_seed)
    findings = layout_findings(top, layout, classes, nested_classes)
    folders = assemble(root, found, findings, sampled, _class_folders(classes))
    if len(folders.classes) < 2:
        raise DataError(_why_too_few(top, folders, bool(nested)))
    folders.require_photos()
    return folders


def check_root(root: Path) -> None:
    """Raise a DataError unless `root` is a local folder whose entries can be read."""
    try:
        with os.scandir(root):
            return
    except (FileNotFoundError, NotADirectoryError) as error:
        if root.exists():
            raise DataError(
                f"{root} is a file: data.root must be a folder with one folder per class."
            ) from error
        raise DataError(
            f"{root} doesn't exist: data.root must be a folder of photographs."
        ) from error
    except OSError as error:
        raise DataError(f"{root} can't be read: {error.strerror}.") from error


def _class_folders(classes: Sequence[ClassPhotos]) -> dict[str, Path]:
    """The folder of each class, that of its training photos if it has one."""
    found: dict[str, Path] = {}
    for class_photos in classes:
        found.setdefault(class_photos.name, class_photos.folder)
    return found


def layout_findings(
    root: Folder, layout: Layout, classes: Sequence[ClassPhotos], nested_classes: bool | None
) -> list[Finding]:
    """What there is to report about the folders besides the classes' own photos."""
    found: list[Finding] = []

    def note(path: Path, reason: str, message: str) -> None:
        found.append(Finding(path=path, reason=reason, message=message, bad=False, photos=0))

    divided = {
        class_photos.name
        for class_photos in classes
        if len({path.parent for path in class_photos.paths}) > 1
    }
    if divided and nested_classes is None:
        message = f"{len(divided):,} classes have photos in several folders that only dates or "
        note(root.path, "subfolders", f"{message}words such as images/ tell apart: taken as one")
    for folder in layout.unused:
        message = f"{folder.count_named_photos():,} photos aren't used: {_why_unused(folder)}"
        note(folder.path, UNUSED, message)
    levels = {folder.path: folder for folder in (root, *(part for _, part in layout.parts))}
    for folder in levels.values():
        if loose := len(folder.named_photos):
            what = "class" if folder.path in {p.path for _, p in layout.parts} else "split"
            note(folder.path, "no_class", f"{loose} photos are beside the {what} folders; left out")
    holders = {
        (class_photos.split, str(above))
        for class_photos in classes
        if class_photos.paths
        for above in PurePosixPath(class_photos.name).parents
    }
    for class_photos in classes:
        if not class_photos.paths and (class_photos.split, class_photos.name) not in holders:
            note(class_photos.folder, "empty_class", "a class folder without photos; left out")
        for path in class_photos.others:
            note(path, "ignored", "not a photo by name or content; ignored")
    for path, reason in root.skipped.unreadable.items():
        note(path, UNREADABLE, f"can't be read ({reason}); left out with all that is in it")
    if line := root.skipped.system_line():
        note(root.path, SYSTEM_FILES, line)
    if line := root.skipped.links_line(root.path):
        note(root.path, OUTSIDE_LINK, line)
    for path in root.skipped.links.targets:
        note(path, OUTSIDE_LINK, "a symbolic link that leads out of the folder; skipped")
    return found


def _why_unused(folder: Folder) -> str:
    parsed = split_name(folder.name)
    if parsed is None:
        return "its name is that of no split"
    if not class_folders(folder):
        return f"a {parsed.split} split has class folders, this one has none"
    return f"another folder is the {parsed.split} split"


def _why_too_few(root: Folder, folders: PhotoFolders, nested: bool) -> str:
    """The sentence for a root in which there aren't two classes."""
    hint = _hint(root)
    if nested and not hint:
        hint = " data.nested_classes=true makes a class of each folder inside that has photos."
    if unreadable := root.skipped.unreadable_line():
        hint += f" ({unreadable}.)"
    if folders.classes:
        return (
            f"{root.path} has one class with photos to train on ({folders.classes[0]}): a "
            f"classifier needs two or more.{hint}"
        )
    if loose := root.named_photos:
        return (
            f"{root.path} holds {len(loose)} photos but no class folders: put each class's photos "
            f"into a folder of its name, as in {root.path / 'Beagle' / loose[0].name}."
        )
    return (
        f"{root.path} holds no photos: data.root must be a folder with one folder of photos per "
        f"class.{hint}"
    )


def _hint(root: Folder) -> str:
    """Where the classes probably are, if it is one level deeper."""
    for folder in root.subfolders:
        named = [split_name(inside.name) for inside in class_folders(folder)]
        split = any(parsed is not None and parsed.split == TRAIN for parsed in named)
        if split or (len(named) > 1 and split_name(folder.name) is None):
            return f" Did you mean data.root={folder.path}?"
    return ""
