"""Reading features from the cache: a row is verified each time that it is read from the disk."""

import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dogbreed.errors import StoreError
from dogbreed.features.records import Checksums, Records, checksums, read_into
from dogbreed.utils.files import open_plain

VERIFIED_BYTES = 64 * 1024 * 1024  # read at a time where only the checksums are wanted
# A cache up to this size is read once and then held in memory: two views of 8,000 photos in a
# ResNet50 take 64 MB. That makes up for the checksums, which take a fifth of the time of reading.
MAX_IN_MEMORY_BYTES = 32 * 1024 * 1024


class FeatureReader:
    """Rows of a cache by the number of their record, read from the disk when they are requested.

    Rows of a small cache stay in memory once they were read, where nothing can damage them.

    Read, not memory-mapped: a map's pages count as this process's memory (a shuffled epoch over
    2.5 GB brought 1.5 GB in, 2 MB a row), page faults took three times as long as reading, and a
    file that is cut off under a map kills the process instead of raising an error.

    Args:
        path: the file of rows.
        records: what each row holds; valid ones.
        shape: of a row.
        dtype: of its values.
        file: `path`, open already; it is duplicated. None: opened here.

    Raises:
        StoreError: the file can't be opened; a row isn't as it was written.
    """

    def __init__(
        self,
        path: Path,
        records: Records,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        file: int | None = None,
    ) -> None:
        self._path, self._shape, self._dtype = path, shape, dtype
        self._row_bytes = int(np.prod(shape)) * dtype.itemsize
        self._records = records
        self._starts = records["row"].astype(np.int64) * self._row_bytes
        self._checksums: Checksums = records["row_checksum"].astype(np.uint64)
        few = len(records) * self._row_bytes <= MAX_IN_MEMORY_BYTES
        # Memory that is never written to isn't taken from the system.
        self._in_memory = np.empty((len(records), *shape), dtype) if few else None
        self._is_in_memory = np.zeros(len(records), np.bool_)
        try:
            self._file = open_plain(path, os.O_RDONLY) if file is None else os.dup(file)
        except OSError as error:
            raise StoreError(f"{path} can't be read ({error.strerror}): run again.") from error
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return len(self._records)

    def __getstate__(self) -> tuple[Any, ...]:
        # Worker processes open the file again; one that was replaced since fails the checksums.
        return self._path, self._records, self._shape, self._dtype

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __getitem__(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Some rows, in any order: [len(numbers), *shape]."""
        if self._in_memory is None:
            return self._verified(numbers)
        new = numbers[~self._is_in_memory[numbers]]
        if len(new):
            self._in_memory[new] = self._verified(new)
            self._is_in_memory[new] = True
        rows: npt.NDArray[Any] = self._in_memory[numbers]
        return rows

    def intact(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which rows are as they were written: [len(numbers)]."""
        at_once = max(1, VERIFIED_BYTES // self._row_bytes)
        parts = range(0, len(numbers), at_once)
        found = [self._read(numbers[start : start + at_once])[1] for start in parts]
        return np.concatenate([np.empty(0, np.bool_), *found])

    def _verified(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Rows from the disk: [len(numbers), *shape]."""
        blocks, intact = self._read(numbers)
        if not intact.all():
            raise StoreError(
                f"{self._path} was damaged or replaced while it was in use: {(~intact).sum()} of "
                f"{len(numbers)} rows aren't as they were written. Run the command again: it "
                "computes what is damaged again."
            )
        return blocks.view(self._dtype).reshape(len(numbers), *self._shape)

    def _read(
        self, numbers: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Rows from the disk as bytes [len(numbers), row_bytes], and which of them are intact."""
        blocks = np.empty((len(numbers), self._row_bytes), np.uint8)
        for block, start in zip(blocks, self._starts[numbers].tolist(), strict=True):
            read_into(self._file, block, start)
        return blocks, checksums(blocks) == self._checksums[numbers]
