"""Limits on a GIF: what is before its first picture. Source: GIF89a specification."""

from dogbreed.data.decoding.structure.base import Structure, limit, number

# Pieces of up to 255 bytes, which Pillow reads one by one in Python; rubbish counts byte by byte.
# A colour profile or XMP of some 100 kB are hundreds.
MAX_PIECES = 64 * 1024

_EXTENSION, _PICTURE, _END = 0x21, 0x2C, 0x3B


def check_gif(data: bytes) -> Structure:
    """The structure of a GIF up to its first picture, which alone is decoded.

    Raises:
        PhotoError: it exceeds a limit.
    """
    width, height = number(data, 6, 2, "little"), number(data, 8, 2, "little")
    flags = number(data, 10, 1)
    place = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    pieces = 0
    while place < len(data) and data[place] not in (_PICTURE, _END):
        pieces += 1
        limit(pieces, MAX_PIECES, "pieces before its picture")
        if data[place] != _EXTENSION:
            place += 1
            continue
        place += 2
        while place < len(data) and data[place]:
            pieces += 1
            limit(pieces, MAX_PIECES, "pieces before its picture")
            place += 1 + data[place]
        place += 1
    if data[place : place + 1] == b",":  # a picture beyond the screen enlarges it
        left, top, across, down = (number(data, place + at, 2, "little") for at in (1, 3, 5, 7))
        width, height = max(width, left + across), max(height, top + down)
    return Structure(format="GIF", width=width, height=height)
