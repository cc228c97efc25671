"""Photos of little bytes that cost much to open or decode, each within what its format allows."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image


def encoded(format: str, size: tuple[int, int] = (16, 16), **options: Any) -> bytes:
    """A photo that nothing is wrong with."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, format, **options)
    return out.getvalue()


# --- JPEG --------------------------------------------------------------------------------------


def segment(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, kind, len(content) + 2) + content


def after_start(data: bytes, more: bytes) -> bytes:
    """A JPEG with more after its first marker."""
    return data[:2] + more + data[2:]


def scans(count: int, **options: Any) -> bytes:
    """A progressive JPEG with more scans, each of the lowest coefficient and without data."""
    data = encoded("JPEG", progressive=True, **options)
    one = segment(0xDA, bytes((1, 1, 0, 0, 0, 0))) + b"\0"
    return data[:-2] + count * one + b"\xff\xd9"


def sequential_scans(count: int) -> bytes:
    """A baseline JPEG whose components come apart, again and again."""
    data = encoded("JPEG", subsampling=0)
    start = data.index(b"\xff\xda")
    one = segment(0xDA, bytes((1, 1, 0, 0, 63, 0))) + b"\0"
    return data[:start] + count * one + b"\xff\xd9"


def arithmetic_scans(count: int) -> bytes:
    return scans(count).replace(b"\xff\xc2", b"\xff\xca")


def late_segments(count: int) -> bytes:
    """Huffman tables between scans."""
    data = encoded("JPEG", progressive=True)
    return data[:-2] + count * segment(0xC4, b"") + b"\xff\xd9"


def photoshop(count: int) -> bytes:
    return segment(0xED, b"Photoshop 3.0\0" + count * (b"8BIM\0\1\0\0\0\0\0\0"))


# --- TIFF and EXIF -----------------------------------------------------------------------------

SHORT, LONG, RATIONAL, UNDEFINED = 3, 4, 5, 7
SIZES = {SHORT: 2, LONG: 4, RATIONAL: 8, UNDEFINED: 1}


