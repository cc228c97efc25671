"""data.labels: classes, splits and groups of photos from a CSV file in place of class folders."""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dogbreed.configuration.run import ColumnsConfig, DataConfig, LabelledConfig
from dogbreed.data.layouts.findings import group_findings, skipped_findings
from dogbreed.data.layouts.groups import match_groups
from dogbreed.data.layouts.label_columns import find_columns
from dogbreed.data.layouts.label_file import find_label_file, read_label_file
from dogbreed.data.layouts.label_rows import LabelledPhotos, match_rows
from dogbreed.data.layouts.nesting import ClassPhotos
from dogbreed.data.layouts.sampling import Sampling, sample_splits
from dogbreed.data.layouts.spellings import refuse_label_spellings
from dogbreed.data.layouts.splits import TRAIN, Finding, PhotoFolders, assemble
from dogbreed.data.layouts.walk import Folder
from dogbreed.errors import ConfigError, DataError

FoundClasses = tuple[list[ClassPhotos], list[Finding]]
ANY_COLUMNS = ColumnsConfig(photo=None, label=None, split=None)


class Labels(NamedTuple):
    """data.labels and data.columns."""

    file: str
    columns: ColumnsConfig = ANY_COLUMNS

    @classmethod
    def of(cls, data: DataConfig | LabelledConfig) -> "Labels | None":
        """Those of a configuration; None: it has none."""
        return None if data.labels is None else cls(data.labels, data.columns)


def read_labels(top: Folder, labels: Labels, sampling: Sampling) -> PhotoFolders:
    """Read the photos below `top` as the file of labels says.

    Splits are those of its column; what that lacks is sampled as from folders.

    Raises:
        DataError: no such file, one that can't be read as labels of these photos, fewer than two
            classes, a split without photos, or groups that can't be split.
    """
    read = match_labels(top, labels, sampling.group)
    photos = read.photos
    if not any(meaning.split in (None, TRAIN) for meaning in photos.values()):
        raise DataError(
            f"data.labels={labels.file}: no photo is in the split train: nothing to train on."
        )
    found = [(photo, each.label, each.split or TRAIN) for photo, each in sorted(photos.items())]
    findings = [*read.findings, *skipped_findings(top)]
    groups = {photo: meaning.group for photo, meaning in photos.items() if meaning.group}
    if sampling.group is not None:
        if sampling.group not in read.header:
            groups = match_groups(sampling.group, top.path, list(photos), read.header)
        findings += group_findings(top.path, found, groups)
    shares = sampling.shares({split for _, _, split in found})
    found = sample_splits(found, shares, top.path, sampling.split_seed, groups)
    folders = assemble(top.path, found, findings, tuple(shares), {})
    if len(folders.classes) < 2:
        raise DataError(
            f"data.labels={labels.file}: its photos to train on have one class "
            f"({', '.join(folders.classes)}): a classifier needs two or more."
        )
    folders.require_photos()
    return replace(folders, groups=groups)


def refuse_nested(labels: Labels | None, nested_classes: bool | None) -> None:
    """Raise a ConfigError for data.nested_classes beside data.labels, where it has no meaning."""
    if labels is not None and nested_classes is not None:
        raise ConfigError(
            "data.nested_classes is about class folders, and with data.labels folders mean "
            "nothing: leave one of the two out."
        )


def label_classes(top: Folder, labels: Labels, split: str) -> FoundClasses:
    """The photos of each label; of a file with a column of splits those of `split`.

    Raises:
        DataError: as `read_labels`, or no photo is of the split.
    """
    read = match_labels(top, labels, None)
    has_splits = any(meaning.split is not None for meaning in read.photos.values())
    of_class: dict[str, list[Path]] = defaultdict(list)
    for photo, meaning in sorted(read.photos.items()):
        if not has_splits or meaning.split == split:
            of_class[meaning.label].append(photo)
    if not of_class:
        raise DataError(
            f"data.labels={labels.file} has no photos for {split}: name another split by "
            "data.split."
        )
    classes = [ClassPhotos(name, split, top.path, paths, []) for name, paths in of_class.items()]
    return classes, [*read.findings, *skipped_findings(top)]


def match_labels(top: Folder, labels: Labels, group: str | None) -> LabelledPhotos:
    """The labels of the photos below `top`, of which there are some.

    Raises:
        DataError: as `read_labels`.
    """
    path, inside = find_label_file(labels.file, top.path)
    file = read_label_file(path, top.within if inside else None)
    columns = find_columns(file, labels.columns, group)
    read = match_rows(file, columns, top)
    if not read.photos:
        raise DataError(
            f"data.labels={labels.file}: no row has a label and a photo below {top.path}; its "
            f"column {file.header[columns.photo]} has names such as "
            f"{file.rows[0].cells[columns.photo]!r:.200}: name another column by "
            "data.columns.photo, or the folder of the photos by data.root."
        )
    refuse_label_spellings(labels.file, Counter(each.label for each in read.photos.values()))
    return read
