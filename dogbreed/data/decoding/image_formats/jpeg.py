"""JPEG."""

from dogbreed.data.decoding.image_formats.base import IMAGE_FORMATS, ImageFormat
from dogbreed.data.decoding.structure.jpeg import check_jpeg

_JPEG_LS = b"\xff\xd8\xff\xf7"


def _is_jpeg(head: bytes) -> bool:
    return head.startswith(b"\xff\xd8\xff") and not head.startswith(_JPEG_LS)


IMAGE_FORMATS.register(
    "JPEG",
    ImageFormat(
        name="JPEG",
        suffixes=frozenset({".jpg", ".jpeg", ".jpe", ".jfif"}),
        content_type="image/jpeg",
        begins=_is_jpeg,
        check=check_jpeg,
        # It is decoded at a fraction of its size; if it is progressive, all its coefficients are in
        # memory before.
        bytes_per_pixel=8,
        profile_bytes_per_pixel=4,
        separate_process=False,
        # Phones write JPEGs with a second picture inside and call them .jpg. Pillow's JPEG plugin
        # opens them.
        variants={"MPO": frozenset({".mpo", ".jpg", ".jpeg"})},
    ),
)
