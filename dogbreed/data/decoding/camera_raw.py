"""Camera raw files by their content. Many are TIFFs whose first picture is only a thumbnail."""

import struct
from collections.abc import Iterator

# First bytes of the formats that aren't quite TIFFs. Source: LibRaw 0.21, src/metadata.
_BEGINNINGS = {
    b"FUJIFILMCCD-RAW": "Fujifilm RAF",
    b"IIRO": "Olympus ORF",
    b"IIRS": "Olympus ORF",
    b"MMOR": "Olympus ORF",
    b"IIU\0": "Panasonic RW2",
    b"FOVb": "Sigma X3F",
    b"\0MRM": "Minolta MRW",
    b"II\x1a\0\0\0HEAPCCDR": "Canon CRW",
}
_AFTER_HEADER = {b"CR": "Canon CR2", b"IIII": "Phase One IIQ", b"RAWT": "Hasselblad 3FR"}
_MAKERS = {
    b"canon": "Canon CR2",
    b"nikon": "Nikon NEF",
    b"sony": "Sony ARW",
    b"pentax": "Pentax PEF",
    b"ricoh": "Pentax PEF",
    b"samsung": "Samsung SRW",
    b"olympus": "Olympus ORF",
    b"hasselblad": "Hasselblad 3FR",
    b"kodak": "Kodak DCR",
    b"eastman kodak": "Kodak DCR",
    b"seiko epson": "Epson ERF",
    b"mamiya": "Mamiya MEF",
    b"leaf": "Leaf MOS",
}

# TIFF tags and values. Sources: TIFF 6.0; TIFF/EP (ISO 12234-2); DNG 1.7; ExifTool's tables.
_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _MAKE, _SUB_IFDS, _DNG = 254, 259, 262, 271, 330, 50706
_COLOUR_FILTER_ARRAY, _LINEAR_RAW = 32803, 34892
_RAW_COMPRESSIONS = {32767, 32769, 32770, 32772, 34713, 65535}
_REDUCED = 1  # NewSubfileType: a smaller copy of another picture in the file

# What is read at most of a file that nobody vouches for.
_MAX_DIRECTORIES, _MAX_ENTRIES = 12, 256

Directory = dict[int, list[int] | bytes]


def raw_tiff(head: bytes) -> str | None:
    """The name of the camera raw format of a file that begins so, None for any other file."""
    for beginning, name in _BEGINNINGS.items():
        if head.startswith(beginning):
            return f"camera raw ({name})"
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None:
        return None
    for beginning, name in _AFTER_HEADER.items():
        if head.startswith(beginning, 8):
            return f"camera raw ({name})"
    directories = list(_directories(head, order))
    if not directories or not _is_raw(directories):
        return None
    if any(_DNG in each for each in directories):
        return "camera raw (DNG)"
    make = next((each[_MAKE] for each in directories if _MAKE in each), b"")
    maker = bytes(make).lower() if isinstance(make, bytes) else b""
    name = next((name for start, name in _MAKERS.items() if maker.startswith(start)), "")
    return f"camera raw ({name})" if name else "camera raw"


def _is_raw(directories: list[Directory]) -> bool:
    for each in directories:
        photometric, compression = _number(each, _PHOTOMETRIC), _number(each, _COMPRESSION)
        if _DNG in each or photometric in (_COLOUR_FILTER_ARRAY, _LINEAR_RAW):
            return True
        if compression in _RAW_COMPRESSIONS:
            return True
    first = directories[0]
    # A camera's file that begins with a smaller copy of what is further behind.
    return bool((_number(first, _SUBFILE) or 0) & _REDUCED) and _MAKE in first


def _number(directory: Directory, tag: int) -> int | None:
    values = directory.get(tag)
    return values[0] if isinstance(values, list) and values else None


def _directories(head: bytes, order: str) -> Iterator[Directory]:
    """The file's directories: the first, those within it, then the next ones."""
    waiting: list[int] = list(struct.unpack_from(f"{order}I", head, 4)) if len(head) >= 8 else []
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_DIRECTORIES:
        place = waiting.pop(0)
        if place in seen or not 8 <= place <= len(head) - 2:
            continue
        seen.add(place)
        directory, following = _directory(head, order, place)
        yield directory
        inner = directory.get(_SUB_IFDS)
        waiting += inner[:4] if isinstance(inner, list) else []
        waiting.append(following)


def _directory(head: bytes, order: str, place: int) -> tuple[Directory, int]:
    """The tags of interest of the directory at `place`, and where the next one is."""
    (count,) = struct.unpack_from(f"{order}H", head, place)
    found: Directory = {}
    for number in range(min(count, _MAX_ENTRIES)):
        entry = head[place + 2 + 12 * number : place + 14 + 12 * number]
        if len(entry) < 12:
            break
        tag, kind, length = struct.unpack(f"{order}HHI", entry[:8])
        if tag in (_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _MAKE, _SUB_IFDS, _DNG):
            found[tag] = _values(head, order, entry[8:], kind, length)
    end = place + 2 + 12 * count
    (following,) = struct.unpack_from(f"{order}I", head, end) if end + 4 <= len(head) else (0,)
    return found, following


def _values(head: bytes, order: str, field: bytes, kind: int, length: int) -> list[int] | bytes:
    """An entry's values: numbers of types SHORT, LONG and IFD; the bytes of any other type."""
    letter = {3: "H", 4: "I", 13: "I"}.get(kind, "B")
    length = min(length, 64)
    size = struct.calcsize(letter) * length
    if size > 4:
        (place,) = struct.unpack(f"{order}I", field)
        field = head[place : place + size]
    length = min(length, len(field) // struct.calcsize(letter))
    numbers = struct.unpack_from(f"{order}{length}{letter}", field)
    return bytes(numbers) if letter == "B" else list(numbers)
