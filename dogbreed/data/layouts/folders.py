"""Folders of classes on the disk: their layouts, and the photos in them. No photo is decoded."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dogbreed.data.layouts.findings import group_findings, layout_findings
from dogbreed.data.layouts.groups import match_groups
from dogbreed.data.layouts.label_hint import labels_hint
from dogbreed.data.layouts.labels import Labels, read_labels, refuse_nested
from dogbreed.data.layouts.nesting import ClassPhotos, find_nested, nested_message, read_classes
from dogbreed.data.layouts.sampling import SAMPLING, Sampling, sample_splits
from dogbreed.data.layouts.spellings import refuse_spellings
from dogbreed.data.layouts.split_folders import class_folders, find_layout
from dogbreed.data.layouts.split_names import split_name
from dogbreed.data.layouts.splits import TRAIN, PhotoFolders, assemble
from dogbreed.data.layouts.system_files import Skipped
from dogbreed.data.layouts.walk import Folder
from dogbreed.errors import DataError


def read_folders(
    root: Path,
    *,
    labels: Labels | None = None,
    sampling: Sampling = SAMPLING,
    nested_classes: bool | None = None,
    links: bool = False,
) -> PhotoFolders:
    """Read `root` as train/valid/test folders of classes, as class folders alone, or by labels.

    A split that isn't there is sampled from the training photos of each class, in the order of
    their names' hashes: the same whatever else is in the folders. `nested_classes` says whether
    a folder in a class folder is a class of its own; None refuses where that matters. Symbolic
    links that lead out of `root` are skipped and reported, unless `links`. With `labels` a file
    has the class of each photo, and folders mean nothing.

    Raises:
        DataError: no folder, one that can't be read, no photos, fewer than two classes, folders
            that can be read in several ways (as splits or classes, as one class or several), labels
            that can't be read, or groups that can't be split.
    """
    refuse_nested(labels, nested_classes)
    check_root(root)
    top = Folder.top(root, Skipped(), links=links)
    with explained(top, labels):
        if labels is None:
            folders = read_tree(top, sampling, nested_classes)
        else:
            folders = read_labels(top, labels, sampling)
    return replace(folders, within=top.within)


@contextmanager
def explained(top: Folder, labels: Labels | None) -> Iterator[None]:
    """Add what may be the cause to a DataError: skipped links, and a file of labels not used."""
    try:
        yield
    except DataError as error:
        line = top.skipped.links_line(top.path)
        hints = [f"({line}.)"] if line else []
        if labels is None:
            hints += labels_hint(top)
        if not hints:
            raise
        raise DataError(*error.args, *hints) from error


def read_tree(top: Folder, sampling: Sampling, nested_classes: bool | None) -> PhotoFolders:
    """Read `top`, which needn't be on the disk, as `read_folders` does.

    Raises:
        DataError: no photos, fewer than two classes, folders that can be read in several ways, or
            groups that can't be split.
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
    groups = {}
    findings = layout_findings(top, layout, classes, nested_classes)
    if sampling.group is not None and found:
        groups = match_groups(sampling.group, root, [path for path, _, _ in found])
        findings += group_findings(root, found, groups)
    shares = sampling.shares(dict(layout.parts))
    found = sample_splits(found, shares, root, sampling.split_seed, groups)
    folders = assemble(root, found, findings, tuple(shares), _class_folders(classes))
    if len(folders.classes) < 2:
        raise DataError(_why_too_few(top, folders, bool(nested)))
    folders.require_photos()
    return replace(folders, groups=groups)


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
