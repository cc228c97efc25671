"""Limits on a WebP: its chunks and its canvas. Source: RFC 9649."""

from dogbreed.data.decoding.structure.base import Structure, limit, number
from dogbreed.data.decoding.structure.exif import check_exif

# libwebp makes an object of each. Photos have less than ten, animations one a frame.
MAX_CHUNKS = 1024
BYTES_A_CHUNK = 512  # beyond MAX_CHUNKS, on average

_FIRST = 12  # after RIFF, the file's size and WEBP


def check_webp(data: bytes) -> Structure:
    """The structure of a WebP; its decoder allocates the canvas twice when it is opened.

    Raises:
        PhotoError: it exceeds a limit.
    """
    if data[8:12] != b"WEBP":
        return Structure()
    place, chunks, width, height = _FIRST, 0, 0, 0
    most = MAX_CHUNKS + len(data) // BYTES_A_CHUNK
    while place + 8 <= len(data):
        name, size = data[place : place + 4], number(data, place + 4, 4, "little")
        place += 8
        chunks += 1
        limit(chunks, most, "chunks")
        if name == b"EXIF":
            check_exif(data[place : place + size])
        found = _size(name, data, place)
        width, height = max(width, found[0]), max(height, found[1])
        place += size + size % 2
    return Structure(format="WEBP", width=width, height=height)


def _size(name: bytes, data: bytes, place: int) -> tuple[int, int]:
    """The width and height that a chunk says."""
    if name == b"VP8X":
        return (
            1 + number(data, place + 4, 3, "little"),
            1 + number(data, place + 7, 3, "little"),
        )
    if name == b"VP8L":
        bits = number(data, place + 1, 4, "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if name == b"VP8 ":
        bits = number(data, place + 6, 4, "little")
        return bits & 0x3FFF, bits >> 16 & 0x3FFF
    return 0, 0
