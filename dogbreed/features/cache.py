"""The feature cache: a photo's activations at the split point, under all that they depend on.

One folder per recipe (weights, split point, preprocessing, view, engine, versions, type), holding

    recipe.json     the recipe, for people; nothing reads it
    features.bin    rows of one shape and type, in the order in which they were written
    digests.bin     the index: for each row its photo's SHA-256, its position and its checksum, in
                    records of one size with a checksum of their own (records.py)

Both files only grow, features first. A row counts once its record is there, and is right if its
checksum says so: what a killed process, a bad disk or another program left in either file counts
as missing, and is never used. Of two records for a photo the later one counts.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dogbreed.errors import StoreError
from dogbreed.features.files import (
    FEATURES,
    INDEX,
    FeatureFiles,
    append_bytes,
    cut_off_on_failure,
)
from dogbreed.features.index import FeatureIndex
from dogbreed.features.reader import FeatureReader
from dogbreed.features.records import checksums
from dogbreed.utils.files import locked, write_text
from dogbreed.utils.os_errors import DISK_FULL

FORMAT = 2  # of the files below a recipe's folder; part of its name
COPIED_BYTES = 64 * 1024 * 1024  # at a time, from one cache into another

log = logging.getLogger("dogbreed")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that a photo's features depend on, except the photo itself."""

    backbone: str
    weights: str  # digest of the frozen part's weights
    boundary: str  # the split point: the value of model.trainable
    preprocessing: Mapping[str, Any]
    view: str
    engine: str
    precision: str
    versions: Mapping[str, str]  # of the software that decodes and computes
    dtype: str
    shape: tuple[int, ...]

    def key(self) -> str:
        """The name of the recipe's folder."""
        return hashlib.sha256(self.as_json().encode()).hexdigest()[:24]

    def as_json(self) -> str:
        """The recipe as text, the same for the same recipe."""
        values = {"format": FORMAT, **vars(self)}
        return json.dumps(values, sort_keys=True, indent=1, default=dict)


