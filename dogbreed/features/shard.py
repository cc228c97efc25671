"""A feature shard: what a training needs of checked photos, in a folder that can be sent elsewhere.

photos.json          classes, samples with their digests, findings, how it was extracted, and
                     the SHA-256 of all of these
stores/<share>/...   the feature caches of each machine that extracted a part of the photos
photos/...           the few validation photos that exported models are compared on
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dogbreed.data.batches import evenly_spaced
from dogbreed.data.check import Checked
from dogbreed.data.decoding import photos
from dogbreed.data.layouts.splits import VALID
from dogbreed.errors import DataError, PhotoError, StoreError
from dogbreed.features.cache import FeatureCache
from dogbreed.features.extraction import Request
from dogbreed.features.shard_index import as_index, damaged, read_index
from dogbreed.runtime.engine import EngineChoice
from dogbreed.utils.files import atomic_write, write_text
from dogbreed.utils.links import is_within

INDEX = "photos.json"
STORES = "stores"
PHOTOS = "photos"
# Validation photos that are part of it: exported models are compared with training on them.
CHECKED_PHOTOS = 32
SHARE_NAMES = "[0-9][0-9][0-9]"  # of `share_folder`; a launch has at most 100


@dataclass(frozen=True)
class FeatureShard:
    """A feature shard as it was read."""

    folder: Path
    name: str
    checked: Checked
    choice: EngineChoice

    def fill(self, caches: Mapping[str, FeatureCache], requests: Sequence[Request]) -> int:
        """Copy what `caches`, one per view, lack; how many rows were copied.

        Damaged rows, here or there, are reported and count as missing.

        Raises:
            StoreError: the shard was extracted with other settings, or a part of it is missing.
        """
        for view, cache in caches.items():
            cache.verify(request.digest for request in requests if view in request.views)
        copied = sum(
            cache.copy_from(folder / cache.folder.name)
            for cache in caches.values()
            for folder in self._shares()
        )
        missing = {r.path for r in requests if any(r.digest not in caches[v] for v in r.views)}
        if missing:
            raise StoreError(
                f"The feature shard {self.folder} lacks the features of {len(missing)} of "
                f"{len(requests)} photos: it was extracted with another backbone, size or number "
                "of views, or a part of it is damaged or didn't arrive. Copy it again, or extract "
                "it again with these settings."
            )
        return copied

    def _shares(self) -> Iterator[Path]:
        """The folders of caches that the machines wrote."""
        inside = os.path.realpath(self.folder)
        for folder in sorted((self.folder / STORES).glob(SHARE_NAMES)):
            for each in (folder, *folder.iterdir()):
                if not is_within(os.path.realpath(each), inside):
                    raise StoreError(
                        f"{each} is a symbolic link that leads out of the feature shard: copy "
                        "what it leads to, or extract the shard again."
                    )
            yield folder


def share_folder(folder: Path, share: int) -> Path:
    """The folder of the caches that the machine of this number writes."""
    return folder / STORES / f"{share:03}"


def write_index(folder: Path, name: str, checked: Checked, choice: EngineChoice) -> None:
    """Write all of the shard but its caches.

    Raises:
        DataError: a photo can't be read any more, or isn't what was checked.
    """
    folders = checked.folders
    valid = folders.samples[VALID]
    for number in evenly_spaced(len(valid), CHECKED_PHOTOS):
        path = valid[number].path
        data = photos.read_bytes(path, folders.within)
        if photos.digest(data) != checked.digests[path]:
            raise DataError(f"{path}: its content changed since the check: run it again.")
        with atomic_write(folder / PHOTOS / path.relative_to(folders.root)) as beside:
            beside.write_bytes(data)
    write_text(folder / INDEX, json.dumps(as_index(name, checked, choice)))


def read_feature_shard(folder: Path) -> FeatureShard:
    """Read the shard in `folder`.

    Raises:
        StoreError: there is none, or it is damaged, or of another version.
    """
    try:
        name, checked, choice = read_index(folder / INDEX, folder / PHOTOS)
        for path in (folder / PHOTOS).rglob("*"):
            known = checked.digests.get(path)
            if known is not None and _digest(path, checked.folders.within) != known:
                raise damaged(path)
    except OSError as error:
        raise StoreError(
            f"data.feature_set={folder}: there is no feature shard ({error.strerror}: "
            f"{error.filename})."
        ) from error
    return FeatureShard(folder, name, checked, choice)


def _digest(path: Path, within: str | None) -> bytes:
    """The digest of a photo that is part of the shard."""
    try:
        return photos.digest(photos.read_bytes(path, within))
    except PhotoError as error:
        raise StoreError(f"{path}: {error}. Copy the feature shard again.") from error
