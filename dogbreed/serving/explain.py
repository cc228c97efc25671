"""The class activation map of a photo, and its overlay on the photo."""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from dogbreed.data.decoding.pool import OpenedPhoto
from dogbreed.data.decoding.preprocessing import CENTRE, Box, Pixels, Preprocessing
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
        """An upright RGB photo with the map of a class over what the network sees of it."""
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
        region = self._preprocessing.region(small.size)
        return overlay(small, self.activation(view, class_index), region)

    def activation(self, pixels: Pixels, class_index: int) -> Floats:
        """The class activation map of a view, [cells, cells], scaled to 0..1."""
        positive = self._class_map(pixels, class_index).clip(0)
        scaled: Floats = positive / positive.max(initial=1e-12)
        return scaled


def overlay(photo: Image.Image, activation: Floats, region: Box) -> Image.Image:
    """The photo under the colours of an activation map, [cells, cells] in 0..1.

    Higher values are more opaque. The map covers `region`, in pixels of the photo, which may be
    larger than the photo: see `Preprocessing.region`.
    """
    left, top = math.floor(region[0]), math.floor(region[1])
    width, height = max(1, round(region[2] - region[0])), max(1, round(region[3] - region[1]))
    smooth = Image.fromarray(activation.astype(np.float32)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    # The part of the map that is over the photo.
    x, right = max(0, left), min(photo.width, left + width)
    y, bottom = max(0, top), min(photo.height, top + height)
    visible = smooth.crop((x - left, y - top, right - left, bottom - top))
    values = np.asarray(visible).clip(0, 1)
    opacity = (_MAX_OPACITY * values)[..., None]
    pixels = np.array(photo, np.float32)
    part = pixels[y:bottom, x:right]
    colours = _COLOURS[(255 * values).round().astype(np.uint8)]
    part[:] = (1 - opacity) * part + opacity * colours
    return Image.fromarray(pixels.round().astype(np.uint8))
