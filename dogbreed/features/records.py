"""The feature cache's bytes: checksums of rows, and the index records that hold these checksums.

A record holds a photo's digest, the row of its features and their checksum. Its own checksum
starts from the recipe, so a record that was damaged, or written for another recipe, isn't valid,
and a valid one is right wherever in the index it is.
"""

import functools
import hashlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

DIGEST_BYTES = 32
RECORD = np.dtype(
    [
        ("digest", np.uint8, DIGEST_BYTES),  # SHA-256 of the photo's file
        ("row", "<u8"),  # position in features.bin, in rows
        ("row_checksum", "<u8"),
        ("checksum", "<u8"),  # of the fields above and the recipe
    ]
)
CHECKED_BYTES = RECORD.itemsize - 8
VACANT_ROW = 2**64 - 1  # of a record that replaces a damaged one and is of no photo

Records = npt.NDArray[Any]
Checksums = npt.NDArray[np.uint64]

DISK_BLOCK_BYTES = 4096


def checksums(blocks: npt.NDArray[np.uint8]) -> Checksums:
    """A checksum of 64 bits for each block of bytes: [n, even size] to [n].

    The sum of the block's 32-bit words times fixed random odd weights, modulo 2^64. It detects
    every change within one word, and any other change but for a chance of at most 2^-32
    (multilinear hashing: Lemire & Kaser 2014, Strongly universal string hashing is fast, theorem
    3.1). numpy computes it for a batch at once, in half the time of zlib.crc32 for each row.
    """
    words = blocks.view("<u4" if blocks.shape[1] % 4 == 0 else "<u2")
    weights = _weights(words.shape[1])
    found: Checksums = np.einsum("ij,j->i", words, weights, dtype=np.uint64, casting="unsafe")
    return found


@functools.lru_cache(maxsize=8)
def _weights(count: int) -> Checksums:
    # Not from numpy's generators, whose numbers may change with its version.
    stream = hashlib.shake_256(b"dogbreed feature cache").digest(8 * count)
    return np.frombuffer(stream, "<u8").astype(np.uint64) | np.uint64(1)


def make_records(
    digests: Sequence[bytes], first_row: int, row_checksums: Checksums, recipe: str
) -> Records:
    """Records for photos whose features are in consecutive rows."""
    records = np.zeros(len(digests), RECORD)
    records["digest"] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)
    records["row"] = np.arange(first_row, first_row + len(digests), dtype=np.uint64)
    records["row_checksum"] = row_checksums
    records["checksum"] = _own_checksums(records, recipe)
    return records


def vacant_record(recipe: str) -> bytes:
    """A valid record of no photo."""
    return make_records([bytes(DIGEST_BYTES)], VACANT_ROW, np.zeros(1, np.uint64), recipe).tobytes()


def are_valid(records: Records, recipe: str) -> npt.NDArray[np.bool_]:
    """Which records are as they were written, for this recipe: [n]."""
    valid: npt.NDArray[np.bool_] = records["checksum"] == _own_checksums(records, recipe)
    return valid


def _own_checksums(records: Records, recipe: str) -> Checksums:
    start = np.frombuffer(hashlib.sha256(recipe.encode()).digest()[:8], "<u8")
    fields = records.view(np.uint8).reshape(len(records), RECORD.itemsize)[:, :CHECKED_BYTES]
    found: Checksums = checksums(np.ascontiguousarray(fields)) + start
    return found


def read_into(file: int, block: npt.NDArray[np.uint8], start: int) -> None:
    """Fill `block` from a place in an open file; with zeros where it ends or can't be read."""
    try:
        read = os.preadv(file, [block.data], start)
    except OSError:
        read = 0
    if read == len(block):
        return
    block[read:] = 0
    if len(block) > DISK_BLOCK_BYTES:  # the parts around an unreadable one are still good
        for at in range(0, len(block), DISK_BLOCK_BYTES):
            read_into(file, block[at : at + DISK_BLOCK_BYTES], start + at)