def tiff(tags: list[tuple[int, int, int, int]], more: bytes = b"", order: str = "<") -> bytes:
    """A TIFF of entries: tag, type, count, and its value or place. `more` begins at MORE."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    entries = b"".join(struct.pack(f"{order}HHII", *each) for each in tags)
    return (head + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)).ljust(
        MORE, b"\0"
    ) + more


MORE = 512
_BASE = [(256, LONG, 1, 64), (257, LONG, 1, 64), (258, SHORT, 1, 8), (259, SHORT, 1, 1),
         (262, SHORT, 1, 1), (277, SHORT, 1, 1)]  # fmt: skip


def strips(count: int, *, offsets: int = 273, sizes: int = 279, order: str = "<") -> bytes:
    places = struct.pack(f"{order}I", MORE) * count
    lists = [(offsets, LONG, count, MORE), (sizes, LONG, count, MORE)]
    rows = [(278, LONG, 1, 1)] if offsets == 273 else [(322, LONG, 1, 16), (323, LONG, 1, 16)]
    return tiff([*_BASE, *rows, *lists], places, order)


def big_tiff_strips(count: int) -> bytes:
    base = [(tag, kind, number, value) for tag, kind, number, value in _BASE]
    place = 1024
    base += [(273, LONG, count, place), (278, LONG, 1, 1), (279, LONG, count, place)]
    entries = b"".join(struct.pack("<HHQQ", *each) for each in base)
    head = b"II" + struct.pack("<HHHQ", 43, 8, 0, 16) + struct.pack("<Q", len(base))
    return (head + entries + bytes(8)).ljust(place, b"\0") + struct.pack("<I", place) * count


def overlapping_strips(count: int) -> bytes:
    """Strips that are each nearly all of the file."""
    size = MORE + 8 * count
    body = struct.pack("<I", 8) * count + struct.pack("<I", size - 8) * count
    lists = [(273, LONG, count, MORE), (278, LONG, 1, 1), (279, LONG, count, MORE + 4 * count)]
    return tiff([*_BASE[:3], (259, SHORT, 1, 8), *_BASE[4:], *lists], body)


def huge_tile() -> bytes:
    lists = [(322, LONG, 1, 60_000), (323, LONG, 1, 60_000), (324, LONG, 1, 8), (325, LONG, 1, 8)]
    return tiff([*_BASE[:3], (259, SHORT, 1, 8), *_BASE[4:], *lists])


def jpeg_in_tiff(count: int) -> bytes:
    """A strip that is a JPEG of many scans."""
    inner = scans(count)
    lists = [(273, LONG, 1, MORE), (278, LONG, 1, 64), (279, LONG, 1, len(inner))]
    return tiff([*_BASE[:3], (259, SHORT, 1, 7), *_BASE[4:], *lists], inner)


def old_jpeg_in_tiff(count: int) -> bytes:
    inner = scans(count)
    lists = [(513, LONG, 1, MORE), (514, LONG, 1, len(inner))]
    return tiff([*_BASE[:3], (259, SHORT, 1, 6), *_BASE[4:], *lists], inner)


def many_tags(count: int) -> bytes:
    return tiff([(1000 + each, UNDEFINED, 4, 0) for each in range(count)])


def fractions(count: int) -> bytes:
    """EXIF with so many fractions, in Python an object each."""
    return tiff([(0x9999, RATIONAL, count, MORE)], bytes(8 * count))


def nested_fractions(count: int) -> bytes:
    """The same within its EXIF directory, from big to little end."""
    inner = struct.pack(">HHHII", 1, 0x9999, RATIONAL, count, MORE + 18) + bytes(4)
    return tiff([(34665, LONG, 1, MORE)], inner + bytes(8 * count), ">")


# --- PNG, WebP, GIF, BMP -----------------------------------------------------------------------


def chunk(name: bytes, content: bytes = b"") -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def png_chunks(count: int, name: bytes = b"IDAT") -> bytes:
    data = encoded("PNG")
    return data[:33] + count * chunk(name) + data[33:]


def png_exif(exif: bytes) -> bytes:
    data = encoded("PNG")
    return data[:33] + chunk(b"eXIf", exif) + data[33:]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        for name, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_chunks(count: int) -> bytes:
    data = encoded("WEBP")
    return data + count * (b"JUNK" + bytes(4))


def webp_exif(exif: bytes) -> bytes:
    return riff((b"VP8X", bytes((8, 0, 0, 0, 15, 0, 0, 15, 0, 0))), (b"EXIF", exif))


def gif_extensions(count: int) -> bytes:
    """Comments of one byte before the picture."""
    data = encoded("GIF")
    start = 13 + (3 << (data[10] & 7) + 1)
    return data[:start] + b"!\xfe" + count * b"\1a" + b"\0" + data[start:]


def gif_rubbish(count: int) -> bytes:
    data = encoded("GIF")
    start = 13 + (3 << (data[10] & 7) + 1)
    return data[:start] + count * b"a" + data[start:]


def bmp_runs(width: int, height: int, more: int = 0) -> bytes:
    """Ends of rows, each of which fills a row in Python, then runs of one pixel."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 0, 0)
    return (
        b"BM"
        + struct.pack("<IHHI", 0, 0, 0, 14 + 40 + 1024)
        + header
        + bytes(1024)
        + more * b"\1\0"
    )


# --- HEIF and AVIF -----------------------------------------------------------------------------


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind: bytes, *content: bytes, version: int = 0) -> bytes:
    return box(kind, bytes((version, 0, 0, 0)), *content)


def iso(
    kinds: list[bytes],
    links: list[tuple[bytes, int, list[int]]] = [],  # noqa: B006
    sizes: dict[int, tuple[int, int]] | None = None,
    *,
    content: bytes = b"",
    more: bytes = b"",
    brand: bytes = b"heic",
) -> bytes:
    """A file of items numbered from 1 on, the first of them the picture; all have one content."""
    head = box(b"ftyp", brand, bytes(4), b"mif1", brand)
    entries = [
        full(b"infe", struct.pack(">HH", number, 0), kind, b"\0", version=2)
        for number, kind in enumerate(kinds, 1)
    ]
    references = [
        box(kind, struct.pack(f">HH{len(targets)}H", source, len(targets), *targets))
        for kind, source, targets in links
    ]
    sizes = sizes or {}
    properties = [full(b"ispe", struct.pack(">II", *size)) for size in sizes.values()]
    named = [struct.pack(">HBB", item, 1, index) for index, item in enumerate(sizes, 1)]

    def meta(place: int) -> bytes:
        places = [
            struct.pack(">HHHII", number, 0, 1, place, len(content))
            for number in range(1, len(kinds) + 1)
        ]
        return full(
            b"meta",
            full(b"pitm", struct.pack(">H", 1)),
            full(b"iloc", b"\x44\0", struct.pack(">H", len(kinds)), *places),
            full(b"iinf", struct.pack(">H", len(kinds)), *entries),
            full(b"iref", *references),
            box(
                b"iprp",
                box(b"ipco", *properties),
                full(b"ipma", struct.pack(">I", len(named)), *named),
            ),
            more,
        )

    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", content)


