"""What a server's processes do with memory that they don't need any more."""

import ctypes
import sys

# Of glibc's malloc.h: a piece so large is the system's again as soon as it is free. Unless it is
# set it rises with the largest piece so far, and what is left of photos stays with the process.
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 4 * 2**20


def give_back_large_pieces() -> None:
    """Keep no memory of the size of photos, where the C library lets one choose."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not every library has it
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
