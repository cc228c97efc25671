"""Folders of classes on the disk: their layouts, and the photos in them. No photo is decoded."""

import os
from collections.abc import Iterator
from pathlib import Path

from dogbreed.data import photos
from dogbreed.data.splits import (
    SPLIT_FOLDERS,
    TEST,
    TRAIN,
    VALID,
    Finding,
    PhotoFolders,
    assemble,
    draw_splits,
)
from dogbreed.errors import DataError


def read_folders(
    root: Path, *, valid_share: float = 0.15, test_share: float = 0.15, split_seed: int = 0
) -> PhotoFolders:
    """Read `root` as train/valid/test folders of classes, or as class folders alone.

    A split that isn't there is drawn from the training photos of each class, in the order of
    their names' hashes: the same whatever else lies in the folders.

    Raises:
        DataError: no folder, a folder that can't be read, no photos, or fewer than two classes.
    """
    check_root(root)
    try:
        _check_level(root)
        found, findings, drawn = _scan(root)
    except OSError as error:
        raise DataError(f"{error.filename} can't be read: {error.strerror}.") from error
    if drawn:
        shares = {VALID: valid_share, TEST: test_share}
        if sum(shares[split] for split in drawn) >= 1:
            raise DataError("data.valid_share and data.test_share leave nothing to train on.")
        found = draw_splits(found, {split: shares[split] for split in drawn}, root, split_seed)
    folders = assemble(root, found, findings, drawn)
    if len(folders.classes) < 2:
        raise DataError(_why_too_few(root, folders))
    folders.require_photos()
    return folders


def check_root(root: Path) -> None:
    """Raise a DataError unless `root` is a folder whose entries can be read."""
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


def _check_level(root: Path) -> None:
    """Raise a DataError if the folders in `root` are no classes: they have splits of their own."""
    inside = [entry for entry in sorted(root.iterdir()) if entry.is_dir() and entry.name[0] != "."]
    if any(folder.name.lower() in SPLIT_FOLDERS for folder in inside):
        return
    for folder in inside:
        for split in folder.iterdir():
            is_train = split.is_dir() and SPLIT_FOLDERS.get(split.name.lower()) == TRAIN
            if is_train and any(entry.is_dir() for entry in split.iterdir()):
                raise DataError(
                    f"{root} holds folders with splits of their own ({split.relative_to(root)}/), "
                    f"no classes. Did you mean data.root={folder}?"
                )


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
        loose = _loose_photos(folder)
        if loose:
            message = f"{len(loose)} photos lie beside the class folders; left out"
            findings.append(
                Finding(path=folder, reason="no_class", message=message, bad=False, photos=0)
            )
        for class_folder in sorted(folder.iterdir()):
            if not class_folder.is_dir() or class_folder.name.startswith("."):
                continue
            paths = list(photos_in(class_folder, findings))
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


def photos_in(folder: Path, findings: list[Finding]) -> Iterator[Path]:
    """The photos in a class folder and below it, through symbolic links, in a fixed order."""
    # Links back to a folder above would bring in the photos of other classes.
    here = (Path(os.path.realpath(folder)), Path(os.path.realpath(folder.parent), folder.name))
    seen = {str(above) for path in here for above in path.parents}
    for parent, subfolders, names in os.walk(folder, followlinks=True, onerror=_stop):
        real = os.path.realpath(parent)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith("."):
                continue
            if path.suffix.lower() in photos.SUFFIXES or photos.is_photo(path):
                yield path
            else:
                message = "not a photo by name or content; ignored"
                findings.append(
                    Finding(path=path, reason="ignored", message=message, bad=False, photos=0)
                )


def _stop(error: OSError) -> None:
    """A folder that can't be read is no empty folder."""
    raise error


def _loose_photos(folder: Path) -> list[Path]:
    """The photos, by their names, that lie in `folder` itself."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in photos.SUFFIXES and path.name[0] != "." and path.is_file()
    ]


def _why_too_few(root: Path, folders: PhotoFolders) -> str:
    """The sentence for a root in which there aren't two classes."""
    if folders.classes:
        return (
            f"{root} has one class with photos to train on ({folders.classes[0]}): a classifier "
            f"needs two or more.{_hint(root)}"
        )
    loose = _loose_photos(root)
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
        inside = [path for path in folder.iterdir() if path.is_dir()]
        split = any(path.name.lower() == TRAIN for path in inside)
        plain = sum(bool(_loose_photos(path)) for path in inside) > 1
        if split or (plain and folder.name.lower() not in SPLIT_FOLDERS):
            return f" Did you mean data.root={folder}?"
    return ""
