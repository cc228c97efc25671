"""Limits on HEIF and AVIF files: what a picture is put together from, and what that costs.

Source: ISO 23008-12, 6.6 (grids, overlays and other pictures derived from items).
"""

from dogbreed.data.decoding.structure.base import Structure, limit, number
from dogbreed.data.decoding.structure.coded import Coded, av1_data, hevc_data, hevc_parameters
from dogbreed.data.decoding.structure.exif import check_exif
from dogbreed.data.decoding.structure.iso_boxes import read_boxes
from dogbreed.data.decoding.structure.iso_items import Items, first_pictures, read_items

# Decoded for a picture, in pixels: its tiles with what they overlap its edges by, and pictures
# beside it (transparency; depth and mattes, should a decoder want them). Phones need less than 2.
MAX_TIMES_PIXELS = 4
MIN_DECODED_PIXELS = 16_000_000  # for small pictures, whose tiles are larger than they
# A grid of tiles, turned, with transparency, is three.
MAX_DEPTH = 8
# Times that all bytes of a file may be read: EXIF data may belong to several pictures.
MAX_READS = 4
MIN_READ_BYTES = 16 * 2**20

_PUT_TOGETHER = (b"grid", b"iovl", b"iden", b"tmap")
_DERIVED, _BESIDE, _DESCRIBES = b"dimg", b"auxl", b"cdsc"


def check_iso(data: bytes) -> Structure:
    """The structure of a HEIF or an AVIF.

    Raises:
        PhotoError: it exceeds a limit.
    """
    boxes = read_boxes(data)
    items = read_items(data, boxes)
    costs = _Costs(data, items)
    width, height = costs.size(items.primary)
    _limit_pixels(costs.total(), width * height)
    for place, size in first_pictures(data, boxes):
        coded = av1_data(data[place : place + size])
        _limit_pixels(coded.pictures * coded.pixels, width * height)
    _check_metadata(data, items)
    return Structure(format=_format(data), width=width, height=height)


def _limit_pixels(decoded: int, pixels: int) -> None:
    most = max(MIN_DECODED_PIXELS, MAX_TIMES_PIXELS * pixels)
    limit(decoded, most, "pixels in the parts of its picture")


def _format(data: bytes) -> str:
    return "AVIF" if data[8:12] in (b"avif", b"avis") else "HEIF"


def _check_metadata(data: bytes, items: Items) -> None:
    read = sum(
        len(targets) * min(len(data), sum(size for _, size in items.pieces.get(item, ())))
        for item, targets in items.links.get(_DESCRIBES, {}).items()
    )
    limit(read, max(MIN_READ_BYTES, MAX_READS * len(data)), "bytes about its pictures")
    for item, kind in items.kinds.items():
        if kind == b"Exif":
            content = b"".join(_content(data, items, item))
            check_exif(content[4 + number(content, 0, 4) :])


class _Costs:
    """How many pixels are decoded for an item and for all that it is put together from."""

    def __init__(self, data: bytes, items: Items) -> None:
        self._data, self._items = data, items
        self._known: dict[int, int] = {}
        self._bytes = 0

    def size(self, item: int) -> tuple[int, int]:
        """The width and height that the boxes say."""
        for box in self._items.properties.get(item, ()):
            if box.kind == b"ispe":
                return number(self._data, box.start + 4, 4), number(self._data, box.start + 8, 4)
        return 0, 0

    def total(self) -> int:
        """Of the primary picture and the ones beside it (transparency)."""
        primary = self._items.primary
        beside = self._items.links.get(_BESIDE, {})
        return self._of(primary, 0) + sum(
            self._of(item, 0) for item, targets in beside.items() if primary in targets
        )

    def _of(self, item: int, depth: int) -> int:
        limit(depth, MAX_DEPTH, "pictures that are put together from one another")
        if item not in self._known:
            parts = self._items.links.get(_DERIVED, {}).get(item, ())
            pixels = self._own(item) + sum(self._of(part, depth + 1) for part in parts)
            self._known[item] = pixels
        return self._known[item]

    def _own(self, item: int) -> int:
        """Of its own data, by the boxes or by the data, whichever says more."""
        if self._items.kinds.get(item) in _PUT_TOGETHER:
            return 1
        width, height = self.size(item)
        coded = self._coded(item)
        return max(1, coded.pictures) * max(1, width * height, coded.pixels)

    def _coded(self, item: int) -> Coded:
        kind = self._items.kinds.get(item, b"")
        if kind not in (b"hvc1", b"hev1", b"av01"):
            return Coded()
        content = _content(self._data, self._items, item)
        self._bytes += sum(map(len, content))
        limit(self._bytes, MAX_READS * len(self._data), "bytes in its parts, which overlap")
        joined = content[0] if len(content) == 1 else b"".join(content)
        if kind == b"av01":
            return av1_data(joined)
        length_size, pixels = 4, 0
        for box in self._items.properties.get(item, ()):
            if box.kind == b"hvcC":
                length_size, pixels = hevc_parameters(self._data[box.start : box.end])
        coded = hevc_data(joined, length_size)
        coded.pixels = max(coded.pixels, pixels)
        return coded


def _content(data: bytes, items: Items, item: int) -> list[bytes]:
    """An item's pieces; one of no size goes to the file's end."""
    return [
        data[place : place + size] if size else data[place:]
        for place, size in items.pieces.get(item, ())
    ]
