"""What HEIF and AVIF files list: items, their data, properties and references.

Source: ISO 14496-12, 8.11; ISO 23008-12, 9.3.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from dogbreed.data.decoding.structure.base import limit
from dogbreed.data.decoding.structure.iso_boxes import Box, Cursor

# A phone's photo of 48 megapixels has some 200 items, libheif itself takes 1,000. libavif searches
# all of them for each.
MAX_ITEMS = 4096
MAX_LINKS = 16 * 1024  # references, properties of items, or pieces of their data
# Of an animation, each an object when it is opened.
MAX_PICTURES = 64 * 1024

Links = dict[int, list[int]]
Pieces = list[tuple[int, int]]  # place and size


@dataclass(frozen=True)
class Items:
    """The lists of a file.

    Args:
        primary: the number of the item that is the picture.
        kinds: each item's type (hvc1, av01, grid, Exif, ...).
        pieces: where each item's data are.
        links: by kind of reference, from each item to others.
        properties: those of each item.
    """

    primary: int
    kinds: dict[int, bytes]
    pieces: dict[int, Pieces]
    links: dict[bytes, Links]
    properties: dict[int, list[Box]]


def read_items(data: bytes, boxes: list[Box]) -> Items:
    """The items in a file of these boxes.

    Raises:
        PhotoError: there are too many items, or links between them.
    """
    wide_links = any(_version(data, box) for box in boxes if box.kind == b"iref")
    idat = next((box.start for box in boxes if box.kind == b"idat"), 0)
    primary, kinds = 0, dict[int, bytes]()
    pieces: dict[int, Pieces] = defaultdict(list)
    links: dict[bytes, Links] = defaultdict(lambda: defaultdict(list))
    named: Links = defaultdict(list)
    count = 0
    for box in boxes:
        cursor = Cursor(data, box)
        if box.parent == b"iref":
            count += _read_reference(cursor, links[box.kind], 4 if wide_links else 2)
        elif box.kind == b"pitm":
            primary = cursor.take(2 + 2 * (cursor.take(4) >> 24 > 0))
        elif box.kind == b"infe":
            version = cursor.take(4) >> 24
            item = cursor.take(4 if version > 2 else 2)
            kinds[item] = data[cursor.place + 2 : cursor.place + 6] if version > 1 else b""
        elif box.kind == b"iloc":
            count += _read_places(cursor, pieces, idat)
        elif box.kind == b"ipma":
            count += _read_names(cursor, named)
        limit(len(kinds), MAX_ITEMS, "items")
        limit(count, MAX_LINKS, "links between its items")
    all_properties = [box for box in boxes if box.parent == b"ipco"]
    properties = {
        item: [all_properties[index - 1] for index in indices if 0 < index <= len(all_properties)]
        for item, indices in named.items()
    }
    return Items(primary, kinds, pieces, links, properties)


def first_pictures(data: bytes, boxes: list[Box]) -> Iterator[tuple[int, int]]:
    """Where the first picture of each track of an animation is: its place and its bytes.

    Raises:
        PhotoError: a track has too many pictures.
    """
    size = in_chunk = 0
    for box in boxes:
        cursor = Cursor(data, box)
        cursor.take(4)
        if box.kind == b"stsz":
            size, pictures = cursor.take(4), cursor.take(4)
            limit(pictures, MAX_PICTURES, "pictures")
            size = size or cursor.take(4)
        elif box.kind == b"stsc":
            runs = (
                (cursor.take(4), cursor.take(4), cursor.take(4))
                for _ in cursor.times(cursor.take(4))
            )
            in_chunk = max((run[1] for run in runs), default=0)
        elif box.kind in (b"stco", b"co64"):
            limit(cursor.take(4) * in_chunk, MAX_PICTURES * 4, "pictures")
            yield cursor.take(4 if box.kind == b"stco" else 8), size


def _version(data: bytes, box: Box) -> int:
    return data[box.start] if box.start < len(data) else 0


def _read_reference(cursor: Cursor, links: Links, width: int) -> int:
    """Add a reference of an item to others; how many there are."""
    found = links[cursor.take(width)]
    count = cursor.take(2)
    found += [cursor.take(width) for _ in cursor.times(count)]
    return count


def _read_names(cursor: Cursor, named: Links) -> int:
    """Add the numbers of the properties that items have; how many there are."""
    head = cursor.take(4)
    width, index_size = (4 if head >> 24 else 2), 1 + (head & 1)
    total = count = cursor.take(4)
    for _ in cursor.times(min(count, MAX_LINKS)):
        item = cursor.take(width)
        each = cursor.take(1)
        total += each
        named[item] += [
            cursor.take(index_size) & (0x7FFF if index_size > 1 else 0x7F)
            for _ in cursor.times(each)
        ]
    return total


def _read_places(cursor: Cursor, pieces: dict[int, Pieces], idat: int) -> int:
    """Add where items' data are; how many pieces there are."""
    version, sizes = cursor.take(4) >> 24, cursor.take(2)
    place_size, length_size, base_size, index_size = (sizes >> at & 15 for at in (12, 8, 4, 0))
    width = 4 if version > 1 else 2
    total = count = cursor.take(width)
    for _ in cursor.times(min(count, MAX_LINKS)):
        item = cursor.take(width)
        in_idat = version > 0 and cursor.take(2) & 15 == 1
        cursor.take(2)  # the file that it is in: this one
        base, each = cursor.take(base_size) + (idat if in_idat else 0), cursor.take(2)
        total += each
        for _ in cursor.times(each):
            cursor.take(index_size if version else 0)
            pieces[item].append((base + cursor.take(place_size), cursor.take(length_size)))
        if total > MAX_LINKS:
            break
    return total
