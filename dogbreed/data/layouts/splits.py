"""Classes and their photos in three splits: fractions, sampled splits, names. No file is opened."""

import hashlib
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dogbreed.data.layouts.class_names import display_names
from dogbreed.errors import DataError

TRAIN, VALID, TEST = "train", "valid", "test"
SPLITS = (TRAIN, VALID, TEST)
# Reasons of findings that are more than a line in a list.
ONE_SPLIT_ONLY = "one_split_only"
SYSTEM_FILES, UNREADABLE, UNUSED = "system_files", "unreadable_folder", "unused_folder"
OUTSIDE_LINK = "outside_link"


@dataclass(frozen=True, slots=True)
class Sample:
    """One photo: where it is, the index of its class, its split."""

    path: Path
    label: int
    split: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is reported about a file or a class folder.

    `bad` findings leave out so many `photos`; the others are worth knowing and change nothing.
    """

    path: Path
    reason: str
    message: str
    bad: bool
    photos: int = 1


@dataclass(frozen=True, kw_only=True)
class PhotoFolders:
    """Classes and their photos, split into train, valid and test.

    `classes` are the folders' names in sorted order (a label is an index into them), with nested
    classes their paths ("shoes/boots"); `display_names` are what people read. `split_locally` names
    the splits that were sampled by this package rather than found as folders. `class_folders` has
    one folder of each class, for findings. `within` is the real path of the folder that no photo is
    read from outside of; None where links may lead anywhere (data.links).
    """

    root: Path
    classes: tuple[str, ...]
    display_names: tuple[str, ...]
    samples: dict[str, tuple[Sample, ...]]
    findings: tuple[Finding, ...]
    split_locally: tuple[str, ...]
    class_folders: Mapping[str, Path] = field(default_factory=dict)
    within: str | None = None

    def all_samples(self) -> list[Sample]:
        """Every sample: train, then valid, then test."""
        return [sample for split in SPLITS for sample in self.samples[split]]

    def counts(self, split: str) -> list[int]:
        """How many photos each class has in `split`, in the order of `classes`."""
        counted = Counter(sample.label for sample in self.samples[split])
        return [counted[label] for label in range(len(self.classes))]

    def require_photos(self) -> None:
        """Raise a DataError if a split has no photos: nothing could be measured on it."""
        for split in SPLITS:
            if not self.samples[split]:
                raise DataError(
                    f"{self.root} has no photos for {split}: add some, or remove the empty folder "
                    "and let the split be drawn from the training photos (two of a class or more)."
                )

    def without(self, bad: Iterable[Path]) -> "PhotoFolders":
        """The same folders less some photos; `findings` are then those that follow from it."""
        dropped = set(bad)
        chosen = [
            (sample.path, self.classes[sample.label], sample.split)
            for sample in self.all_samples()
            if sample.path not in dropped
        ]
        left = assemble(self.root, chosen, [], self.split_locally, self.class_folders)
        return replace(left, within=self.within)

    def take(self, fraction: float, seed: int = 0) -> "PhotoFolders":
        """A share of each class in each split, at least one photo of each.

        Nested: what is in 10 % is in 20 %, for the same seed.
        """
        if fraction >= 1:
            return self
        chosen: set[Path] = set()
        for split in SPLITS:
            of_class: dict[int, list[Path]] = defaultdict(list)
            for sample in self.samples[split]:
                of_class[sample.label].append(sample.path)
            for paths in of_class.values():
                shuffled = _shuffled(paths, self.root, f"fraction/{seed}")
                chosen.update(shuffled[: math.ceil(fraction * len(shuffled))])
        return replace(
            self,
            samples={
                split: tuple(sample for sample in samples if sample.path in chosen)
                for split, samples in self.samples.items()
            },
            # What is left out already is left out of the same share of the photos.
            findings=tuple(
                replace(finding, photos=math.ceil(fraction * finding.photos))
                for finding in self.findings
            ),
        )


def sample_splits(
    found: Sequence[tuple[Path, str, str]], shares: dict[str, float], root: Path, seed: int
) -> list[tuple[Path, str, str]]:
    """Draw the splits of `shares` from each class's training photos, in exact proportion.

    The order is that of the photos' own hashes: one added later moves none but its neighbours at
    the borders between two splits, and none of another class.
    """
    result = [entry for entry in found if entry[2] != TRAIN]
    of_class: dict[str, list[Path]] = defaultdict(list)
    for path, name, split in found:
        if split == TRAIN:
            of_class[name].append(path)
    for name in sorted(of_class):
        remaining = _shuffled(of_class[name], root, f"split/{seed}")
        total = len(remaining)
        for number, (split, share) in enumerate(shares.items()):
            # One photo at least for each split, as long as one is left to train on.
            others = len(shares) - number
            wanted = max(1, round(share * total))
            count = min(wanted, max(1, len(remaining) - others)) if len(remaining) > 1 else 0
            result += [(path, name, split) for path in remaining[:count]]
            remaining = remaining[count:]
        result += [(path, name, TRAIN) for path in remaining]
    return result


def _shuffled(paths: Iterable[Path], root: Path, salt: str) -> list[Path]:
    """The paths in an order that depends on nothing but their own names below `root`."""

    def place(path: Path) -> bytes:
        # fsencode: names that aren't UTF-8 are files too.
        name = os.fsencode(path.relative_to(root).as_posix())
        return hashlib.sha256(f"{salt}/".encode() + name).digest()

    return sorted(paths, key=place)


def assemble(
    root: Path,
    found: Sequence[tuple[Path, str, str]],
    findings: Sequence[Finding],
    split_locally: tuple[str, ...],
    class_folders: Mapping[str, Path],
) -> PhotoFolders:
    """Label the photos; leave out classes that have none to train on, note those in one split."""
    counts = Counter((name, split) for _, name, split in found)
    names = {name for _, name, _ in found}
    classes = tuple(sorted(name for name in names if counts[name, TRAIN]))
    more = [_untrained(class_folders[name], name, counts) for name in sorted(names - {*classes})]
    for name in classes:
        lacking = [split for split in (VALID, TEST) if not counts[name, split]]
        if lacking:
            message = f"no photos in {' and '.join(lacking)}: nothing is known of it there"
            more.append(
                Finding(
                    path=class_folders[name],
                    reason=ONE_SPLIT_ONLY,
                    message=message,
                    bad=False,
                    photos=0,
                )
            )
    label_of = {name: label for label, name in enumerate(classes)}
    ordered = sorted(found, key=lambda entry: entry[0])
    samples = {
        split: tuple(
            Sample(path, label_of[name], split)
            for path, name, photo_split in ordered
            if photo_split == split and name in label_of
        )
        for split in SPLITS
    }
    return PhotoFolders(
        root=root,
        classes=classes,
        display_names=display_names(classes),
        samples=samples,
        findings=(*findings, *more),
        split_locally=split_locally,
        class_folders=class_folders,
    )


def _untrained(folder: Path, name: str, counts: Counter[tuple[str, str]]) -> Finding:
    held = [split for split in (VALID, TEST) if counts[name, split]]
    return Finding(
        path=folder,
        reason="untrained_class",
        message=f"{' and '.join(held)} have this class, train has not; its photos are left out",
        bad=True,
        photos=sum(counts[name, split] for split in held),
    )
