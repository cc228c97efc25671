"""Chunks of a PNG that Pillow doesn't read. Source: the PNG specification, third edition."""

import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_chunk(data: bytes, name: bytes) -> bytes | None:
    """The content of a PNG's first chunk of that name before its pixels; None without one."""
    for found, start, end in _chunks(data):
        if found == name:
            return data[start:end]
    return None


def without_texts(data: bytes) -> bytes:
    """A PNG without its texts and its colour profile, whose sizes once unpacked nobody knows."""
    chosen = [SIGNATURE]
    end = len(SIGNATURE)
    for name, start, stop in _chunks(data):
        end = stop + 4
        if name not in (b"iCCP", b"zTXt", b"iTXt", b"tEXt"):
            chosen.append(data[start - 8 : end])
    return b"".join((*chosen, data[end:]))


def png_profile(data: bytes, max_bytes: int) -> bytes | None:
    """The ICC profile in a PNG, as far as its first `max_bytes`."""
    _, _, packed = (png_chunk(data, b"iCCP") or b"").partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], max_bytes) or None
    except zlib.error:
        return None


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk before the pixels: its name, and where its content begins and ends."""
    place = len(SIGNATURE) if data.startswith(SIGNATURE) else len(data)
    while place + 12 <= len(data):
        length, name = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        if name == b"IDAT":
            return
        yield name, place + 8, place + 8 + length
        place += 12 + length
