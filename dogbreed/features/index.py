"""The feature cache's index, as far as a process has read it: which row holds which photo."""

import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from dogbreed.errors import StoreError
from dogbreed.features.files import append_bytes
from dogbreed.features.records import (
    DIGEST_BYTES,
    RECORD,
    VACANT_ROW,
    Checksums,
    Records,
    are_valid,
    make_records,
    read_into,
    vacant_record,
)

# More than any set of photographs has: a file made to claim more would fill the memory.
MAX_RECORDS = 10_000_000


class FeatureIndex:
    """Valid records by their photo's digest; of two for a photo the later one counts.

    Args:
        recipe: the key of the recipe that the records must have been written for.
    """

    def __init__(self, recipe: str) -> None:
        self._recipe = recipe
        self.records: Records = np.empty(0, RECORD)
        self._numbers: dict[bytes, int] = {}
        self.slots = 0  # places for a record in the file, those of vacant and damaged ones too
        self._damaged: list[int] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._numbers

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._numbers)

    @property
    def damaged(self) -> int:
        """How many of the records that were read are damaged, and not repaired yet."""
        return len(self._damaged)

    def numbers(self, digests: Iterable[bytes]) -> npt.NDArray[np.int64]:
        """The photos' places in `records`; KeyError for one that isn't there."""
        return np.fromiter((self._numbers[digest] for digest in digests), np.int64)

    def forget(self, digest: bytes) -> None:
        """Treat a photo as one that isn't there."""
        del self._numbers[digest]

    def read(self, file: int) -> None:
        """Register the records behind those that were read before.

        Raises:
            StoreError: there are more than `MAX_RECORDS`.
        """
        count = os.fstat(file).st_size // RECORD.itemsize
        if count > MAX_RECORDS:
            raise StoreError(
                f"A feature cache's index claims {count:,} records, the limit is {MAX_RECORDS:,}: "
                "it is damaged; remove its folder, or copy the feature shard again."
            )
        # A truncated file is shorter than what was read: the next record goes to its end.
        first, self.slots = min(self.slots, count), count
        self._damaged += [
            first + place for place in self._register(_records_at(file, first, count))
        ]

    def append(
        self, file: int, digests: Sequence[bytes], first_row: int, row_checksums: Checksums
    ) -> None:
        """Write records for consecutive rows, and register them."""
        records = make_records(digests, first_row, row_checksums, self._recipe)
        append_bytes(file, self.slots * RECORD.itemsize, records.data)
        self.read(file)

    def repair(self, file: int) -> int:
        """Put vacant records in the places of damaged ones; how many those were."""
        # What looked damaged may have been in the middle of being written.
        damaged = [n for n in self._damaged if self._register(_records_at(file, n, n + 1))]
        for place in damaged:
            os.pwrite(file, vacant_record(self._recipe), place * RECORD.itemsize)
        self._damaged.clear()
        return len(damaged)

    def _register(self, records: Records) -> list[int]:
        """Register the rows of valid records; return the places of damaged records."""
        valid = are_valid(records, self._recipe)
        new = records[valid & (records["row"] != VACANT_ROW)]
        if len(new):
            digests, known = new["digest"].tobytes(), len(self.records)
            for number in range(len(new)):
                digest = digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES]
                self._numbers[digest] = known + number
            self.records = np.concatenate([self.records, new])
        damaged: list[int] = np.flatnonzero(~valid).tolist()
        return damaged


def _records_at(file: int, first: int, end: int) -> Records:
    data = np.empty((end - first) * RECORD.itemsize, np.uint8)
    read_into(file, data, first * RECORD.itemsize)
    return data.view(RECORD)