def grid(tiles: int, tile: tuple[int, int], size: tuple[int, int]) -> bytes:
    """A small picture of many tiles, all the same item."""
    return iso([b"grid", b"hvc1"], [(b"dimg", 1, [2] * tiles)], {1: size, 2: tile})


def derived(depth: int, copies: int) -> bytes:
    """Pictures that are each put together from the next one, several times."""
    links = [(b"dimg", item, [item + 1] * copies) for item in range(1, depth)]
    return iso([*[b"grid"] * (depth - 1), b"hvc1"], links, {1: (512, 512), depth: (512, 512)})


def circle() -> bytes:
    return iso([b"iovl", b"iovl"], [(b"dimg", 1, [2]), (b"dimg", 2, [1])], {1: (64, 64)})


def hidden_frames(count: int) -> bytes:
    """AV1 data of many pictures, which are decoded until one is shown."""
    # A reduced sequence header of 4096x4096; a frame is 2 bytes here.
    bits = "000" + "1" + "1" + "00000" + "1011" * 2 + "1" * 12 * 2
    header = int(bits.ljust(48, "0"), 2).to_bytes(6)
    data = bytes((0x0A, len(header))) + header + count * bytes((0x32, 1, 0))
    return iso([b"av01"], sizes={1: (64, 64)}, content=data, brand=b"avif")


def larger_than_said() -> bytes:
    """AV1 data of 65536x65536 pixels in a file that says 64x64."""
    bits = "000" + "1" + "1" + "00000" + "1111" * 2 + "1" * 16 * 2
    header = int(bits.ljust(56, "0"), 2).to_bytes(7)
    data = bytes((0x0A, len(header))) + header + bytes((0x32, 1, 0))
    return iso([b"av01"], sizes={1: (64, 64)}, content=data, brand=b"avif")


