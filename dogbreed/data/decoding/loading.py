"""A photo's pixels as they are stored: decoded, of 8 bits a channel, not yet upright."""

import io
from dataclasses import dataclass

from PIL import Image

from dogbreed.data.decoding import depth, jpeg_end
from dogbreed.data.decoding.colour import MAX_PROFILE_BYTES
from dogbreed.data.decoding.icc import described_profile
from dogbreed.data.decoding.libtiff import silence_libtiff
from dogbreed.data.decoding.png_chunks import png_profile, without_texts
from dogbreed.errors import PhotoError

ORIENTATION = 0x0112  # the EXIF tag


@dataclass(frozen=True)
class Loaded:
    """A photo of at most 8 bits a channel whose pixels are there, not yet upright.

    `profile` is the ICC profile of what the file says of its colours without embedding one.
    """

    photo: Image.Image
    lacks_end: bool
    profile: bytes | None


def load(photo: Image.Image, size: tuple[int, int] | None) -> Loaded:
    """Decode an opened photo, a JPEG at 1/1 to 1/8 of its size but not below `size`."""
    data = _source(photo)
    profile = described_profile(photo, data)
    known, low_bytes = depth.declared(photo, data), depth.low_bytes(photo)
    is_jpeg = photo.format in ("JPEG", "MPO")
    if size is not None and is_jpeg:  # a HEIF would be replaced by the thumbnail in it
        photo.draft("RGB", size)
    try:
        photo.load()
        lacks_end = is_jpeg and jpeg_end.is_missing(data)
    except OSError as error:
        photo.im = None  # type: ignore[assignment]  # room for the same picture once more
        if not is_jpeg or "truncated" not in str(error) or not jpeg_end.is_complete(data):
            raise
        photo, lacks_end = jpeg_end.completed(data, size), True
    finished = photo
    if depth.is_deep(photo):
        finished = depth.eight_bit(photo, known)
    elif low_bytes:
        finished = depth.brighter(photo, data, low_bytes, known)
    if finished is not photo and ORIENTATION in photo.getexif():
        finished.getexif()[ORIENTATION] = photo.getexif()[ORIENTATION]
    return Loaded(finished, lacks_end, profile)


def open_by_pillow(data: bytes, formats: tuple[str, ...]) -> Image.Image:
    """A photo's header, in one of Pillow's `formats`; raises what Pillow does."""
    silence_libtiff()
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except ValueError as error:
        if "MAX_TEXT" not in str(error):
            raise
    # A PNG whose texts or colour profile are larger than Pillow unpacks is a photo all the same.
    photo = Image.open(io.BytesIO(without_texts(data)), formats=formats)
    photo.info["icc_profile"] = png_profile(data, MAX_PROFILE_BYTES + 1)
    return photo


def _source(photo: Image.Image) -> bytes:
    """The file that a photo is opened from; nothing where it is closed, or there was none."""
    file = getattr(photo, "fp", None)
    if file is None or file.closed:
        return b""
    if isinstance(file, io.BytesIO):
        return file.getvalue()
    place = file.tell()
    file.seek(0)
    data: bytes = file.read()
    file.seek(place)
    return data


def damaged(error: Exception) -> PhotoError:
    """The PhotoError for what was raised while decoding pixels."""
    if isinstance(error, MemoryError):
        return PhotoError("too_large", "decoding it takes more memory than a photo of its size may")
    text = str(error).strip()
    if "truncated" in text.lower() or "unexpected end of file" in text.lower():
        return PhotoError("truncated", "the file ends before the picture does")
    return PhotoError("damaged", f"the pixels can't be decoded: {text}")
