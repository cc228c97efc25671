"""A photo as it is sent to an endpoint: not larger than the model has a use for."""

import io

from PIL import Image

from dogbreed.data.decoding.photos import checked, decode, open_photo

# A serverless endpoint takes 4 MB, others more; in base64 a photo is a third larger.
# Source: SageMaker's developer guide, serverless-endpoints-invoke.html.
MAX_SENT_BYTES = 2_900_000
QUALITY = 90
# Of a JPEG, a PNG and a WebP, which every container knows.
_BEGINNINGS = (b"\xff\xd8", b"\x89PNG", b"RIFF")


def to_send(data: bytes, max_px: int) -> bytes:
    """The photo, scaled down to `max_px` on its longer side if it is larger, or too many bytes.

    What is small enough stays as it is. What is scaled is upright, has its old proportions, and
    becomes a JPEG.

    Raises:
        PhotoError: it isn't a photo, or its pixels can't be decoded.
    """
    photo = open_photo(checked(data))
    if max(photo.size) <= max_px and len(data) <= MAX_SENT_BYTES and is_usual(data):
        return data
    smaller = decode(data, wanted_px=max_px)
    while True:
        smaller.thumbnail((max_px, max_px), Image.Resampling.BICUBIC, reducing_gap=3.0)
        packed = io.BytesIO()
        smaller.save(packed, "JPEG", quality=QUALITY)
        if packed.tell() <= MAX_SENT_BYTES:
            return packed.getvalue()
        max_px = 3 * max(smaller.size) // 4


def is_usual(data: bytes) -> bool:
    """Whether it is a JPEG, PNG or WebP, by its first bytes."""
    return data.startswith(_BEGINNINGS)
