"""PNG."""

from dogbreed.data.decoding.image_formats.base import IMAGE_FORMATS, ImageFormat
from dogbreed.data.decoding.structure.png import check_png

IMAGE_FORMATS.register(
    "PNG",
    ImageFormat(
        name="PNG",
        suffixes=frozenset({".png"}),
        content_type="image/png",
        begins=lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
        check=check_png,
        separate_process=False,
    ),
)
