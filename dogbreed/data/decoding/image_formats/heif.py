"""HEIC and HEIF photos, as phones take them, opened by pillow-heif where it is installed."""

import io

from PIL import Image

from dogbreed.data.decoding.image_formats.base import IMAGE_FORMATS, ImageFormat
from dogbreed.data.decoding.image_formats.brands import is_heif
from dogbreed.data.decoding.structure.iso import check_iso
from dogbreed.errors import PhotoError


def open_heif(data: bytes) -> Image.Image:
    """A HEIF's header; its primary picture is decoded when it is loaded.

    The decoder turns the picture upright and makes its EXIF orientation 1, so that nobody turns it
    again. It compares the decoded size with the header's and refuses more. It isn't registered
    with Pillow: what other code in the process opens stays as it is.

    Raises:
        PhotoError: pillow-heif isn't installed.
        SyntaxError: the header is damaged.
    """
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise PhotoError(
            "unsupported_format",
            "HEIC and HEIF files need the package pillow-heif: install it (pip install "
            "pillow-heif), or convert the photo to JPEG (for example: heif-convert photo.heic "
            "photo.jpg)",
        ) from error
    photo: Image.Image = HeifImageFile(io.BytesIO(data))  # type: ignore[no-untyped-call]
    return photo


IMAGE_FORMATS.register(
    "HEIF",
    ImageFormat(
        name="HEIF",
        suffixes=frozenset({".heic", ".heif", ".hif", ".heics", ".heifs"}),
        content_type="image/heif",
        begins=is_heif,
        check=check_iso,
        open=open_heif,
        bytes_per_pixel=20,
        shares_signature=True,  # with videos
    ),
)
