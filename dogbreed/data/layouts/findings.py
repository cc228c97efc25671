"""What is reported about a data set besides its photos: unused folders, skipped files, groups."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from dogbreed.data.layouts.nesting import ClassPhotos
from dogbreed.data.layouts.sampling import Found
from dogbreed.data.layouts.split_folders import Layout, class_folders
from dogbreed.data.layouts.split_names import split_name
from dogbreed.data.layouts.splits import (
    OUTSIDE_LINK,
    SYSTEM_FILES,
    TORN_GROUPS,
    UNGROUPED,
    UNREADABLE,
    UNUSED,
    Finding,
)
from dogbreed.data.layouts.walk import Folder
from dogbreed.utils.nouns import counted

_SHOWN = 3


def layout_findings(
    root: Folder, layout: Layout, classes: Sequence[ClassPhotos], nested_classes: bool | None
) -> list[Finding]:
    """What there is to report about the folders besides the classes' own photos."""
    found: list[Finding] = []

    def note(path: Path, reason: str, message: str) -> None:
        found.append(Finding.note(path, reason, message))

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
    return found + skipped_findings(root)


def skipped_findings(root: Folder) -> list[Finding]:
    """What a walk over `root` has skipped."""
    found = [
        Finding.note(path, UNREADABLE, f"can't be read ({reason}); left out with all that is in it")
        for path, reason in root.skipped.unreadable.items()
    ]
    if line := root.skipped.system_line():
        found.append(Finding.note(root.path, SYSTEM_FILES, line))
    if line := root.skipped.links_line(root.path):
        found.append(Finding.note(root.path, OUTSIDE_LINK, line))
    message = "a symbolic link that leads out of the folder; skipped"
    return found + [
        Finding.note(path, OUTSIDE_LINK, message) for path in root.skipped.links.targets
    ]


def _why_unused(folder: Folder) -> str:
    parsed = split_name(folder.name)
    if parsed is None:
        return "its name is that of no split"
    if not class_folders(folder):
        return f"a {parsed.split} split has class folders, this one has none"
    return f"another folder is the {parsed.split} split"


def group_findings(root: Path, found: Sequence[Found], groups: Mapping[Path, str]) -> list[Finding]:
    """Photos without a group, and groups that given splits tear apart; before any is sampled."""
    notes = []
    alone = [path.relative_to(root) for path, _, _ in found if path not in groups]
    if alone:
        message = (
            f"{counted(len(alone), 'photo')} of no group (data.group), each a group of its own, "
            f"such as {alone[0]}"
        )
        notes.append(Finding.note(root, UNGROUPED, message))
    splits: dict[str, set[str]] = defaultdict(set)
    for path, _, split in found:
        if path in groups:
            splits[groups[path]].add(split)
    torn = sorted(group for group, inside in splits.items() if len(inside) > 1)
    if torn:
        more = f" and {len(torn) - _SHOWN:,} more" if len(torn) > _SHOWN else ""
        message = (
            f"{counted(len(torn), 'group')} of photos (data.group) in several of the given splits, "
            "so that the test may measure what was trained on: "
            f"{', '.join(f'{group!r:.80}' for group in torn[:_SHOWN])}{more}"
        )
        notes.append(Finding.note(root, TORN_GROUPS, message))
    return notes
