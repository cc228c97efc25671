"""WebP."""

from dogbreed.data.decoding.image_formats.base import IMAGE_FORMATS, ImageFormat
from dogbreed.data.decoding.structure.riff import check_webp

IMAGE_FORMATS.register(
    "WEBP",
    ImageFormat(
        name="WEBP",
        suffixes=frozenset({".webp"}),
        content_type="image/webp",
        begins=lambda head: head.startswith(b"RIFF"),
        check=check_webp,
        allocates_when_opened=True,  # libwebp's animation decoder allocates its canvas twice
    ),
)
