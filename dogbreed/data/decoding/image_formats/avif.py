"""AVIF."""

from dogbreed.data.decoding.image_formats.base import IMAGE_FORMATS, ImageFormat
from dogbreed.data.decoding.image_formats.brands import brands_of, is_heif
from dogbreed.data.decoding.structure.iso import check_iso


def _may_be_avif(head: bytes) -> bool:
    return bool(brands_of(head)) and not is_heif(head)


IMAGE_FORMATS.register(
    "AVIF",
    ImageFormat(
        name="AVIF",
        suffixes=frozenset({".avif"}),
        content_type="image/avif",
        begins=_may_be_avif,
        check=check_iso,
        shares_signature=True,  # with videos
    ),
)
