"""From an upright photo to the square of pixels that the network sees.

Pillow and numpy alone, so that an endpoint can use it without torch.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from dogbreed.configuration.run import CROP, PAD, STRETCH, PixelsConfig, check_fit
from dogbreed.configuration.schema import argument, brief
from dogbreed.errors import ConfigError

Pixels = npt.NDArray[np.uint8]  # [height, width, 3] or [n, height, width, 3], RGB
Box = tuple[float, float, float, float]  # left, top, right, bottom

# The colour statistics of ImageNet, which torchvision's weights were trained with, in 0..255.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
RESAMPLES = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}
# A side of more than this many pixels for each of the square's is averaged down to it first:
# scaling 1 x 50,000,000 pixels to a square in one step would take gigabytes. Pillow calls 3 enough
# for a result that looks the same.
_REDUCING_GAP = 8.0

CENTRE, MIRROR = "centre", "mirror"
VERSION = "2"  # of Preprocessing
VERSIONS = ("1", VERSION)


def view_names(count: int) -> tuple[str, ...]:
    """The first `count` views of a photo: centre, its mirror, then seeded crops."""
    return (CENTRE, MIRROR, *(f"crop{number}" for number in range(1, count - 1)))[:count]


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How a decoded photo becomes what a network sees: part of a feature's identity.

    A square of `size_px` pixels, 8 bits each; the network then computes (value - mean) / std.
    Every backbone has its own (dogbreed.backbone.providers).

    Args:
        size_px: side of the square.
        fit: how a photo that isn't square becomes one. "crop": its centre square. "pad": all of
            it, in its proportions, between bars of the colour `mean`, which is 0 for the network
            (to half a level in 255). "stretch": all of it, squashed.
        crop_share: side of the centre square, as a fraction of the shorter side; 1 unless `fit` is
            "crop".
        version: "1": colours are taken as they are stored. "2": they are converted to sRGB.
        resample: one of RESAMPLES, for scaling.
        mean, std: of red, green and blue, in 0..255.

    Raises:
        ConfigError: a value out of range.
    """

    size_px: int = 224
    fit: str = CROP
    crop_share: float = 1.0
    version: str = VERSION
    resample: str = "bicubic"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        for name in ("size_px", "fit", "crop_share"):
            object.__setattr__(self, name, argument(PixelsConfig, name, getattr(self, name)))
        check_fit(self.fit, self.crop_share)
        if self.resample not in RESAMPLES:
            raise ConfigError(
                f"resample={brief(self.resample)}: must be one of {', '.join(RESAMPLES)}."
            )
        object.__setattr__(self, "mean", _colour("mean", self.mean, -255))
        object.__setattr__(self, "std", _colour("std", self.std, 1))

    def describe(self) -> dict[str, Any]:
        """Everything that decides the pixels, as plain values.

        Left out are mean and standard deviation of ImageNet, and the fit "crop": that is what
        their absence means in models and feature caches from before they could be chosen.
        """
        values = asdict(self) | {"mean": list(self.mean), "std": list(self.std)}
        if (self.mean, self.std) == (IMAGENET_MEAN, IMAGENET_STD):
            del values["mean"], values["std"]
        if self.fit == CROP:
            del values["fit"]
        return values

    @property
    def to_srgb(self) -> bool:
        """Whether colours are converted to sRGB when a photo is decoded."""
        return self.version != "1"

    def region(self, size: tuple[int, int]) -> Box:
        """What the centre view shows of a photo of `size`, in the photo's pixels.

        With "pad" it is larger than the photo: there are the bars.
        """
        width, height = size
        if self.fit == STRETCH:
            return 0, 0, width, height
        side = max(size) if self.fit == PAD else min(size) * self.crop_share
        left, top = (width - side) / 2, (height - side) / 2
        return left, top, left + side, top + side

    def view(self, photo: Image.Image, name: str, identity: bytes = b"") -> Pixels:
        """One view of an RGB photo: [size_px, size_px, 3].

        `name` is one of `view_names`. A seeded crop depends on its number and on the photo's
        `identity` (its digest) alone, so that a run of any seed finds it in the store.
        """
        if name.startswith("crop"):
            seed = [int(name[4:]), int.from_bytes(identity[:8])]
            return self.random_crop(photo, np.random.default_rng(seed))
        box = self.region(photo.size) if self.fit == CROP else (0, 0, *photo.size)
        pixels = self._resized(photo, box)
        return np.ascontiguousarray(pixels[:, ::-1]) if name == MIRROR else pixels

    def views(self, photo: Image.Image, names: Sequence[str], identity: bytes = b"") -> Pixels:
        """Views [views, size_px, size_px, 3], each as `view` gives it; the mirror costs a copy."""
        made: dict[str, Pixels] = {}
        for name in names:
            mirrored = name == MIRROR and CENTRE in made
            made[name] = made[CENTRE][:, ::-1] if mirrored else self.view(photo, name, identity)
        return np.stack([made[name] for name in names])

    def random_crop(self, photo: Image.Image, random: np.random.Generator) -> Pixels:
        """A crop of 35 to 100 % of the photo's area, 3:4 to 4:3, mirrored in every second case.

        The training crop of Inception (Szegedy et al. 2015) with a larger smallest area: a class
        often shows in one detail, which a crop of 8 % mostly misses.

        With "pad" and "stretch" the crop takes the place of the photo, between the same bars or
        squashed by as much: its shape is 3:4 to 4:3 times the photo's own, so that photos look in
        training as they do in validation.
        """
        area = photo.width * photo.height * random.uniform(0.35, 1.0)
        ratio = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3)))
        if self.fit != CROP:
            ratio *= photo.width / photo.height
        width = min(float(photo.width), (area * ratio) ** 0.5)
        height = min(float(photo.height), (area / ratio) ** 0.5)
        left = random.uniform(0, photo.width - width)
        top = random.uniform(0, photo.height - height)
        pixels = self._resized(photo, (left, top, left + width, top + height))
        return np.ascontiguousarray(pixels[:, ::-1]) if random.random() < 0.5 else pixels

    def _resized(self, photo: Image.Image, box: Box) -> Pixels:
        """The part of the photo in `box` as the square: between bars with "pad", else all of it."""
        size = self._size_in_square(photo)
        if photo.size == size and box == (0, 0, *size):
            pixels = np.asarray(photo)
        else:
            # A crop is never so long and thin, and its features are in caches of former versions.
            gap = None if self.fit == CROP else _REDUCING_GAP
            resized = photo.resize(size, RESAMPLES[self.resample], box=box, reducing_gap=gap)
            pixels = np.asarray(resized)
        return self._padded(pixels) if self.fit == PAD else pixels

    def _size_in_square(self, photo: Image.Image) -> tuple[int, int]:
        """Width and height of what isn't bars."""
        if self.fit != PAD:
            return self.size_px, self.size_px
        scale = self.size_px / max(photo.size)
        return max(1, round(photo.width * scale)), max(1, round(photo.height * scale))

    def _padded(self, pixels: Pixels) -> Pixels:
        """Pixels in the middle of the square, which has the mean colour elsewhere."""
        height, width, _ = pixels.shape
        colour = np.clip(np.rint(self.mean), 0, 255).astype(np.uint8)
        square = np.broadcast_to(colour, (self.size_px, self.size_px, 3)).copy()
        left, top = (self.size_px - width) // 2, (self.size_px - height) // 2
        square[top : top + height, left : left + width] = pixels
        return square


def _colour(name: str, values: Any, at_least: float) -> tuple[float, float, float]:
    """Three numbers of at most 255, as floats."""
    try:
        red, green, blue = (float(value) for value in values)
    except (TypeError, ValueError):
        red = green = blue = float("nan")
    if not all(at_least <= value <= 255 for value in (red, green, blue)):
        raise ConfigError(
            f"{name}={brief(values)}: must be three numbers from {at_least} to 255, for red, green "
            "and blue."
        )
    return red, green, blue
