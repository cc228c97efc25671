"""How much memory a photo takes while it is decoded, by its header."""

from PIL import Image

from dogbreed.data.decoding.depth import is_deep, low_bytes
from dogbreed.data.decoding.image_formats.base import PLAIN_BYTES, format_by_name

# Bytes a pixel, as PLAIN_BYTES, of pictures that take more than those of 8 bits a channel.
TRANSPARENT_OR_DEEP_BYTES, DEEP_COLOUR_BYTES = 32, 48


def bytes_per_pixel(photo: Image.Image) -> int:
    """Bytes of memory for each pixel of an opened photo."""
    if low_bytes(photo):
        return DEEP_COLOUR_BYTES
    if is_deep(photo) or photo.has_transparency_data:
        return TRANSPARENT_OR_DEEP_BYTES
    known = format_by_name(photo.format)
    if known is None:
        return PLAIN_BYTES
    profile_bytes = known.profile_bytes_per_pixel if photo.info.get("icc_profile") else 0
    return known.bytes_per_pixel + profile_bytes
