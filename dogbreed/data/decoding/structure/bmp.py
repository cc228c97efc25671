"""Limits on a BMP that is compressed by run lengths. Source: Microsoft's BITMAPINFOHEADER."""

import struct

from dogbreed.data.decoding.structure.base import Structure, limit, number

# Pillow reads run lengths in Python: about 1 us a run, of 2 bytes at least, and 0.1 us a pixel to
# fill a row. They are of pictures of few colours, hardly of any photo.
MAX_RUN_BYTES = 4 * 2**20
MAX_RUN_PIXELS = 16_000_000

_CORE_HEADER_BYTES = 12
_HEADER_BYTES = (_CORE_HEADER_BYTES, 40, 52, 56, 64, 108, 124)
_RLE8, _RLE4 = 1, 2


def check_bmp(data: bytes) -> Structure:
    """The structure of a BMP.

    Raises:
        PhotoError: it exceeds a limit.
    """
    header = number(data, 14, 4, "little")
    if header not in _HEADER_BYTES or len(data) < 34:  # texts begin with BM too
        return Structure()
    if header == _CORE_HEADER_BYTES:
        width, height = struct.unpack_from("<HH", data, 18)
        return Structure(format="BMP", width=width, height=height)
    width, height = map(abs, struct.unpack_from("<ii", data, 18))  # rows from above: below zero
    if number(data, 30, 4, "little") in (_RLE8, _RLE4):
        limit(len(data), MAX_RUN_BYTES, "bytes of run lengths")
        limit(width * height, MAX_RUN_PIXELS, "pixels in run lengths")
    return Structure(format="BMP", width=width, height=height)
