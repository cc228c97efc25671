"""TIFF."""

from dogbreed.data.decoding.image_formats.base import IMAGE_FORMATS, ImageFormat
from dogbreed.data.decoding.structure.tiff import check_tiff, is_tiff

IMAGE_FORMATS.register(
    "TIFF",
    ImageFormat(
        name="TIFF",
        suffixes=frozenset({".tif", ".tiff"}),
        content_type="image/tiff",
        begins=is_tiff,
        check=check_tiff,
        shares_signature=True,  # with many camera raw files
    ),
)