class FeatureCache:
    """The features of one recipe. Several processes may write and read at once.

    Nothing is written, and no folder made, before `prepare` or `append`: a complete cache may be
    read-only.

    Raises:
        StoreError: the files can't be read or written; rows that aren't there are requested.
    """

    def __init__(self, root: Path, recipe: Recipe) -> None:
        self.folder = root / recipe.key()
        self.shape = recipe.shape
        self.dtype = np.dtype(recipe.dtype)
        self.row_bytes = int(np.prod(recipe.shape)) * self.dtype.itemsize
        self._recipe = recipe
        self._files: FeatureFiles | None = None
        self._index = FeatureIndex(recipe.key())
        self.refresh()

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._index

    def refresh(self) -> None:
        """Read the part of the index that was written since, by this or another process."""
        try:
            self._files = self._files or FeatureFiles.open(self.folder)
            if self._files is not None:
                self._index.read(self._files.index)
        except OSError as error:
            raise StoreError(
                f"The feature cache can't be read ({error.strerror}: "
                f"{error.filename or self.folder}): have its permissions corrected, or set "
                "features.root to another folder."
            ) from error

    def prepare(self) -> None:
        """Make what an append needs: fail now if it would, and report a damaged index."""
        with self._locked():
            pass

    def append(self, digests: Sequence[bytes], rows: npt.NDArray[Any]) -> None:
        """Add rows [n, *shape]; a photo that is there already isn't changed.

        Raises:
            StoreError: the disk is full or not writable; what was complete before stays so.
        """
        with self._locked() as files:
            fresh = {digest: row for row, digest in enumerate(digests) if digest not in self}
            if not fresh:
                return
            blocks = self._as_bytes(rows[list(fresh.values())])
            # Behind all rows, those without a record too: another process may have read it.
            first = os.fstat(files.features).st_size // self.row_bytes
            # Data first and onto the disk, then the records that make it count.
            with cut_off_on_failure(files.features, first * self.row_bytes):
                append_bytes(files.features, first * self.row_bytes, blocks.data)
            self._index.append(files.index, list(fresh), first, checksums(blocks))

    def verify(self, digests: Iterable[bytes]) -> None:
        """Read these photos' rows and forget the damaged ones, so that they are missing."""
        known = [digest for digest in dict.fromkeys(digests) if digest in self]
        if not known:
            return
        intact = self.reader().intact(self.rows(known))
        for digest, is_intact in zip(known, intact, strict=True):
            if not is_intact:
                self._index.forget(digest)
        if not intact.all():
            log.warning(
                "warning: %s is damaged: %d of %d rows aren't as they were written and aren't used",
                *(self.folder / FEATURES, (~intact).sum(), len(known)),
            )

    def rows(self, digests: Iterable[bytes]) -> npt.NDArray[np.int64]:
        """The number, for `reader`, of each photo's row."""
        try:
            return self._index.numbers(digests)
        except KeyError as error:
            raise StoreError(
                f"{self.folder} lacks features that were requested: run the command again."
            ) from error

    def copy_from(self, folder: Path) -> int:
        """Add the rows that another cache of the same recipe has and this one lacks; how many.

        Its damaged rows are reported and left out. A folder that isn't there has nothing.
        """
        other = FeatureCache(folder.parent, self._recipe)
        other._report_records(other._index.damaged)
        other.verify([digest for digest in other._index if digest not in self])
        fresh = [digest for digest in other._index if digest not in self]
        at_once = max(1, COPIED_BYTES // self.row_bytes)
        for start in range(0, len(fresh), at_once):
            digests = fresh[start : start + at_once]
            self.append(digests, other.reader()[other.rows(digests)])
        return len(fresh)

    def reader(self) -> FeatureReader:
        """Read access to all rows that are there now; it verifies each row that it reads."""
        path = self.folder / FEATURES
        file = None if self._files is None else self._files.features
        return FeatureReader(path, self._index.records, self.shape, self.dtype, file)

    @contextmanager
    def building(self) -> Iterator[bool]:
        """True for the process that builds first, False for those that build at the same time."""
        with ExitStack() as stack:
            try:
                first = stack.enter_context(locked(self.folder / "builder", wait=False))
            except OSError as error:
                raise self._cant_write(error) from error
            yield first

    @contextmanager
    def _locked(self) -> Iterator[FeatureFiles]:
        """The files at this cache's paths, open for writing, for this process alone.

        If they aren't those that this process has read so far (the folder was deleted, and maybe
        made again by another), what was read is forgotten: only the files that are there now count.
        """
        try:
            with FeatureFiles.locked(self.folder) as files:
                if self._files is None or not files.are(self._files):
                    self._index = FeatureIndex(self._recipe.key())
                self._files = files
                self._index.read(files.index)
                self._report_records(self._index.repair(files.index))
                if not (self.folder / "recipe.json").exists():
                    write_text(self.folder / "recipe.json", self._recipe.as_json())
                yield files
        except OSError as error:
            raise self._cant_write(error) from error

    def _report_records(self, damaged: int) -> None:
        if damaged:
            log.warning(
                "warning: %s is damaged: %d of %d records can't be read; the features that they "
                "stood for are missing",
                *(self.folder / INDEX, damaged, self._index.slots),
            )

    def _as_bytes(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Rows [n, *shape] in the cache's type, as bytes: [n, row_bytes]."""
        if not np.isfinite(rows).all():
            raise StoreError(
                "The network gives features that aren't finite (NaN or infinity): its weights are "
                "damaged or too large for this precision. Use other weights, or precision=f32."
            )
        with np.errstate(over="ignore"):
            converted = np.ascontiguousarray(rows, self.dtype)
        if not np.isfinite(converted).all():
            raise StoreError(
                f"The network gives features that {self.dtype} can't hold "
                f"(up to {np.abs(rows).max():g}): use features.dtype=float32 or other weights."
            )
        return converted.reshape(len(rows), -1).view(np.uint8)

    def _cant_write(self, error: OSError) -> StoreError:
        if error.errno in DISK_FULL:
            return StoreError(
                f"The disk is full: the feature cache {self.folder} can't grow. What it holds is "
                "complete and will be used; free some space, or set features.root to another disk."
            )
        return StoreError(
            f"The feature cache {self.folder} lacks features and can't be written "
            f"({error.strerror}: {error.filename or self.folder}): set features.root (or the "
            "variable DOGBREED_CACHE) to a folder that you can write."
        )
