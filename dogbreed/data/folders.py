"""Folders of classes as samples: layouts, splits, fractions and names. No photo is opened here."""

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dogbreed.data import photos
from dogbreed.errors import DataError, PhotoError

TRAIN, VALID, TEST = "train", "valid", "test"
SPLITS = (TRAIN, VALID, TEST)
SPLIT_FOLDERS = {"train": TRAIN, "valid": VALID, "val": VALID, "validation": VALID, "test": TEST}


@dataclass(frozen=True, slots=True)
class Sample:
    """One photo: where it lies, the index of its class, its split."""

    path: Path
    label: int
    split: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is to be said about a file or a class folder.

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

    `classes` are the folders' names in sorted order (a label is an index into them);
    `display_names` are what people read. `split_here` names the splits that were drawn by this
    package rather than found as folders.
    """

    root: Path
    classes: tuple[str, ...]
    display_names: tuple[str, ...]
    samples: dict[str, tuple[Sample, ...]]
    findings: tuple[Finding, ...]
    split_here: tuple[str, ...]

    def all_samples(self) -> list[Sample]:
        """Every sample: train, then valid, then test."""
        return [sample for split in SPLITS for sample in self.samples[split]]

    def counts(self, split: str) -> list[int]:
        """How many photos each class has in `split`, in the order of `classes`."""
        counted = Counter(sample.label for sample in self.samples[split])
        return [counted[label] for label in range(len(self.classes))]

    def without(self, bad: Iterable[Path]) -> "PhotoFolders":
        """The same folders less some photos; `findings` are then those that follow from it."""
        dropped = set(bad)
        kept = [
            (sample.path, self.classes[sample.label], sample.split)
            for sample in self.all_samples()
            if sample.path not in dropped
        ]
        return _assemble(self.root, kept, [], self.split_here)

    def take(self, fraction: float, seed: int = 0) -> "PhotoFolders":
        """A share of each class in each split, at least one photo of each.

        Nested: what is in 10 % is in 20 %, for the same seed.
        """
        if fraction >= 1:
            return self
        kept: list[tuple[Path, str, str]] = []
        for split in SPLITS:
            for label, name in enumerate(self.classes):
                own = [s.path for s in self.samples[split] if s.label == label]
                own = _shuffled(own, self.root, f"fraction/{seed}")
                kept += [(path, name, split) for path in own[: math.ceil(fraction * len(own))]]
        return _assemble(self.root, kept, [], self.split_here)


def read_folders(
    root: Path, *, valid_share: float = 0.15, test_share: float = 0.15, split_seed: int = 0
) -> PhotoFolders:
    """Read `root` as train/valid/test folders of classes, or as class folders alone.

    A split that isn't there is drawn from the training photos of each class by their names'
    hashes, so that a photo added later moves no other.

    Raises:
        DataError: no folder, no photos, or fewer than two classes to tell apart.
    """
    if not root.exists():
        raise DataError(f"{root} doesn't exist: data.root must be a folder of photographs.")
    if not root.is_dir():
        raise DataError(f"{root} is a file: data.root must be a folder with one folder per class.")
    try:
        found, findings, drawn = _scan(root)
    except PermissionError as error:
        raise DataError(f"{error.filename} can't be read: you lack the permission.") from error
    if drawn:
        shares = {VALID: valid_share, TEST: test_share}
        if sum(shares[split] for split in drawn) >= 1:
            raise DataError("data.valid_share and data.test_share leave nothing to train on.")
        found = _split(found, {split: shares[split] for split in drawn}, root, split_seed)
    folders = _assemble(root, found, findings, drawn)
    if len(folders.classes) < 2:
        raise DataError(_why_too_few(root, folders))
    return folders


def display_name(folder: str) -> str:
    """A class folder's name for people: no number or synset in front, spaces for underscores."""
    cleaned = re.sub(r"^(n\d{8}-|\d+[._-])\s*", "", folder).replace("_", " ").strip()
    return cleaned or folder


def _scan(root: Path) -> tuple[list[tuple[Path, str, str]], list[Finding], tuple[str, ...]]:
    """Every photo as (path, class, split), findings, and the splits that have no folder."""
    top = [entry for entry in sorted(root.iterdir()) if entry.is_dir() and entry.name[0] != "."]
    parts = [(SPLIT_FOLDERS[e.name.lower()], e) for e in top if e.name.lower() in SPLIT_FOLDERS]
    if not parts:
        parts = [(TRAIN, root)]
    elif TRAIN not in [split for split, _ in parts]:
        names = ", ".join(f"{folder.name}/" for _, folder in parts)
        raise DataError(f"{root} has {names} but no train/ folder: nothing to train on.")
    found: list[tuple[Path, str, str]] = []
    findings: list[Finding] = []
    for split, folder in parts:
        for class_folder in sorted(folder.iterdir()):
            if not class_folder.is_dir() or class_folder.name.startswith("."):
                continue
            paths = list(_photos_in(class_folder, findings))
            if not paths:
                findings.append(
                    Finding(
                        path=class_folder,
                        reason="empty_class",
                        message="a class folder without photos; left out",
                        bad=False,
                        photos=0,
                    )
                )
            found += [(path, class_folder.name, split) for path in paths]
    drawn = tuple(split for split in (VALID, TEST) if split not in [s for s, _ in parts])
    return found, findings, drawn


