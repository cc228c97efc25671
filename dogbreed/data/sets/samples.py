"""The built-in data set: six invented dog breeds, drawn from a seed, never downloaded."""

import hashlib
import logging
import tempfile
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from dogbreed.data.layouts.system_files import SAMPLES_MARKER
from dogbreed.data.sets.drawing import BREEDS, VERSION, draw_photo
from dogbreed.utils.files import locked
from dogbreed.utils.machine import cores
from dogbreed.utils.user_paths import cache_dir, cached_in, private_folder

log = logging.getLogger("dogbreed")

SAMPLES = "samples"  # the folder in the cache
PHOTOS_PER_BREED = {"train": 40, "valid": 12, "test": 12}


def are_samples(classes: Collection[str]) -> bool:
    """Whether the classes of a model are those of this set: breeds that exist nowhere else.

    Unlike the configuration of the run, they say so for a model of a SageMaker job too, to which
    the set is a folder like any other.
    """
    return set(classes) == {breed.name for breed in BREEDS}


def sample_photos() -> Path:
    """The folder of the set in the cache, drawn if it isn't there yet.

    Raises:
        OutputError: the cache can't be used.
    """
    root = cache_dir() / SAMPLES
    with cached_in(root):
        private_folder(root.parent)
        if root.exists():
            private_folder(root)
        return generate_samples(root)


def generate_samples(root: Path, *, seed: int = 0) -> Path:
    """Draw the set as `root/{train,valid,test}/<Breed>/<NNN>.jpg` unless it's there already.

    One that was damaged or changed since it was drawn is drawn again.

    The same seed gives the same bytes on the same versions of Pillow and numpy. Of several
    processes one draws, and the others wait for it. Returns `root`. Raises OSError where it can't
    write, FileExistsError where `root` holds anything that this function didn't draw.
    """
    marker = f"drawing {VERSION}, seed {seed}\n"
    if not _is_whole(root, marker):
        root.parent.mkdir(parents=True, exist_ok=True)
        with locked(root.with_name(f".{root.name}.lock")):
            if not _is_whole(root, marker):  # nobody drew it while this process waited
                if (root / SAMPLES_MARKER).is_file():
                    log.warning("warning: %s isn't what would be drawn now: drawn again", root)
                _replace(root, seed, marker)
    return root


def _is_whole(root: Path, marker: str) -> bool:
    """Whether the marker and every photo are as they were written."""
    try:
        return (root / SAMPLES_MARKER).read_text(encoding="utf-8") == marker + _checksum(root)
    except (OSError, UnicodeDecodeError):
        return False


def _checksum(root: Path) -> str:
    """SHA-256 of the photos' names and contents."""
    total = hashlib.sha256()
    for path in sorted(root.glob("*/*/*.jpg")):
        content = path.read_bytes()
        total.update(f"{path.relative_to(root)} {len(content)}\n".encode() + content)
    return f"sha256 {total.hexdigest()}\n"


def _replace(root: Path, seed: int, marker: str) -> None:
    """Draw the set beside `root`, then let it take the place of an older one.

    Only complete sets are renamed into place, so the marker is in a set that was drawn here.
    """
    outdated = (root / SAMPLES_MARKER).is_file()
    if not outdated and root.exists() and any(root.iterdir()):
        raise FileExistsError(
            f"{root} holds files that aren't drawn samples: name a new or an empty folder"
        )
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as temporary:
        drawn = Path(temporary, "drawn")
        drawn.mkdir(mode=0o700)
        _draw(drawn, seed)
        (drawn / SAMPLES_MARKER).write_text(marker + _checksum(drawn), encoding="utf-8")
        if outdated:
            root.rename(drawn.with_name("outdated"))
        drawn.rename(root)


def _draw(folder: Path, seed: int) -> None:
    def draw(breed_index: int, split_index: int, index: int) -> None:
        rng = np.random.default_rng([seed, breed_index, split_index, index])
        photo, quality = draw_photo(BREEDS[breed_index], rng)
        place = folder / splits[split_index] / BREEDS[breed_index].name
        photo.save(place / f"{index:03d}.jpg", quality=quality)

    splits = list(PHOTOS_PER_BREED)
    with ThreadPoolExecutor(cores()) as pool:  # Pillow and numpy release the lock as they draw
        drawn = []
        for breed_index, breed in enumerate(BREEDS):
            for split_index, (split, count) in enumerate(PHOTOS_PER_BREED.items()):
                (folder / split / breed.name).mkdir(parents=True)
                for index in range(count):
                    drawn.append(pool.submit(draw, breed_index, split_index, index))
        for each in drawn:
            each.result()
