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
TORN_GROUPS, UNGROUPED = "torn_groups", "ungrouped"


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

    @classmethod
    def note(cls, path: Path, reason: str, message: str) -> "Finding":
        """A finding that leaves out no photo."""
        return cls(path=path, reason=reason, message=message, bad=False, photos=0)


@dataclass(frozen=True, kw_only=True)
class PhotoFolders:
    """Classes and their photos, split into train, valid and test.

    `classes` are the folders' names in sorted order (a label is an index into them), with nested
    classes their paths ("shoes/boots"); `display_names` are what people read. `split_locally` names
    the splits that were sampled by this package rather than found as folders. `class_folders` has
    one folder of each class, for findings; a class of a table has none. `within` is the real path
    of the folder that no photo is read from outside of; None where links may lead anywhere
    (data.links). `groups` are names of photos that belong together, such as those of one dog; a
    photo that isn't in it is a group of its own.
    """

    root: Path
    classes: tuple[str, ...]
    display_names: tuple[str, ...]
    samples: dict[str, tuple[Sample, ...]]
    findings: tuple[Finding, ...]
    split_locally: tuple[str, ...]
    class_folders: Mapping[str, Path] = field(default_factory=dict)
    within: str | None = None
    groups: Mapping[Path, str] = field(default_factory=dict)

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
        return replace(left, within=self.within, groups=self.groups)

    def unit(self, path: Path) -> bytes:
        """What a photo is sampled as; all photos of a group have the same."""
        return sampling_unit(path, self.root, self.groups)

    def take(self, fraction: float, seed: int = 0) -> "PhotoFolders":
        """A share of each class in each split, in complete groups, at least one photo of each.

        Nested: what is in 10 % is in 20 %, for the same seed.
        """
        if fraction >= 1:
            return self
        return replace(
            self,
            samples={
                split: self._share(samples, fraction, f"fraction/{seed}")
                for split, samples in self.samples.items()
            },
            # What is left out already is left out of the same share of the photos.
            findings=tuple(
                replace(finding, photos=math.ceil(fraction * finding.photos))
                for finding in self.findings
            ),
        )

    def _share(self, samples: Sequence[Sample], fraction: float, salt: str) -> tuple[Sample, ...]:
        """The samples of the first groups of each class, up to that fraction of its photos."""
        of_class: dict[int, Counter[bytes]] = defaultdict(Counter)
        for sample in samples:
            of_class[sample.label][self.unit(sample.path)] += 1
        chosen: set[bytes] = set()
        for units in of_class.values():
            missing = math.ceil(fraction * units.total())
            for unit in in_hash_order(units, salt):
                if missing <= 0:
                    break
                chosen.add(unit)
                missing -= units[unit]
        return tuple(sample for sample in samples if self.unit(sample.path) in chosen)


def sampling_unit(path: Path, root: Path, groups: Mapping[Path, str]) -> bytes:
    """The group of a photo, or the photo itself: its name below `root`, wherever that is."""
    group = groups.get(path)
    if group is not None:
        return b"\0" + group.encode("utf-8", "surrogateescape")  # no path has a zero byte
    # fsencode: names that aren't UTF-8 are files too.
    return os.fsencode(path.relative_to(root).as_posix())


def in_hash_order(units: Iterable[bytes], salt: str) -> list[bytes]:
    """The units in an order that depends on nothing but their own names."""
    return sorted(units, key=lambda unit: hashlib.sha256(f"{salt}/".encode() + unit).digest())


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
    more = []
    for name in sorted(names):
        folder = class_folders.get(name)
        lacking = [split for split in (VALID, TEST) if not counts[name, split]]
        if name in classes and not lacking:
            continue
        finding = _one_split(lacking) if name in classes else _untrained(name, counts)
        # A class that has no folder is named in the message.
        message = finding.message if folder else f"{name}: {finding.message}"
        more.append(replace(finding, path=folder or root, message=message))
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


def _one_split(lacking: Sequence[str]) -> Finding:
    message = f"no photos in {' and '.join(lacking)}: nothing is known of it there"
    return Finding.note(Path(), ONE_SPLIT_ONLY, message)


def _untrained(name: str, counts: Counter[tuple[str, str]]) -> Finding:
    held = [split for split in (VALID, TEST) if counts[name, split]]
    return Finding(
        path=Path(),
        reason="untrained_class",
        message=f"{' and '.join(held)} have this class, train has not; its photos are left out",
        bad=True,
        photos=sum(counts[name, split] for split in held),
    )
