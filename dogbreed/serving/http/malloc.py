"""The C library's allocator, configured to return memory to the system."""

import ctypes
import sys

# Of glibc's malloc.h: blocks above the threshold are returned to the system when they are freed. By
# default the threshold rises with the largest block so far, and the memory of decoded photos stays
# with the process.
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 4 * 2**20


def release_large_blocks() -> None:
    """Return blocks of the size of photos to the system when freed, where the library can."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not in every C library
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
