"""A folder of photos and what is below it, each folder listed once, in a fixed order.

Every walk over photos goes through here (training, `predict`, uploads, batch jobs), so that all of
them skip the same files and report what can't be read.
"""

import os
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from dogbreed.data.decoding import photos
from dogbreed.data.decoding.formats import is_photo_suffix
from dogbreed.data.layouts.system_files import Skipped
from dogbreed.utils.links import is_within

# Without a photo by its name, so many files are opened to see whether a folder holds photos: a
# folder of 100,000 annotations is then known for what it is without opening each.
SNIFFED = 200


class Listing(NamedTuple):
    """What a folder holds, in the order of the names; `error` says why it couldn't be listed."""

    folders: list["Folder"]
    files: list[Path]
    error: str | None = None


class Folder:
    """A folder, followed through symbolic links; what it holds is listed when first needed.

    Args:
        path: the folder as the user wrote it.
        skipped: receives what is left out at and below it: system files, unreadable folders, links.
        real_path: the folder without links, if that is known.
        within: the real path of the folder that no link may lead out of; None: any may.
    """

    def __init__(
        self,
        path: Path,
        skipped: Skipped,
        real_path: str | None = None,
        within: str | None = None,
    ) -> None:
        self.path, self.skipped, self.within = path, skipped, within
        self.real_path = os.path.realpath(path) if real_path is None else real_path

    @classmethod
    def top(cls, path: Path, skipped: Skipped, *, links: bool) -> "Folder":
        """The folder that a walk starts at; `links`: follow those that lead out of it, too."""
        real_path = os.path.realpath(path)
        return cls(path, skipped, real_path, None if links else real_path)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    @cached_property
    def listing(self) -> Listing:
        """Subfolders and files, less those of the system."""
        try:
            with os.scandir(self.path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self.skipped.unreadable[self.path] = reason
            return Listing([], [], reason)
        folders: list[Folder] = []
        files: list[Path] = []
        for entry in found:
            if not self.skipped.visible(entry.name):
                continue
            path = self.path / entry.name
            # Only a link can lead elsewhere: resolving each entry would cost as much again.
            target = os.path.realpath(path) if entry.is_symlink() else None
            if target and self.within is not None and not is_within(target, self.within):
                self.skipped.links.add(path, target)
            elif _is_folder(entry):
                real_path = target or str(Path(self.real_path, entry.name))
                folders.append(Folder(path, self.skipped, real_path, self.within))
            else:
                files.append(path)
        return Listing(folders, files)

    @property
    def subfolders(self) -> list["Folder"]:
        """The folders in this one."""
        return self.listing.folders

    @cached_property
    def photos(self) -> list[Path]:
        """The photos in this folder itself, by their names or their contents."""
        return [
            path for path in self.listing.files if _has_photo_suffix(path) or photos.is_photo(path)
        ]

    @property
    def named_photos(self) -> list[Path]:
        """The photos in this folder itself by their names; none is opened."""
        return [path for path in self.listing.files if _has_photo_suffix(path)]

    @property
    def others(self) -> list[Path]:
        """The files in this folder itself that are no photos."""
        known = set(self.photos)
        return [path for path in self.listing.files if path not in known]

    def walk(self) -> Iterator["Folder"]:
        """This folder and those below it, each once, whatever links lead to it."""
        # Links back to a folder above would bring in the photos of other classes.
        logical = Path(os.path.realpath(self.path.parent), self.path.name)
        seen = {str(above) for path in (Path(self.real_path), logical) for above in path.parents}
        waiting = [self]
        while waiting:
            folder = waiting.pop()
            if folder.real_path not in seen:
                seen.add(folder.real_path)
                yield folder
                waiting += reversed(folder.subfolders)

    @cached_property
    def has_photos(self) -> bool:
        """Whether there are photos in it or below it: one by its name, or by the first contents."""
        if any(folder.named_photos for folder in self.walk()):
            return True
        files = (path for folder in self.walk() for path in folder.listing.files)
        return any(photos.is_photo(path) for path in islice(files, SNIFFED))

    def count_named_photos(self) -> int:
        """How many photos are in it and below it by their names; none is opened."""
        return sum(len(folder.named_photos) for folder in self.walk())


def _has_photo_suffix(path: Path) -> bool:
    """Whether a file is a photo by its name."""
    return is_photo_suffix(path.suffix)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: no folder, and the check reports it as a file
        return False
