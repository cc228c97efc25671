"""Limits on a TIFF: strips, tiles and the JPEGs in them. Source: TIFF 6.0; Technical Note 2."""

from dogbreed.data.decoding.structure.base import Structure, limit
from dogbreed.data.decoding.structure.ifd import Directory, read_directories
from dogbreed.data.decoding.structure.jpeg import MAX_SCAN_PIXELS, MAX_SCANS

# Pillow makes an object of about a kilobyte of each before anything is decoded. One row a strip and
# each colour apart is the most that programs write.
MAX_STRIPS = 32 * 1024
# A decoder allocates a complete tile, whatever the picture's size.
MIN_TILE_PIXELS = 4 * 2**20
# Times that all bytes of a file may be read: a tile of one colour may be stored once for several.
MAX_READS = 4

_WIDTH, _HEIGHT, _COMPRESSION = 256, 257, 259
_STRIPS, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT = 273, 279, 322, 323
_TILES, _TILE_BYTES = 324, 325
_OLD_JPEG, _JPEG = 6, 7
# As Pillow recognises it: the last two of each are errors that some programs make.
_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"MM*\0", b"II\0*")


def is_tiff(data: bytes) -> bool:
    """Whether a file begins as a TIFF or a BigTIFF does."""
    return data.startswith(_BEGINNINGS)


def check_tiff(data: bytes) -> Structure:
    """The structure of a TIFF's first picture, the one that is decoded.

    Raises:
        PhotoError: it exceeds a limit.
    """
    tags = read_directories(data)
    width, height = tags.first(_WIDTH), tags.first(_HEIGHT)
    strips = [*_ranges(tags, _STRIPS, _STRIP_BYTES), *_ranges(tags, _TILES, _TILE_BYTES)]
    read = sum(max(0, min(size, len(data) - place)) for place, size in strips)
    limit(read, MAX_READS * len(data), "bytes in its strips, which overlap")
    tile_pixels = tags.first(_TILE_WIDTH) * tags.first(_TILE_HEIGHT)
    limit(tile_pixels, max(MIN_TILE_PIXELS, 4 * width * height), "pixels in a tile")
    scans = _limit_scans(data, tags.first(_COMPRESSION, 1), strips, width * height)
    return Structure(format="TIFF", width=width, height=height, scans=scans)


def _ranges(tags: Directory, places: int, sizes: int) -> list[tuple[int, int]]:
    """Where each strip is, and its bytes."""
    found, lengths = tags.numbers(places), tags.numbers(sizes)
    limit(max(len(found), len(lengths)), MAX_STRIPS, "strips or tiles")
    return list(zip(found, lengths, strict=False))


def _limit_scans(data: bytes, compression: int, strips: list[tuple[int, int]], pixels: int) -> int:
    """How many passes the JPEGs in a TIFF take, each over a strip; 1 without them."""
    if compression not in (_OLD_JPEG, _JPEG):
        return 1
    if compression == _OLD_JPEG:  # its data are anywhere
        strips = [(0, len(data))]
    counts = [data.count(b"\xff\xda", place, place + size) for place, size in strips]
    most = max(counts, default=1)
    limit(most, MAX_SCANS, "scans in a strip")
    limit(most * pixels, MAX_SCAN_PIXELS, "pixels in the scans of its strips")
    return max(1, most)
