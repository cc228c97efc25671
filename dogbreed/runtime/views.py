"""From a photo's bytes to the pixels that a network sees: decoding, then the views."""

from collections.abc import Sequence

from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import Pixels, Preprocessing


def decode_views(
    data: bytes,
    preprocessing: Preprocessing,
    names: Sequence[str],
    identity: bytes,
    *,
    max_pixels: int = photos.MAX_PIXELS,
) -> Pixels:
    """The views [views, size, size, 3] of a photo, each as `Preprocessing.view` gives it.

    `identity` is the content's digest, from which the crops are drawn.

    Raises:
        PhotoError: it can't be decoded, or has more than `max_pixels`.
    """
    photo = photos.decode(
        data,
        wanted_px=preprocessing.size_px,
        max_pixels=max_pixels,
        to_srgb=preprocessing.to_srgb,
    )
    return preprocessing.views(photo, names, identity)
