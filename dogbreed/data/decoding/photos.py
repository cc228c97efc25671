"""From a photo's bytes to an upright RGB picture; the only decoder of the package.

Pillow, pillow-heif and numpy alone, so that an endpoint can use it without torch.
"""

import hashlib
import io
import os
import stat
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from dogbreed.data.decoding import formats
from dogbreed.data.decoding.colour import as_rgb
from dogbreed.data.decoding.formats import HEAD_BYTES
from dogbreed.data.decoding.image_formats.base import (
    check_structure,
    format_by_name,
    format_of,
    pillow_formats,
)
from dogbreed.data.decoding.loading import damaged, load, open_by_pillow
from dogbreed.data.decoding.pool import POOL
from dogbreed.data.decoding.structure import Structure
from dogbreed.data.decoding.structure.tiff import is_tiff
from dogbreed.errors import PhotoError
from dogbreed.utils.links import open_within

MAX_PIXELS = 89_478_485  # Pillow's own limit against decompression bombs: 256 MB as RGB
MAX_BYTES = 256 * 1024 * 1024
# A JPEG's pixels times its scans: about 2 s, and more than any camera's (40 megapixels, 10 scans).
_MAX_SCANNED_PIXELS = 400_000_000


def read_bytes(path: Path, within: str | None = None) -> bytes:
    """The bytes of the file at `path`; `within` is the real path of a folder that it must be in.

    Raises:
        PhotoError: it can't be read, is empty, or is larger than MAX_BYTES; by its name and its
            content it is in a format that isn't decoded.
    """
    try:
        with open(open_within(path, within), "rb") as file:  # noqa: PTH123 (a descriptor)
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
                raise PhotoError("unreadable", "not a regular file")
            if status.st_size > MAX_BYTES:
                raise PhotoError(
                    "too_large", f"{status.st_size:,} bytes; the limit is {MAX_BYTES:,}"
                )
            data = file.read(status.st_size)
    except OSError as error:
        raise PhotoError("unreadable", f"can't be read: {error.strerror}") from error
    format = formats.unsupported_by_name(checked(data)[:HEAD_BYTES], path.suffix)
    if format is not None:
        raise format.error()
    return data


def checked(data: bytes) -> bytes:
    """The bytes as they are.

    Raises:
        PhotoError: there are none, or more than MAX_BYTES.
    """
    if len(data) > MAX_BYTES:
        raise PhotoError("too_large", f"{len(data):,} bytes; the limit is {MAX_BYTES:,}")
    if not data:
        raise PhotoError("empty", "the file is empty (0 bytes)")
    return data


def digest(data: bytes) -> bytes:
    """What identifies a photo's content wherever it is stored: 32 bytes."""
    return hashlib.sha256(data).digest()


def open_photo(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Recognise a photo and read its header, not yet its pixels.

    Raises:
        PhotoError: not an image, one of a format that isn't decoded, more than `max_pixels`
            pixels, or more parts than a decoder should be given (`check_structure`).
    """
    return open_with_cost(data, max_pixels=max_pixels)[0]


def open_with_cost(data: bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[Image.Image, bool]:
    """As `open_photo`, and whether decoding it may cost much.

    Such a photo is decoded by `dogbreed.data.decoding.pool`: its header doesn't bound the time, or
    a library decodes it that has crashed on hostile files (libtiff, libwebp, libavif, libheif).
    """
    format = formats.unsupported(data)
    if format is not None:
        raise format.error()
    structure = check_structure(data)
    # Before it is opened: some decoders allocate the picture then.
    _check_pixels(structure.width, structure.height, max_pixels)
    photo = _opened(data, max_pixels)
    _check_pixels(photo.width, photo.height, max_pixels)
    return photo, _is_costly(photo, structure)


def _is_costly(photo: Image.Image, structure: Structure) -> bool:
    scanned = photo.width * photo.height * structure.scans
    known = format_by_name(photo.format)
    return (
        known is None
        or known.separate_process
        or structure.arithmetic
        or scanned > _MAX_SCANNED_PIXELS
    )


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    try:
        known = format_of(data)
        if known is None or known.open is None:
            return open_by_pillow(data, pillow_formats())
        photo = known.open(data)
        photo.format = known.name
        return photo
    except PhotoError:
        raise
    except MemoryError as error:
        raise damaged(error) from error
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        most = min(max_pixels, 2 * MAX_PIXELS)  # where Pillow itself refuses
        raise PhotoError("too_large", f"more than {most:,} pixels") from error
    except Exception as error:  # Pillow's parsers raise whatever a damaged header led them to
        if isinstance(error, KeyError) and error.args and error.args[0] in pillow_formats():
            # None of the others: AVIF comes last, and Pillow before 11.3 has none (a container's).
            raise _unidentified(data) from error
        raise PhotoError("damaged", f"the header can't be read: {error}") from error


def decode(
    data: bytes, *, wanted_px: int, max_pixels: int = MAX_PIXELS, to_srgb: bool = True
) -> Image.Image:
    """Decode a photo to upright 8-bit RGB, its shorter side at least `wanted_px` if it was before.

    Raises:
        PhotoError: as `open_photo`, or the pixels are truncated, damaged or cost too much.
    """
    photo, costly = open_with_cost(data, max_pixels=max_pixels)
    if costly:
        with POOL.opened(data, max_pixels=max_pixels) as opened:
            return opened.upright(wanted_px, to_srgb)
    return upright(photo, wanted_px=wanted_px, to_srgb=to_srgb)


def upright(
    photo: Image.Image, *, wanted_px: int | None = None, to_srgb: bool = True
) -> Image.Image:
    """A photo of any mode as upright 8-bit RGB; in sRGB, unless not `to_srgb`.

    A JPEG that is opened and much larger than wanted is decoded at 1/2, 1/4 or 1/8 of its size,
    never below twice what is wanted, which after the resize looks the same as the full photo.

    Raises:
        PhotoError: the pixels are truncated or damaged.
    """
    scale = 2 * wanted_px / min(photo.size) if wanted_px else 1
    size = (round(photo.width * scale), round(photo.height * scale)) if scale < 1 else None
    try:
        loaded = load(photo, size)
        turned = ImageOps.exif_transpose(loaded.photo)
        if loaded.profile is not None:
            turned.info["icc_profile"] = loaded.profile
        return as_rgb(turned, convert=to_srgb)
    except Exception as error:  # as above: any exception here is the file's fault
        raise damaged(error) from error


def is_photo(path: Path) -> bool:
    """Whether a file is a photo by its content, whatever its name; its pixels aren't decoded.

    One in a picture format that isn't decoded, or that exceeds a limit, is a photo too, one that
    can't be used.
    """
    try:
        if not path.is_file():  # reading a pipe would wait for ever
            return False
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        format = formats.unsupported(head)
        if format is not None:
            return format.pictures
        known = format_of(head)
        if known is None or known.open is not None:
            return known is not None
        check_structure(data := read_bytes(path))
        with Image.open(io.BytesIO(data), formats=pillow_formats()):
            return True
    except PhotoError:
        return True
    except Exception:  # as above
        return False


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise PhotoError(
            "too_large", f"{width}x{height} pixels; the limit is {max_pixels:,} pixels"
        )


def _unidentified(data: bytes) -> PhotoError:
    if is_tiff(data):
        return PhotoError(
            formats.UNSUPPORTED,
            "a TIFF that can't be decoded: it is damaged, or of an unusual kind of pixels; "
            "convert it (for example: magick photo.tif -depth 8 photo.png)",
        )
    return PhotoError("not_an_image", "not an image of a known format")
