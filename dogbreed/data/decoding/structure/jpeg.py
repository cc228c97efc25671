"""Limits on a JPEG: scans, segments and padding. Source of its structure: ITU-T T.81, annex B."""

import re
from dataclasses import dataclass

from dogbreed.data.decoding.structure.base import Structure, limit, number
from dogbreed.data.decoding.structure.exif import check_exif

# Every scan of a progressive JPEG is a pass over all coefficients, however few bytes it has:
# 57 ms at 81 megapixels. libjpeg and mozjpeg write about ten; libjpeg's script for CMYK has 18
# (2 + 4 x 4 components, jcparam.c, jpeg_simple_progression).
MAX_SCANS = 32
# Ten scans of the largest photo that is opened.
MAX_SCAN_PIXELS = 10 * 89_478_485
# A segment has up to 64 kB: 16 MB of a colour profile are 256, an Ultra HDR photo's depth and gain
# maps in extended XMP about as many.
MAX_SEGMENTS = 2048
# Fill bytes and rubbish before the first scan, which Pillow passes over one by one in Python.
MAX_SKIPPED_BYTES = 64 * 1024
# Pillow joins EXIF of several segments piece by piece. One segment is usual, a few are known.
MAX_EXIF_BYTES = 4 * 2**20
# Photoshop writes some 30.
MAX_PHOTOSHOP_RESOURCES = 4096

# Neither a stuffed byte, nor a restart, nor a fill byte.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_SOI, _EOI, _SOS, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = (0xC2, 0xCA)
_FIRST_ARITHMETIC = 0xC9
_EXIF = b"Exif\0\0"


@dataclass(frozen=True, slots=True)
class _Frame:
    """The frame's header: its marker, and the picture's size and components."""

    kind: int = 0
    width: int = 0
    height: int = 0
    components: int = 0


def check_jpeg(data: bytes) -> Structure:
    """The structure of a JPEG, of an MPO's first picture.

    Raises:
        PhotoError: it exceeds a limit.
    """
    frame, first, segments = _header(data)
    scans = 1
    # Of a picture that its first scan completes nothing else is decoded.
    if frame.kind in _PROGRESSIVE or number(data, first + 2, 1) < frame.components:
        scans = _count_scans(data, first, segments, frame)
    return Structure(
        format="JPEG",
        width=frame.width,
        height=frame.height,
        scans=scans,
        arithmetic=frame.kind >= _FIRST_ARITHMETIC,
    )


def _header(data: bytes) -> tuple[_Frame, int, int]:
    """The frame, where the first scan's segment begins, and how many segments are before it."""
    frame, place, segments, skipped, exif = _Frame(), 2, 0, 0, list[bytes]()
    while found := _MARKER.search(data, place):
        kind, start = data[found.start() + 1], found.end()
        skipped, place = skipped + found.start() - place, start
        if kind == _SOS:
            break
        segments += 1
        limit(segments, MAX_SEGMENTS, "segments")
        if kind < 0xC0 or kind in (_SOI, _EOI):  # they stand alone
            continue
        place += max(2, number(data, start, 2))
        if kind in _FRAMES and not frame.kind:
            height, width = number(data, start + 3, 2), number(data, start + 5, 2)
            frame = _Frame(kind, width, height, number(data, start + 7, 1))
        elif kind == _APP1 and data.startswith(_EXIF, start + 2):
            exif.append(data[start + 2 + len(_EXIF) : place])
    else:
        skipped += max(0, len(data) - place)
    limit(skipped, MAX_SKIPPED_BYTES, "bytes of padding")
    limit(sum(map(len, exif)), MAX_EXIF_BYTES, "bytes of EXIF")
    limit(data.count(b"8BIM", 0, place), MAX_PHOTOSHOP_RESOURCES, "Photoshop resources")
    check_exif(b"".join(exif))
    return frame, place, segments


def _count_scans(data: bytes, place: int, segments: int, frame: _Frame) -> int:
    """The scans up to the picture's end, the first one's segment beginning at `place`."""
    scans, pixels = 1, max(1, frame.width * frame.height)
    most = min(MAX_SCANS, max(1, MAX_SCAN_PIXELS // pixels))
    while found := _MARKER.search(data, place):
        kind, place = data[found.start() + 1], found.end()
        if kind == _EOI:
            break
        segments += 1
        limit(segments, MAX_SEGMENTS, "segments")
        if kind >= 0xC0 and kind != _SOI:
            place += number(data, place, 2)
        if kind == _SOS:
            scans += 1
            limit(scans, most, f"scans at {frame.width}x{frame.height} pixels")
    return scans
