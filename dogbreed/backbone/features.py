"""The feature store: what the frozen trunk gave for a photo, kept under everything that decides it.

One folder per recipe (weights, boundary, preprocessing, view, engine, type), holding

    recipe.json     the recipe, for people
    features.bin    rows of one shape and type, in the order in which they came
    digests.bin     the SHA-256 of each row's photo, 32 bytes each, in the same order

Both files only grow, features first. A row counts once its digest is there, so whatever a killed
process left behind is not taken for whole, and the next writer overwrites it.
"""

import hashlib
import json
import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dogbreed.errors import StoreError
from dogbreed.files import DISK_FULL, locked, write_text

DIGEST_BYTES = 32
COPIED_BYTES = 64 * 1024 * 1024  # at a time, from one store into another


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a photo's features, the photo itself aside."""

    backbone: str
    weights: str  # digest of the trunk's weights
    boundary: str  # where the trunk ends: what `trainable` was
    preprocessing: Mapping[str, Any]
    view: str
    engine: str
    precision: str
    dtype: str
    shape: tuple[int, ...]

    def key(self) -> str:
        """The name of the recipe's folder."""
        return hashlib.sha256(self.as_json().encode()).hexdigest()[:24]

    def as_json(self) -> str:
        """The recipe as text, the same for the same recipe."""
        return json.dumps(vars(self), sort_keys=True, indent=1, default=dict)


class FeatureStore:
    """The features of one recipe. Several processes may write and read at once.

    Raises:
        StoreError: the folder can't be made or written; rows that aren't there are asked for.
    """

    def __init__(self, root: Path, recipe: Recipe) -> None:
        self.folder = root / recipe.key()
        self.shape = recipe.shape
        self.dtype = np.dtype(recipe.dtype)
        self.row_bytes = int(np.prod(recipe.shape)) * self.dtype.itemsize
        self._rows: dict[bytes, int] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / "recipe.json").exists():
                write_text(self.folder / "recipe.json", recipe.as_json())
            for name in ("features.bin", "digests.bin"):
                (self.folder / name).touch()
        except OSError as error:
            raise self._cant_write(error) from error
        self.refresh()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._rows

    def refresh(self) -> None:
        """Take note of what was written since, by this or another process."""
        written = (self.folder / "features.bin").stat().st_size // self.row_bytes
        with (self.folder / "digests.bin").open("rb") as file:
            file.seek(len(self._rows) * DIGEST_BYTES)
            new = file.read()
        whole = min(len(new) // DIGEST_BYTES, written - len(self._rows))
        for number in range(whole):
            digest = new[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES]
            self._rows[digest] = len(self._rows)

    def append(self, digests: Sequence[bytes], rows: npt.NDArray[Any]) -> None:
        """Add rows [n, *shape]; photos that are there already keep the row they have.

        Raises:
            StoreError: the disk is full or not writable; what was whole before stays so.
        """
        try:
            with locked(self.folder / "lock"):
                self.refresh()
                fresh = {digest: row for row, digest in enumerate(digests) if digest not in self}
                kept = self._in_range(rows[list(fresh.values())])
                # Data first and onto the disk, then the digests that make it count.
                self._append("features.bin", len(self) * self.row_bytes, kept.tobytes())
                self._append("digests.bin", len(self) * DIGEST_BYTES, b"".join(fresh))
                self.refresh()
        except OSError as error:
            raise self._cant_write(error) from error

    def rows(self, digests: Iterable[bytes]) -> npt.NDArray[np.int64]:
        """The row of each photo."""
        try:
            return np.fromiter((self._rows[digest] for digest in digests), np.int64)
        except KeyError as error:
            raise StoreError(f"{self.folder} lacks features that were asked for.") from error

    def copy_from(self, folder: Path) -> int:
        """Add what another store of the same recipe has more; how many rows that were.

        A folder that isn't there has nothing.
        """
        if not folder.is_dir():
            return 0
        digests = (folder / "digests.bin").read_bytes()
        written = (folder / "features.bin").stat().st_size // self.row_bytes
        count = min(len(digests) // DIGEST_BYTES, written)
        others = [digests[n * DIGEST_BYTES : (n + 1) * DIGEST_BYTES] for n in range(count)]
        fresh = [row for row, digest in enumerate(others) if digest not in self]
        reader = FeatureReader(folder / "features.bin", count, self.shape, self.dtype)
        at_once = max(1, COPIED_BYTES // self.row_bytes)
        for start in range(0, len(fresh), at_once):
            rows = fresh[start : start + at_once]
            self.append([others[row] for row in rows], reader[np.array(rows)])
        return len(fresh)

    def reader(self) -> "FeatureReader":
        """Read access to all rows that are there now."""
        return FeatureReader(self.folder / "features.bin", len(self), self.shape, self.dtype)

    def building(self) -> AbstractContextManager[bool]:
        """Tell the process that builds first (True) from those that build beside it."""
        return locked(self.folder / "builder", wait=False)

    def _append(self, name: str, whole_bytes: int, data: bytes) -> None:
        """Write `data` behind the first `whole_bytes`.

        What a failure leaves there stays: another process may have taken note of a digest in it,
        and the room of the features is wanted again by the next append.
        """
        with (self.folder / name).open("r+b", buffering=0) as file:
            file.truncate(whole_bytes)
            file.seek(whole_bytes)
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())

    def _in_range(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        with np.errstate(over="ignore"):
            kept = rows.astype(self.dtype)
        if not np.isfinite(kept).all():
            raise StoreError(
                f"The network gives features that {self.dtype} can't hold "
                f"(up to {np.abs(rows).max():g}): use features.dtype=float32 or other weights."
            )
        return kept

    def _cant_write(self, error: OSError) -> StoreError:
        if error.errno in DISK_FULL:
            return StoreError(
                f"The disk is full: the feature store {self.folder} can't grow. What it holds is "
                "whole and will be used; free some space, or set features.root to another disk."
            )
        return StoreError(
            f"The feature store can't be written ({error.strerror}: "
            f"{error.filename or self.folder}): set "
            "features.root (or the variable DOGBREED_CACHE) to a folder of yours."
        )


class FeatureReader:
    """Rows of a store, read where they lie on the disk when they are asked for.

    Read, not memory-mapped: a map's pages count as this process's memory (a shuffled epoch over
    2.5 GB brought 1.5 GB in, 2 MB a row), page faults took three times as long as reading, and a
    file that is cut off under a map kills the process instead of raising an error.

    Raises:
        StoreError: the file is gone or shorter than it was.
    """

    def __init__(
        self, path: Path, count: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._source = (path, count, shape, dtype)
        self._row_bytes = int(np.prod(shape)) * dtype.itemsize
        try:
            self._file = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise StoreError(f"{path} can't be read ({error.strerror}): run again.") from error
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return self._source[1]

    def __getstate__(self) -> tuple[Any, ...]:
        return self._source  # worker processes open the file again

    def __setstate__(self, source: tuple[Any, ...]) -> None:
        self.__init__(*source)  # type: ignore[misc]

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Some rows, in any order: [len(rows), *shape]."""
        path, count, shape, dtype = self._source
        if len(rows) and not 0 <= rows.min() <= rows.max() < count:
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {count}")
        taken = np.empty((len(rows), *shape), dtype)
        for target, row in zip(taken, rows.tolist(), strict=True):
            if os.preadv(self._file, [target], row * self._row_bytes) != self._row_bytes:
                raise StoreError(f"{path} was cut off while it was in use: run the command again.")
        return taken
