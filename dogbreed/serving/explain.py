"""The class activation map of a photo, and its overlay on the photo."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from dogbreed.data.decoding.photos import CENTRE, Pixels, Preprocessing
from dogbreed.data.decoding.pool import OpenedPhoto
from dogbreed.runtime.runner import Floats

# One view [size, size, 3] and a class's index to the class activation map, [cells, cells].
ClassMap = Callable[[Pixels, int], Floats]

LONGEST_PX = 1024  # of the overlay, which is for viewing
SHORTEST_PX = 512  # below it, the photo under a map is hard to recognise

# Inferno (van der Walt & Smith 2015), a perceptually uniform colour map, in grey as well.
_STEPS = (
    (0, 0, 4),
    (31, 12, 72),
    (85, 15, 109),
    (136, 34, 106),
    (186, 54, 85),
    (227, 89, 51),
    (249, 140, 10),
    (249, 201, 50),
    (252, 255, 164),
)
_COLOURS = np.stack(
    [
        np.interp(np.linspace(0, 1, 256), np.linspace(0, 1, len(_STEPS)), channel)
        for channel in zip(*_STEPS, strict=True)
    ],
    -1,
).astype(np.float32)
_MAX_OPACITY = 0.7


class Explainer:
    """Draws a network's class activation maps over photos.

    Args:
        class_map: the network's, of artifact/class_maps.py or grad_cam.py.
    """

    def __init__(self, class_map: ClassMap, preprocessing: Preprocessing) -> None:
        self._class_map = class_map
        self._preprocessing = preprocessing
        # The shorter side at which a photo is decoded, if it is that large.
        self.wanted_px = max(SHORTEST_PX, preprocessing.size_px)

    def explain(self, photo: Image.Image, class_index: int) -> Image.Image:
        """An upright RGB photo with the map of a class over its centre square."""
        small = photo.copy()
        small.thumbnail((LONGEST_PX, LONGEST_PX))
        return self._overlaid(small, self._preprocessing.view(photo, CENTRE), class_index)

    def explain_opened(self, photo: OpenedPhoto, class_index: int) -> Image.Image:
        """As `explain`, for a photo that a decoding process has opened.

        Raises:
            PhotoError: it can't be decoded.
        """
        (view,) = photo.views(self._preprocessing, (CENTRE,), b"", self.wanted_px)
        return self._overlaid(photo.small(LONGEST_PX), view, class_index)

    def _overlaid(self, small: Image.Image, view: Pixels, class_index: int) -> Image.Image:
        """A copy of the photo with the map of its centre view over it."""
        return overlay(small, self.activation(view, class_index), self._preprocessing.crop_share)

    def activation(self, pixels: Pixels, class_index: int) -> Floats:
        """The class activation map of a view, [cells, cells], scaled to 0..1."""
        positive = self._class_map(pixels, class_index).clip(0)
        scaled: Floats = positive / positive.max(initial=1e-12)
        return scaled


def overlay(photo: Image.Image, activation: Floats, crop_share: float = 1.0) -> Image.Image:
    """The photo under the colours of an activation map, [cells, cells] in 0..1.

    Higher values are more opaque. The map covers the centre view: a square whose side is
    `crop_share` of the photo's shorter side.
    """
    side = max(1, round(min(photo.size) * crop_share))
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    smooth = Image.fromarray(activation.astype(np.float32)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    values = np.asarray(smooth).clip(0, 1)
    opacity = (_MAX_OPACITY * values)[..., None]
    pixels = np.array(photo, np.float32)
    square = pixels[top : top + side, left : left + side]
    colours = _COLOURS[(255 * values).round().astype(np.uint8)]
    square[:] = (1 - opacity) * square + opacity * colours
    return Image.fromarray(pixels.round().astype(np.uint8))