def hevc_larger_than_said(pictures: int = 1, size: int = 16384) -> bytes:
    """HEVC data with a size of their own in a file that says 64x64."""

    def ue(value: int) -> str:
        return bin(value + 1)[2:].rjust(2 * (value + 1).bit_length() - 1, "0")

    bits = "0000" + "000" + "1" + "1" * 88 + "00011110" + ue(0) + ue(1) + ue(size) * 2
    body = int(bits.ljust(-(-len(bits) // 8) * 8, "1"), 2).to_bytes(-(-len(bits) // 8))
    units = [bytes((33 << 1, 1)) + body, *[bytes((19 << 1, 1, 0x80))] * pictures]
    data = b"".join(struct.pack(">I", len(unit)) + unit for unit in units)
    return iso([b"hvc1"], sizes={1: (64, 64)}, content=data)


def samples(count: int) -> bytes:
    """An animation of so many pictures, all of one byte."""
    table = box(
        b"stbl",
        full(b"stsc", struct.pack(">IIII", 1, 1, count, 1)),
        full(b"stsz", struct.pack(">II", 1, count)),
        full(b"stco", struct.pack(">II", 1, 8)),
    )
    movie = box(b"moov", box(b"trak", box(b"mdia", box(b"minf", table))))
    return box(b"ftyp", b"avis", bytes(4), b"avis") + movie


def placed(count: int) -> bytes:
    """An item whose data are so many pieces."""
    pieces = struct.pack(">HHH", 1, 0, min(count, 65535)) + bytes(8) * count
    meta = full(b"meta", full(b"iloc", b"\x44\0", struct.pack(">H", 1), pieces))
    return box(b"ftyp", b"heic", bytes(4), b"heic") + meta


def properties(count: int) -> bytes:
    """Items that have so many properties."""
    items = count // 255
    named = b"".join(struct.pack(">HB", 1, 255) + bytes(255) for _ in range(items))
    meta = full(b"meta", box(b"iprp", full(b"ipma", struct.pack(">I", items), named)))
    return box(b"ftyp", b"avif", bytes(4), b"avif") + meta


BOMBS: dict[str, Callable[[], bytes]] = {
    "JPEG: scans": lambda: scans(40),
    "JPEG: few scans of many pixels": lambda: scans(15, size=(9000, 8900), quality=1),
    "JPEG: scans of a baseline": lambda: sequential_scans(40),
    "JPEG: scans in arithmetic code": lambda: arithmetic_scans(40),
    "JPEG: segments of applications": lambda: after_start(
        encoded("JPEG"), 3000 * segment(0xE5, b"")
    ),
    "JPEG: comments": lambda: after_start(encoded("JPEG"), 3000 * segment(0xFE, b"a")),
    "JPEG: tables": lambda: after_start(encoded("JPEG"), 3000 * segment(0xC4, b"")),
    "JPEG: restart intervals": lambda: after_start(encoded("JPEG"), 3000 * segment(0xDD, b"\0\1")),
    "JPEG: tables between scans": lambda: late_segments(3000),
    "JPEG: fill bytes": lambda: after_start(encoded("JPEG"), 100_000 * b"\xff"),
    "JPEG: rubbish": lambda: after_start(
        encoded("JPEG"), segment(0xFE, b"") + 100_000 * b"\0"
    ),
    "JPEG: rubbish alone": lambda: b"\xff\xd8\xff" + 100_000 * b"\0",
    "JPEG: Photoshop": lambda: after_start(encoded("JPEG"), photoshop(5000)),
    "JPEG: EXIF in many segments": lambda: after_start(
        encoded("JPEG"), 100 * segment(0xE1, b"Exif\0\0" + bytes(60_000))
    ),
    "JPEG: EXIF of many tags": lambda: after_start(
        encoded("JPEG"), segment(0xE1, b"Exif\0\0" + many_tags(2000))
    ),
    "JPEG: EXIF of many fractions over segments": lambda: after_start(
        encoded("JPEG"),
        b"".join(
            segment(0xE1, b"Exif\0\0" + fractions(140_000)[at : at + 65_000])
            for at in range(0, 8 * 140_000 + MORE, 65_000)
        ),
    ),
    "TIFF: strips": lambda: strips(40_000),
    "TIFF: strips, big end first": lambda: strips(40_000, order=">"),
    "TIFF: tiles": lambda: strips(40_000, offsets=324, sizes=325),
    "TIFF: strips of a BigTIFF": lambda: big_tiff_strips(40_000),
    "TIFF: strips that overlap": lambda: overlapping_strips(1000),
    "TIFF: a huge tile": huge_tile,
    "TIFF: tags": lambda: many_tags(2000),
    "TIFF: fractions": lambda: fractions(140_000),
    "TIFF: a JPEG of many scans": lambda: jpeg_in_tiff(40),
    "TIFF: an old JPEG of many scans": lambda: old_jpeg_in_tiff(40),
    "PNG: chunks without pixels": lambda: png_chunks(1500),
    "PNG: chunks of another name": lambda: png_chunks(1500, b"tEXt"),
    "PNG: frames of an animation": lambda: png_chunks(1500, b"fcTL"),
    "PNG: EXIF of fractions": lambda: png_exif(nested_fractions(140_000)),
    "WebP: chunks": lambda: webp_chunks(1500),
    "WebP: EXIF of fractions": lambda: webp_exif(fractions(140_000)),
    "GIF: comments": lambda: gif_extensions(70_000),
    "GIF: rubbish": lambda: gif_rubbish(70_000),
    "BMP: run lengths of many pixels": lambda: bmp_runs(9000, 9000),
    "BMP: run lengths of many bytes": lambda: bmp_runs(100, 100, 2**21),
    "BMP: run lengths, from above": lambda: bmp_runs(9000, -9000),
    "HEIF: tiles": lambda: grid(400, (512, 512), (64, 64)),
    "HEIF: pictures of pictures": lambda: derived(7, 20),
    "HEIF: a chain of pictures": lambda: derived(12, 1),
    "HEIF: a circle": circle,
    "HEIF: an overlay of many": lambda: iso(
        [b"iovl", b"hvc1"], [(b"dimg", 1, [2] * 100)], {1: (512, 512), 2: (512, 512)}
    ),
    "HEIF: many pictures beside it": lambda: iso(
        [b"hvc1"] * 100,
        [(b"auxl", each, [1]) for each in range(2, 101)],
        dict.fromkeys(range(1, 101), (512, 512)),
    ),
    "HEIF: larger than it says": hevc_larger_than_said,
    "HEIF: many pictures in one": lambda: hevc_larger_than_said(5000, 64),
    "HEIF: boxes": lambda: encoded("AVIF") + 20_000 * box(b"free"),
    "HEIF: items": lambda: iso([b"hvc1"] * 5000),
    "HEIF: references": lambda: iso([b"hvc1"] * 2, [(b"thmb", 1, [2] * 20_000)]),
    "HEIF: pieces": lambda: placed(20_000),
    "HEIF: properties": lambda: properties(20_000),
    "HEIF: EXIF of many pictures": lambda: iso(
        [b"hvc1", b"Exif"], [(b"cdsc", 2, [1] * 200)], content=bytes(100_000)
    ),
    "HEIF: EXIF of fractions": lambda: iso([b"Exif"], content=bytes(4) + fractions(140_000)),
    "AVIF: pictures that aren't shown": lambda: hidden_frames(1000),
    "AVIF: larger than it says": larger_than_said,
    "AVIF: an animation": lambda: samples(100_000),
}  # fmt: skip