def _photos_in(folder: Path, findings: list[Finding]) -> Iterator[Path]:
    """The photos in a class folder and below it, through symbolic links, in a fixed order."""
    seen: set[str] = set()
    for parent, subfolders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # a link back to a folder above
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith("."):
                continue
            if path.suffix.lower() in photos.SUFFIXES or _is_photo(path):
                yield path
            else:
                message = "not a photo by name or content; ignored"
                findings.append(
                    Finding(path=path, reason="ignored", message=message, bad=False, photos=0)
                )


def _is_photo(path: Path) -> bool:
    try:
        photos.open_photo(photos.read_bytes(path))
    except PhotoError:
        return False
    return True


def _split(
    found: Sequence[tuple[Path, str, str]], shares: dict[str, float], root: Path, seed: int
) -> list[tuple[Path, str, str]]:
    """Draw the splits of `shares` from each class's training photos."""
    result = [entry for entry in found if entry[2] != TRAIN]
    for name in sorted({entry[1] for entry in found}):
        own = [path for path, class_name, split in found if class_name == name and split == TRAIN]
        own = _shuffled(own, root, f"split/{seed}")
        for split, share in shares.items():
            # One photo at least for each split, as long as one is left to train on.
            count = min(max(1, round(share * len(own))), len(own) - 1) if len(own) > 1 else 0
            result += [(path, name, split) for path in own[:count]]
            own = own[count:]
        result += [(path, name, TRAIN) for path in own]
    return result


def _shuffled(paths: Iterable[Path], root: Path, salt: str) -> list[Path]:
    """The paths in an order that depends on nothing but their own names below `root`."""

    def rank(path: Path) -> bytes:
        return hashlib.sha256(f"{salt}/{path.relative_to(root).as_posix()}".encode()).digest()

    return sorted(paths, key=rank)


def _assemble(
    root: Path,
    found: Sequence[tuple[Path, str, str]],
    findings: Sequence[Finding],
    split_here: tuple[str, ...],
) -> PhotoFolders:
    """Label the photos; leave out classes that have none to train on, note those in one split."""
    counts = Counter((name, split) for _, name, split in found)
    named = {name for _, name, _ in found}
    classes = tuple(sorted(name for name in named if counts[name, TRAIN]))
    more = [_untrained(root, name, counts) for name in sorted(named - set(classes))]
    for name in classes:
        lacking = [split for split in (VALID, TEST) if not counts[name, split]]
        if lacking:
            message = f"no photos in {' and '.join(lacking)}: nothing is known of it there"
            more.append(
                Finding(
                    path=root / name, reason="one_split_only", message=message, bad=False, photos=0
                )
            )
    label_of = {name: label for label, name in enumerate(classes)}
    samples = {
        split: tuple(
            Sample(path, label_of[name], split)
            for path, name, own in sorted(found)
            if own == split and name in label_of
        )
        for split in SPLITS
    }
    return PhotoFolders(
        root=root,
        classes=classes,
        display_names=_display_names(classes),
        samples=samples,
        findings=(*findings, *more),
        split_here=split_here,
    )


def _untrained(root: Path, name: str, counts: Counter[tuple[str, str]]) -> Finding:
    held = [split for split in (VALID, TEST) if counts[name, split]]
    return Finding(
        path=root / held[0] / name,
        reason="untrained_class",
        message=f"{' and '.join(held)} have this class, train has not; its photos are left out",
        bad=True,
        photos=sum(counts[name, split] for split in held),
    )


def _display_names(classes: Sequence[str]) -> tuple[str, ...]:
    """Cleaned names; a folder whose cleaned name another one shares keeps its own."""
    cleaned = Counter(display_name(name) for name in classes)
    return tuple(
        display_name(name) if cleaned[display_name(name)] == 1 else name for name in classes
    )


def _why_too_few(root: Path, folders: PhotoFolders) -> str:
    """The sentence for a root in which there aren't two classes."""
    if folders.classes:
        return (
            f"{root} has one class with photos to train on ({folders.classes[0]}): a classifier "
            f"needs two or more.{_hint(root)}"
        )
    loose = [path for path in root.iterdir() if path.suffix.lower() in photos.SUFFIXES]
    if loose:
        return (
            f"{root} holds {len(loose)} photos but no class folders: put each class's photos "
            f"into a folder of its name, as in {root / 'Beagle' / loose[0].name}."
        )
    return (
        f"{root} holds no photos: data.root must be a folder with one folder of photos per "
        f"class.{_hint(root)}"
    )


def _hint(root: Path) -> str:
    """Where the classes probably are, if it is one level deeper."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if (folder / "train").is_dir():
            return f" Did you mean data.root={folder}?"
    return ""
