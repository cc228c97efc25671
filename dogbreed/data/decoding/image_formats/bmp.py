"""BMP."""

from dogbreed.data.decoding.image_formats.base import IMAGE_FORMATS, ImageFormat
from dogbreed.data.decoding.structure.bmp import check_bmp

IMAGE_FORMATS.register(
    "BMP",
    ImageFormat(
        name="BMP",
        suffixes=frozenset({".bmp", ".dib"}),
        content_type="image/bmp",
        begins=lambda head: head.startswith(b"BM"),
        check=check_bmp,
        separate_process=False,
    ),
)
