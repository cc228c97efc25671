"""Labelled photos for a model whose classes are known: none is split off or drawn."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dogbreed.data.layouts.class_names import spelling_key
from dogbreed.data.layouts.findings import layout_findings
from dogbreed.data.layouts.folders import check_root, explained
from dogbreed.data.layouts.labels import FoundClasses, Labels, label_classes, refuse_nested
from dogbreed.data.layouts.nesting import ClassPhotos, find_nested, nested_message, read_classes
from dogbreed.data.layouts.spellings import refuse_spellings
from dogbreed.data.layouts.split_folders import find_layout
from dogbreed.data.layouts.splits import SPLITS, TEST, Finding, PhotoFolders, Sample
from dogbreed.data.layouts.system_files import Skipped
from dogbreed.data.layouts.walk import Folder
from dogbreed.errors import DataError

UNKNOWN_CLASS, MISSING_CLASS = "unknown_class", "missing_class"
SHOWN = 3  # names of classes in a message


class ModelClasses(NamedTuple):
    """The classes of a model, and what people read for each."""

    classes: Sequence[str]
    display_names: Sequence[str]


def read_labelled(
    root: Path,
    model: ModelClasses,
    *,
    labels: Labels | None = None,
    split: str = TEST,
    nested_classes: bool | None = None,
    links: bool = False,
) -> PhotoFolders:
    """Read the photos of `root` as a test split of a model's classes.

    A class folder, or a label of the file of `labels`, is the class of its name, or of the name
    that people read for it, in any spelling. Of a root or a file with splits, the photos of `split`
    are taken. Findings name unknown classes, whose photos are left out, and the classes without a
    photo.

    Raises:
        DataError: no folder, no photos, no class folders, none that the model knows, folders that
            can be read in several ways, or labels that can't be read.
    """
    refuse_nested(labels, nested_classes)
    check_root(root)
    top = Folder.top(root, Skipped(), links=links)
    with explained(top, labels):
        if labels is None:
            found, findings = _folder_classes(top, split, nested_classes)
        else:
            found, findings = label_classes(top, labels, split)
        samples, unknown = _known(root, found, model)
    return PhotoFolders(
        root=root,
        classes=tuple(model.classes),
        display_names=tuple(model.display_names),
        samples={
            name: tuple(sorted(samples, key=lambda sample: sample.path)) if name == TEST else ()
            for name in SPLITS
        },
        findings=(*findings, *_unknown(unknown), *_missing(root, model.classes, samples)),
        split_locally=(),
        within=top.within,
    )


def _folder_classes(top: Folder, split: str, nested_classes: bool | None) -> FoundClasses:
    """The classes with photos in the folders; of a root with split folders those of `split`."""
    root, layout = top.path, find_layout(top)
    if layout.has_splits:
        layout = replace(layout, parts=tuple(part for part in layout.parts if part[0] == split))
    found = read_classes(layout.parts, nested_classes)
    nested = find_nested(found) if nested_classes is None else {}
    names = {class_photos.name for class_photos in found if class_photos.paths}
    if nested and len(names) > 1:
        raise DataError(*nested_message(root, nested, len(names), layout.has_splits))
    refuse_spellings(root, found)
    if not names:
        raise DataError(_why_empty(top, split, layout.has_splits))
    return found, layout_findings(top, layout, found, nested_classes)


def _known(
    root: Path, found: Sequence[ClassPhotos], model: ModelClasses
) -> tuple[list[Sample], list[ClassPhotos]]:
    """The photos of the model's classes, and the other classes with photos."""
    labels = _labels(*model)
    samples, unknown = [], []
    for class_photos in found:
        label = labels.get(class_photos.name, labels.get(spelling_key(class_photos.name)))
        if label is not None:
            samples += [Sample(path, label, TEST) for path in class_photos.paths]
        elif class_photos.paths:
            unknown.append(class_photos)
    if not samples:
        names = sorted(class_photos.name for class_photos in unknown)
        raise DataError(
            f"{root} has no class of this model: its classes are {_named(names)}, the model's "
            f"{_named(model.classes)}. Rename the classes, or evaluate another model."
        )
    return samples, unknown


def _labels(classes: Sequence[str], display_names: Sequence[str]) -> dict[str, int]:
    """Labels by the names of the classes, and by spellings that only one class has."""
    spellings = [
        {spelling_key(name), spelling_key(display_name)}
        for name, display_name in zip(classes, display_names, strict=True)
    ]
    counts = Counter(key for keys in spellings for key in keys)
    labels = {
        key: label for label, keys in enumerate(spellings) for key in keys if counts[key] == 1
    }
    return labels | {name: label for label, name in enumerate(classes)}


def _unknown(found: Sequence[ClassPhotos]) -> list[Finding]:
    return [
        Finding(
            path=class_photos.folder,
            reason=UNKNOWN_CLASS,
            message=f"the model has no class {class_photos.name}; its photos are left out",
            bad=True,
            photos=len(class_photos.paths),
        )
        for class_photos in found
    ]


def _missing(root: Path, classes: Sequence[str], samples: Sequence[Sample]) -> list[Finding]:
    present = {sample.label for sample in samples}
    return [
        Finding(
            path=root / name,
            reason=MISSING_CLASS,
            message="a class of the model without photos; nothing is measured of it",
            bad=False,
            photos=0,
        )
        for label, name in enumerate(classes)
        if label not in present
    ]


def _why_empty(root: Folder, split: str, has_splits: bool) -> str:
    if has_splits:
        return f"{root.path} has no photos for {split}: name another split by data.split."
    if loose := root.named_photos:
        return (
            f"{root.path} holds {len(loose)} photos but no class folders: put each class's photos "
            "into a folder of its name; python -m dogbreed.predict classifies unlabelled photos."
        )
    return f"{root.path} holds no photos: data.root must have one folder of photos per class."


def _named(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
