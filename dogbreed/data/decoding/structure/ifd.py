"""Directories of tags (IFD) in TIFF files and in EXIF data, with limits on what reading them costs.

Source: TIFF 6.0, section 2; BigTIFF as libtiff describes it.
"""

import struct
from dataclasses import dataclass

from dogbreed.data.decoding.structure.base import limit, number

# Cameras write less than 100 in a directory.
MAX_ENTRIES = 1024
# Of all entries together, in Python an object each (a fraction takes some 200 bytes). A TIFF's
# strips have two numbers each; texts and binary data count as one.
MAX_NUMBERS = 128 * 1024

# Bytes of a value by its type; 13 and 16 to 18 are IFD, LONG8, SLONG8 and IFD8.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
_TEXTS = (1, 2, 7)  # BYTE, ASCII, UNDEFINED
_LETTERS = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_INNER = (34665, 34853, 40965)  # the directories of EXIF, GPS, and interoperability


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    count: int
    place: int  # of its values


class Directory:
    """The tags of one directory."""

    def __init__(self, data: bytes, order: str, entries: dict[int, _Entry]) -> None:
        self._data, self._order, self._entries = data, order, entries

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The integers of a tag, as far as the file has them; none of other types."""
        entry = self._entries.get(tag)
        letter = _LETTERS.get(entry.kind) if entry else None
        if entry is None or letter is None:
            return ()
        count = min(entry.count, (len(self._data) - entry.place) // struct.calcsize(letter))
        if count <= 0:
            return ()
        return struct.unpack_from(f"{self._order}{count}{letter}", self._data, entry.place)

    def first(self, tag: int, default: int = 0) -> int:
        """The first number of a tag."""
        return next(iter(self.numbers(tag)), default)


def read_directories(data: bytes) -> Directory:
    """The first directory of a TIFF or of EXIF data; those inside it are checked with it.

    Raises:
        PhotoError: they have more entries or numbers than a photo has.
    """
    order, big = ("<" if data[:2] == b"II" else ">"), data[2:3] == b"+"
    name = "little" if order == "<" else "big"
    start = number(data, 8, 8, name) if big else number(data, 4, 4, name)
    first = Directory(data, order, {})
    waiting, seen, numbers = [start], set[int](), 0
    while waiting:
        place = waiting.pop()
        if place in seen or not 8 <= place < len(data):
            continue
        entries = _entries(data, place, order, big)
        numbers += sum(1 if each.kind in _TEXTS else each.count for each in entries.values())
        limit(numbers, MAX_NUMBERS, "numbers in its tags")
        directory = Directory(data, order, entries)
        if not seen:
            first = directory
        seen.add(place)
        waiting += [directory.first(tag) for tag in _INNER]
    return first


def _entries(data: bytes, place: int, order: str, big: bool) -> dict[int, _Entry]:
    """The entries that are in the file: what is outside of it is not read."""
    head, size, layout = (8, 20, "HHQ") if big else (2, 12, "HHI")
    name = "little" if order == "<" else "big"
    declared = number(data, place, head, name)
    count = min(declared, (len(data) - place - head) // size)
    limit(count, MAX_ENTRIES, "tags in a directory")
    found: dict[int, _Entry] = {}
    for at in range(place + head, place + head + max(0, count) * size, size):
        tag, kind, values = struct.unpack_from(order + layout, data, at)
        field = at + struct.calcsize(order + layout)
        bytes_ = values * _SIZES.get(kind, 0)
        if bytes_ > size - (field - at):
            field = number(data, field, size - (field - at), name)
        if 0 < bytes_ <= len(data) - field and tag not in found:
            found[tag] = _Entry(kind, values, field)
    return found
