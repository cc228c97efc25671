"""Downscale a photo before it is sent to an endpoint."""

import io

from PIL import Image

from dogbreed.data.decoding.photos import checked, decode, open_photo

# A serverless endpoint takes 4 MB, others more; in base64 a photo is a third larger.
# Source: SageMaker's developer guide, serverless-endpoints-invoke.html.
MAX_SENT_BYTES = 2_900_000
QUALITY = 90
# Magic numbers of JPEG, PNG and WebP, which every container decodes.
_MAGIC_NUMBERS = (b"\xff\xd8", b"\x89PNG", b"RIFF")


def downscaled(data: bytes, max_px: int) -> bytes:
    """The photo, downscaled to `max_px` on its longer side if it has more pixels or too many bytes.

    A JPEG, PNG or WebP that is small enough isn't changed. Others become an upright JPEG with the
    same aspect ratio.

    Raises:
        PhotoError: it isn't a photo, or its pixels can't be decoded.
    """
    photo = open_photo(checked(data))
    if max(photo.size) <= max_px and len(data) <= MAX_SENT_BYTES and is_common_format(data):
        return data
    smaller = decode(data, wanted_px=max_px)
    while True:
        smaller.thumbnail((max_px, max_px), Image.Resampling.BICUBIC, reducing_gap=3.0)
        packed = io.BytesIO()
        smaller.save(packed, "JPEG", quality=QUALITY)
        if packed.tell() <= MAX_SENT_BYTES:
            return packed.getvalue()
        max_px = 3 * max(smaller.size) // 4


def is_common_format(data: bytes) -> bool:
    """Whether it is a JPEG, PNG or WebP, by its first bytes."""
    return data.startswith(_MAGIC_NUMBERS)
