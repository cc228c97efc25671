"""How much memory a photo takes while it is decoded, by its header."""

from PIL import Image

from dogbreed.data.decoding.depth import is_deep, low_bytes
from dogbreed.data.decoding.formats import HEIF

# Bytes a pixel while it is decoded, made upright, converted to sRGB and laid over white: the most
# that was measured of any format that photos come in (Pillow 13, pillow-heif 1.8). A JPEG is
# decoded at a part of its size; if it is progressive, all its coefficients are in memory before.
JPEG_BYTES, PLAIN_BYTES, HEIF_BYTES, TRANSPARENT_OR_DEEP_BYTES = 8, 16, 20, 32
JPEG_PROFILE_BYTES = 4  # more, where its colours are converted
DEEP_COLOUR_BYTES = 48


def bytes_per_pixel(photo: Image.Image) -> int:
    """Bytes of memory for each pixel of an opened photo."""
    if photo.format in ("JPEG", "MPO"):
        return JPEG_BYTES + (JPEG_PROFILE_BYTES if photo.info.get("icc_profile") else 0)
    if low_bytes(photo):
        return DEEP_COLOUR_BYTES
    if is_deep(photo) or photo.has_transparency_data:
        return TRANSPARENT_OR_DEEP_BYTES
    return HEIF_BYTES if photo.format == HEIF else PLAIN_BYTES
