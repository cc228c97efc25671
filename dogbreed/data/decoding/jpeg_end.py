"""JPEGs that lack only their end marker, distinguished from those that lack a part of the picture.

libjpeg fills what is missing with grey and says so to nobody, so that a decoded picture proves
nothing. Source of the file's structure: ITU-T T.81, annexes B and G.
"""

import contextlib
import hashlib
import io
import re
from dataclasses import dataclass, field

from PIL import Image

from dogbreed.data.decoding.structure.jpeg import MAX_SEGMENTS

END = b"\xff\xd9"
_START_OF_SCAN, _RESTART_INTERVAL, _END = 0xDA, 0xDD, 0xD9
# Baseline, extended and progressive, all of Huffman's codes; libjpeg's others are rare.
_FRAMES = (0xC0, 0xC1, 0xC2)
_PROGRESSIVE = 0xC2
# A marker within a scan's data: neither a stuffed byte, nor a restart, nor a fill byte.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# What copying programs write where they couldn't read; as data it would be a part of the picture.
_PADDING = bytes(8)
# Data of no picture: a decoder that still needs some takes it, and the pictures differ.
_TAILS = (bytes(128), bytes(range(254, 0, -2)), b"\xaa\x55" * 64)
_ROWS = 64  # of a picture that are copied at once
_INKS = {"black": (0, 0, 0, 0), "white": (255, 255, 255, 255)}


@dataclass
class _Scans:
    """The scans of a JPEG.

    `precision` has the lowest bit that was sent of each coefficient (component, 0..63).
    """

    components: tuple[int, ...] = ()
    progressive: bool = False
    restarts: bool = False
    count: int = 0
    precision: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, header: bytes) -> None:
        """Take note of a scan (T.81, B.2.3)."""
        self.count += 1
        end = 1 + 2 * header[0]
        if len(header) < end + 3:
            return
        first, last, low = header[end], header[end + 1], header[end + 2] & 15
        for component in header[1:end:2]:
            for coefficient in range(first, min(last, 63) + 1):
                self.precision[component, coefficient] = low

    def all_sent(self) -> bool:
        """Whether every coefficient of every component was sent, to its last bit."""
        return bool(self.components) and all(
            self.precision.get((component, coefficient)) == 0
            for component in self.components
            for coefficient in range(64)
        )


def is_missing(data: bytes) -> bool:
    """Whether a JPEG has no end marker; Pillow doesn't notice it in all of them."""
    return not data.endswith(END) and _scans(data) is not None


def is_complete(data: bytes) -> bool:
    """Whether all of the picture is in a JPEG that ends without its end marker."""
    data = data.rstrip(b"\xff")
    if data.endswith(_PADDING):
        return False
    scans = _scans(data)
    if scans is None or not scans.all_sent():
        return False
    if scans.count == 1 and not scans.progressive:
        # Without an end marker the decoder waits for more data instead of making any up, and what
        # it didn't reach retains the colour that was there before.
        end = b""
    elif scans.restarts:
        return False  # at a restart the decoder passes over what isn't its marker
    else:
        end = END  # without it, none of several scans is shown
    fills = ("black", "white", "black")
    found = {_digest(data + tail + end, fill) for tail, fill in zip(_TAILS, fills, strict=True)}
    return len(found) == 1


def completed(data: bytes, size: tuple[int, int] | None) -> Image.Image:
    """The loaded picture of a JPEG that lacks its end marker; at a fraction as `draft` takes it."""
    photo = Image.open(io.BytesIO(data.rstrip(b"\xff") + END), formats=("JPEG",))
    if size is not None:
        photo.draft("RGB", size)
    photo.load()
    return photo


def _digest(data: bytes, fill: str) -> bytes:
    """What identifies the pixels of a JPEG, those that the decoder doesn't reach being `fill`."""
    photo = Image.open(io.BytesIO(data), formats=("JPEG",))
    photo.im = Image.new(photo.mode, photo.size, fill if photo.mode != "CMYK" else _INKS[fill]).im
    # "truncated": there is no end marker. Pixels that were decoded before stay.
    with contextlib.suppress(OSError):
        photo.load()
    photo.tile = []  # it counts as loaded
    digest = hashlib.sha256()
    for top in range(0, photo.height, _ROWS):
        digest.update(photo.crop((0, top, photo.width, top + _ROWS)).tobytes())
    return digest.digest()


def _scans(data: bytes) -> _Scans | None:
    """The scans of a JPEG; None where its structure isn't understood."""
    scans, place, segments = _Scans(), 2, 0
    while marker := _MARKER.search(data, place):
        segments += 1
        kind, place = data[marker.start() + 1], marker.end()
        content = data[place + 2 : place + int.from_bytes(data[place : place + 2])]
        if kind == _END or len(content) < 2 or segments > MAX_SEGMENTS:
            return None
        if kind in _FRAMES:
            scans.progressive = kind == _PROGRESSIVE
            scans.components = tuple(content[6::3][: content[5]]) if len(content) > 5 else ()
        elif kind == _RESTART_INTERVAL:
            scans.restarts = content[:2] != b"\0\0"
        elif kind == _START_OF_SCAN:
            scans.add(content)
        place += 2 + len(content)
    return scans
