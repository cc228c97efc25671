"""Which image formats are only recognised, so that an error can name them.

The content decides. The file's name decides where the content is unknown, and for camera raw files
that begin as a TIFF does.
"""

import re
from dataclasses import dataclass

from dogbreed.data.decoding.camera_raw import raw_tiff
from dogbreed.data.decoding.image_formats.base import decoded_suffixes, format_of
from dogbreed.data.decoding.image_formats.brands import AVIF_BRANDS, HEIF_BRANDS, brands_of
from dogbreed.errors import PhotoError

UNSUPPORTED = "unsupported_format"  # the reason of a PhotoError
HEAD_BYTES = 64 * 1024  # of a file, enough to recognise its format

_TIFF = (b"II*\0", b"MM\0*")


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A format that is recognised and not decoded.

    `command` converts a file of it. Files that are `pictures` count as photos that can't be used;
    documents and films beside photos are ignored like any other file.
    """

    name: str
    suffixes: tuple[str, ...]
    command: str
    beginnings: tuple[bytes, ...] = ()
    pictures: bool = True

    def error(self) -> PhotoError:
        """Why a photo in this format can't be used, and what to do."""
        target = "a frame" if "ffmpeg" in self.command else "it"
        return PhotoError(
            UNSUPPORTED,
            f"{self.name} files can't be decoded: convert {target} to JPEG or PNG "
            f"(for example: {self.command})",
        )


def _by_magick(name: str, suffixes: str, *beginnings: bytes) -> Unsupported:
    first, *_ = suffixes.split()
    return Unsupported(name, tuple(suffixes.split()), f"magick photo{first} photo.png", beginnings)


CAMERA_RAW = Unsupported(
    "camera raw",
    (".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".gpr", ".orf",
     ".rw2", ".rwl", ".raf", ".pef", ".srw", ".3fr", ".iiq", ".erf", ".kdc", ".dcr", ".mef",
     ".mos", ".mrw", ".x3f"),
    "darktable-cli photo.dng photo.jpg",
)  # fmt: skip
_JPEG_XL = Unsupported(
    "JPEG XL", (".jxl",), "djxl photo.jxl photo.png", (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
)
_JPEG_LS = _by_magick("JPEG-LS", ".jls", b"\xff\xd8\xff\xf7")
_NETPBM = _by_magick("Netpbm", ".ppm .pgm .pbm .pnm .pam")
_DICOM = _by_magick("DICOM", ".dcm")
_SVG = Unsupported("SVG", (".svg", ".svgz"), "rsvg-convert photo.svg -o photo.png")
_VIDEO = Unsupported(
    "video", (), "ffmpeg -i film.mp4 -frames:v 1 photo.jpg", (b"\x1aE\xdf\xa3",), pictures=False
)
UNSUPPORTED_FORMATS = (
    _JPEG_XL,
    _by_magick("JPEG 2000", ".jp2 .j2k .jpf .jpx .j2c .jpc .jpm .jph .jhc",
               b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    _by_magick("JPEG XR", ".jxr .wdp .hdp", b"II\xbc"),
    _JPEG_LS,
    CAMERA_RAW,
    Unsupported("Photoshop", (".psd", ".psb"), "magick 'photo.psd[0]' photo.png", (b"8BPS",)),
    _by_magick("GIMP", ".xcf", b"gimp xcf"),
    _by_magick("OpenEXR", ".exr", b"v/1\x01"),
    Unsupported("Radiance HDR", (), "magick photo.hdr photo.png", (b"#?RADIANCE", b"#?RGBE")),
    _NETPBM,
    _by_magick("Targa", ".tga"),
    _by_magick("QOI", ".qoi", b"qoif"),
    _by_magick("DirectDraw Surface", ".dds", b"DDS "),
    _DICOM,
    _SVG,
    _by_magick("PostScript", ".eps .epsf", b"%!PS", b"\xc5\xd0\xd3\xc6"),
    Unsupported("PDF", (), "pdftoppm -png photo.pdf photo", (b"%PDF-",), pictures=False),
    Unsupported("icon", (), "magick 'photo.ico[0]' photo.png", (b"\0\0\x01\0",), pictures=False),
    _VIDEO,
)  # fmt: skip
# Width and height follow the kind, after comments: other texts begin with P3 too.
_NETPBM_HEADER = re.compile(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*\d+\s+\d+\s|P7\nWIDTH ")
_BY_SUFFIX = {
    suffix: each for each in UNSUPPORTED_FORMATS for suffix in each.suffixes if each.pictures
}


def is_photo_suffix(suffix: str) -> bool:
    """Whether files of this suffix are photos, of a format that is decoded or of another."""
    return suffix.lower() in _BY_SUFFIX or suffix.lower() in decoded_suffixes()


def unsupported(head: bytes) -> Unsupported | None:
    """The format of a file that begins so, if it is one that isn't decoded.

    `head` is all of the file, or its first HEAD_BYTES.
    """
    if _is_decoded(head):
        return None
    brands = brands_of(head)
    if brands:
        return _of_brand(brands[0])
    raw = raw_tiff(head)
    if raw:
        return _raw(raw)
    for each in UNSUPPORTED_FORMATS:
        if each.beginnings and head.startswith(each.beginnings):
            return each
    if _NETPBM_HEADER.match(head):
        return _NETPBM
    if head.startswith(b"DICM", 128):
        return _DICOM
    return _SVG if _is_svg(head) else None


def unsupported_by_name(head: bytes, suffix: str) -> Unsupported | None:
    """The format by a file's name (its suffix, as .cr2), where its content doesn't decide.

    The content of many camera raw files is a TIFF whose first picture is a thumbnail.
    """
    named = _BY_SUFFIX.get(suffix.lower())
    if named is None or _is_decoded(head) or brands_of(head):
        return None
    if head.startswith(_JPEG_LS.beginnings):
        return None
    if head.startswith(_TIFF) and named is not CAMERA_RAW:
        return None
    return _raw(f"camera raw ({suffix[1:].upper()})", suffix) if named is CAMERA_RAW else named


def _is_decoded(head: bytes) -> bool:
    """Whether a file that begins so is of a format that is decoded, and can't be of another."""
    known = format_of(head)
    return known is not None and not known.shares_signature


def _raw(name: str, suffix: str = ".dng") -> Unsupported:
    return Unsupported(name, (), CAMERA_RAW.command.replace(".dng", suffix.lower()))


def _of_brand(brand: bytes) -> Unsupported | None:
    if brand in HEIF_BRANDS | AVIF_BRANDS:
        return None
    if brand == b"crx ":
        return _raw("camera raw (Canon CR3)", ".cr3")
    return _VIDEO


def _is_svg(head: bytes) -> bool:
    start = head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start)
