"""Limits on a PNG: its chunks. Source: the PNG specification, third edition."""

from dogbreed.data.decoding.structure.base import Structure, limit, number
from dogbreed.data.decoding.structure.exif import check_exif

# Pillow reads each chunk in Python. libpng writes pixels in chunks of 8 kB; one that is all chunks
# of nothing has millions.
MAX_CHUNKS = 1024
BYTES_A_CHUNK = 512  # beyond MAX_CHUNKS, on average

_FIRST = 8  # after the signature


def check_png(data: bytes) -> Structure:
    """The structure of a PNG.

    Raises:
        PhotoError: it exceeds a limit.
    """
    place, chunks = _FIRST, 0
    most = MAX_CHUNKS + len(data) // BYTES_A_CHUNK
    while place + 8 <= len(data):
        size, name = number(data, place, 4), data[place + 4 : place + 8]
        chunks += 1
        limit(chunks, most, "chunks")
        if name == b"eXIf":
            check_exif(data[place + 8 : place + 8 + size])
        elif name == b"IEND":
            break
        place += 12 + size
    return Structure(format="PNG", width=number(data, 16, 4), height=number(data, 20, 4))
