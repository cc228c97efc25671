"""Room in memory for the photos that are decoded: a few kB can be a picture of gigabytes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from dogbreed.data.depth import is_deep, low_bytes
from dogbreed.data.formats import HEIF
from dogbreed.errors import PhotoError
from dogbreed.serving.memory_budget import decoding_budget

# Bytes a pixel while it is decoded, made upright, converted to sRGB and laid over white: the most
# that was measured of any format that photos come in (Pillow 13, pillow-heif 1.8). A JPEG is
# decoded at a part of its size; if it is progressive, all its coefficients are in memory before.
JPEG_BYTES, PLAIN_BYTES, HEIF_BYTES, TRANSPARENT_OR_DEEP_BYTES = 8, 16, 20, 32
JPEG_PROFILE_BYTES = 4  # more, where its colours are converted
DEEP_COLOUR_BYTES = 48


class Room:
    """So many bytes, which photos take while they are decoded; one waits until it has its own.

    None: as many as `decoding_budget` says.
    """

    def __init__(self, size_bytes: int | None = None) -> None:
        self._size = self._free = decoding_budget() if size_bytes is None else size_bytes
        self._changed = threading.Condition()
        self._turn = threading.Lock()

    @contextmanager
    def for_photo(self, photo: Image.Image) -> Iterator[None]:
        """Decode a photo that is opened in the block.

        Raises:
            PhotoError: it needs more than there is.
        """
        pixels, each = photo.width * photo.height, _bytes_per_pixel(photo)
        if pixels * each > self._size:
            raise PhotoError(
                "too_large",
                f"{photo.width}x{photo.height} pixels; the limit is {self._size // each:,} pixels "
                f"here for {photo.format} of mode {photo.mode}",
            )
        # In turn: many small photos would keep a large one waiting for ever.
        with self._turn, self._changed:
            self._changed.wait_for(lambda: pixels * each <= self._free)
            self._free -= pixels * each
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels * each
                self._changed.notify_all()


def _bytes_per_pixel(photo: Image.Image) -> int:
    if photo.format in ("JPEG", "MPO"):
        return JPEG_BYTES + (JPEG_PROFILE_BYTES if photo.info.get("icc_profile") else 0)
    if low_bytes(photo):
        return DEEP_COLOUR_BYTES
    if is_deep(photo) or photo.has_transparency_data:
        return TRANSPARENT_OR_DEEP_BYTES
    return HEIF_BYTES if photo.format == HEIF else PLAIN_BYTES
