"""Boxes of HEIF and AVIF files. Source: ISO 14496-12."""

from collections.abc import Iterator
from dataclasses import dataclass

from dogbreed.data.decoding.structure.base import limit, number

# A phone's photo of 48 megapixels has some 500.
MAX_BOXES = 16 * 1024

# How many bytes of version, flags and counts precede the boxes in each.
_CONTAINERS = {b"meta": 4, b"iref": 4, b"iinf": 6}
_CONTAINERS |= dict.fromkeys((b"iprp", b"ipco", b"moov", b"trak", b"mdia", b"minf", b"stbl"), 0)


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its type and that of the one it is in, and where its content begins and ends."""

    kind: bytes
    parent: bytes
    start: int
    end: int


def read_boxes(data: bytes) -> list[Box]:
    """Every box in the file's order, those in containers after their container.

    Raises:
        PhotoError: there are more than a photo has.
    """
    found: list[Box] = []
    waiting = [(0, len(data), b"")]
    while waiting:
        place, end, parent = waiting.pop()
        if place + 8 > end:
            continue
        size, kind, start = number(data, place, 4), data[place + 4 : place + 8], place + 8
        if size == 1:
            size, start = number(data, place + 8, 8), place + 16
        stop = min(end, place + size) if size >= start - place else end
        found.append(Box(kind, parent, start, stop))
        limit(len(found), MAX_BOXES, "boxes")
        waiting.append((stop, end, parent))
        if kind in _CONTAINERS and parent != b"ipco":
            wide = 2 if kind == b"iinf" and number(data, start, 1) else 0
            waiting.append((start + _CONTAINERS[kind] + wide, stop, kind))
    return found


class Cursor:
    """Reads the numbers of a box one after the other; what is beyond its end is 0."""

    def __init__(self, data: bytes, box: Box) -> None:
        self._data, self._end = data, box.end
        self.place = box.start

    def take(self, size: int) -> int:
        """The next number of `size` bytes."""
        place, self.place = self.place, self.place + size
        return number(self._data, place, size) if self.place <= self._end else 0

    def times(self, count: int) -> Iterator[int]:
        """0 to `count`, as far as the box goes."""
        for index in range(count):
            if self.place >= self._end:
                return
            yield index
