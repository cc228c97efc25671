"""GIF."""

from dogbreed.data.decoding.image_formats.base import IMAGE_FORMATS, ImageFormat
from dogbreed.data.decoding.structure.gif import check_gif

IMAGE_FORMATS.register(
    "GIF",
    ImageFormat(
        name="GIF",
        suffixes=frozenset({".gif"}),
        content_type="image/gif",
        begins=lambda head: head.startswith((b"GIF87a", b"GIF89a")),
        check=check_gif,
        separate_process=False,
    ),
)
