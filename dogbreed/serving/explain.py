"""Grad-CAM overlays: how much each part of a photo counts for a class, drawn over the photo."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from dogbreed.data.decoding.photos import CENTRE, Pixels, Preprocessing
from dogbreed.data.decoding.pool import OpenedPhoto
from dogbreed.runtime.runner import Floats

# One view [size, size, 3] and a class's index to the class's activation map, [cells, cells].
ClassMap = Callable[[Pixels, int], Floats]

LONGEST_PX = 1024  # of the picture, which is for people
SHORTEST_PX = 512  # below it, a photo under an overlay is hard to recognise

# Inferno (van der Walt & Smith 2015): equal steps look equally far apart, in grey as well.
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
_MAX_OPAQUE = 0.7


class Explainer:
    """Draws overlays for one network.

    Args:
        class_map: a runner's class maps, or `GradCam`.
    """

    def __init__(self, class_map: ClassMap, preprocessing: Preprocessing) -> None:
        self._class_map = class_map
        self._preprocessing = preprocessing
        # What a photo's shorter side should have at least, where the photo has it.
        self.wanted_px = max(SHORTEST_PX, preprocessing.size_px)

    def explain(self, photo: Image.Image, class_index: int) -> Image.Image:
        """An upright RGB photo with a class's overlay over its centre square."""
        small = photo.copy()
        small.thumbnail((LONGEST_PX, LONGEST_PX))
        return self.laid_over(small, self._preprocessing.view(photo, CENTRE), class_index)

    def explain_opened(self, photo: OpenedPhoto, class_index: int) -> Image.Image:
        """As `explain`, of a photo that a process has opened.

        Raises:
            PhotoError: it can't be decoded.
        """
        (view,) = photo.views(self._preprocessing, (CENTRE,), b"", self.wanted_px)
        return self.laid_over(photo.small(LONGEST_PX), view, class_index)

    def laid_over(self, small: Image.Image, view: Pixels, class_index: int) -> Image.Image:
        """The overlay of a class in a photo's centre view, drawn over a copy of the photo."""
        return overlay(small, self.heat(view, class_index), self._preprocessing.crop_share)

    def heat(self, pixels: Pixels, class_index: int) -> Floats:
        """The class activation map of a view, relative to its maximum: [cells, cells] in 0..1."""
        weighted = self._class_map(pixels, class_index).clip(0)
        relative: Floats = weighted / weighted.max(initial=1e-12)
        return relative


def overlay(photo: Image.Image, heat: Floats, crop_share: float = 1.0) -> Image.Image:
    """The photo under colours that are more opaque where `heat` [cells, cells] in 0..1 is higher.

    The overlay covers what the centre view shows: a square of `crop_share` of the shorter side.
    """
    side = max(1, round(min(photo.size) * crop_share))
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    smooth = Image.fromarray(heat.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
    values = np.asarray(smooth).clip(0, 1)
    opacity = (_MAX_OPAQUE * values)[..., None]
    pixels = np.array(photo, np.float32)
    square = pixels[top : top + side, left : left + side]
    colours = _COLOURS[(255 * values).round().astype(np.uint8)]
    square[:] = (1 - opacity) * square + opacity * colours
    return Image.fromarray(pixels.round().astype(np.uint8))
