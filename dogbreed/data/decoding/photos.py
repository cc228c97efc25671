"""From a photo's bytes to the pixels that the network sees; the only decoder of the package.

Pillow, pillow-heif and numpy alone, so that an endpoint can use it without torch.
"""

import hashlib
import io
import os
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from dogbreed.configuration.run import PixelsConfig
from dogbreed.configuration.schema import argument, brief
from dogbreed.data.decoding import formats
from dogbreed.data.decoding.colour import as_rgb
from dogbreed.data.decoding.formats import HEAD_BYTES
from dogbreed.data.decoding.image_formats.base import (
    check_structure,
    format_by_name,
    format_of,
    pillow_formats,
)
from dogbreed.data.decoding.loading import damaged, load, open_by_pillow
from dogbreed.data.decoding.pool import POOL
from dogbreed.data.decoding.structure import Structure
from dogbreed.data.decoding.structure.tiff import is_tiff
from dogbreed.errors import ConfigError, PhotoError
from dogbreed.utils.links import open_within

Pixels = npt.NDArray[np.uint8]  # [height, width, 3] or [n, height, width, 3], RGB

MAX_PIXELS = 89_478_485  # Pillow's own limit against decompression bombs: 256 MB as RGB
MAX_BYTES = 256 * 1024 * 1024
# A JPEG's pixels times its scans: about 2 s, and more than any camera's (40 megapixels, 10 scans).
_MAX_SCANNED_PIXELS = 400_000_000

# The colour statistics of ImageNet, which torchvision's weights were trained with, in 0..255.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
RESAMPLES = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}

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
        crop_share: side of the centre square, as a fraction of the shorter side.
        version: "1": colours are taken as they are stored. "2": they are converted to sRGB.
        resample: one of RESAMPLES, for scaling.
        mean, std: of red, green and blue, in 0..255.

    Raises:
        ConfigError: a value out of range.
    """

    size_px: int = 224
    crop_share: float = 1.0
    version: str = VERSION
    resample: str = "bicubic"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        for name in ("size_px", "crop_share"):
            object.__setattr__(self, name, argument(PixelsConfig, name, getattr(self, name)))
        if self.resample not in RESAMPLES:
            raise ConfigError(
                f"resample={brief(self.resample)}: must be one of {', '.join(RESAMPLES)}."
            )
        object.__setattr__(self, "mean", _colour("mean", self.mean, -255))
        object.__setattr__(self, "std", _colour("std", self.std, 1))

    def describe(self) -> dict[str, Any]:
        """Everything that decides the pixels, as plain values.

        Mean and standard deviation of ImageNet are left out: that is what their absence means in
        models and feature caches from before every backbone had its own.
        """
        values = asdict(self)
        if (self.mean, self.std) == (IMAGENET_MEAN, IMAGENET_STD):
            del values["mean"], values["std"]
            return values
        return values | {"mean": list(self.mean), "std": list(self.std)}

    @property
    def to_srgb(self) -> bool:
        """Whether colours are converted to sRGB when a photo is decoded."""
        return self.version != "1"

    def view(self, photo: Image.Image, name: str, identity: bytes = b"") -> Pixels:
        """One view of an RGB photo: [size_px, size_px, 3].

        `name` is one of `view_names`. A seeded crop depends on its number and on the photo's
        `identity` (its digest) alone, so that a run of any seed finds it in the store.
        """
        if name.startswith("crop"):
            seed = [int(name[4:]), int.from_bytes(identity[:8])]
            return self.random_crop(photo, np.random.default_rng(seed))
        side = min(photo.size) * self.crop_share
        left, top = (photo.width - side) / 2, (photo.height - side) / 2
        pixels = self._resized(photo, (left, top, left + side, top + side))
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
        """
        area = photo.width * photo.height * random.uniform(0.35, 1.0)
        ratio = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3)))
        width = min(float(photo.width), (area * ratio) ** 0.5)
        height = min(float(photo.height), (area / ratio) ** 0.5)
        left = random.uniform(0, photo.width - width)
        top = random.uniform(0, photo.height - height)
        pixels = self._resized(photo, (left, top, left + width, top + height))
        return np.ascontiguousarray(pixels[:, ::-1]) if random.random() < 0.5 else pixels

    def _resized(self, photo: Image.Image, box: tuple[float, float, float, float]) -> Pixels:
        size = (self.size_px, self.size_px)
        if photo.size == size and box == (0, 0, *size):
            return np.asarray(photo)
        return np.asarray(photo.resize(size, RESAMPLES[self.resample], box=box))


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


def read_bytes(path: Path, within: str | None = None) -> bytes:
    """The bytes of the file at `path`; `within` is the real path of a folder that it must be in.

    Raises:
        PhotoError: it can't be read, is empty, or is larger than MAX_BYTES; by its name and its
            content it is in a format that isn't decoded.
    """
    try:
        with open(open_within(path, within), "rb") as file:  # noqa: PTH123 (a descriptor)
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
                raise PhotoError("unreadable", "not a regular file")
            if status.st_size > MAX_BYTES:
                raise PhotoError(
                    "too_large", f"{status.st_size:,} bytes; the limit is {MAX_BYTES:,}"
                )
            data = file.read(status.st_size)
    except OSError as error:
        raise PhotoError("unreadable", f"can't be read: {error.strerror}") from error
    format = formats.unsupported_by_name(checked(data)[:HEAD_BYTES], path.suffix)
    if format is not None:
        raise format.error()
    return data


def checked(data: bytes) -> bytes:
    """The bytes as they are.

    Raises:
        PhotoError: there are none, or more than MAX_BYTES.
    """
    if len(data) > MAX_BYTES:
        raise PhotoError("too_large", f"{len(data):,} bytes; the limit is {MAX_BYTES:,}")
    if not data:
        raise PhotoError("empty", "the file is empty (0 bytes)")
    return data


def digest(data: bytes) -> bytes:
    """What identifies a photo's content wherever it is stored: 32 bytes."""
    return hashlib.sha256(data).digest()


def open_photo(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Recognise a photo and read its header, not yet its pixels.

    Raises:
        PhotoError: not an image, one of a format that isn't decoded, more than `max_pixels`
            pixels, or more parts than a decoder should be given (`check_structure`).
    """
    return open_with_cost(data, max_pixels=max_pixels)[0]


def open_with_cost(data: bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[Image.Image, bool]:
    """As `open_photo`, and whether decoding it may cost much.

    Such a photo is decoded by `dogbreed.data.decoding.pool`: its header doesn't bound the time, or
    a library decodes it that has crashed on hostile files (libtiff, libwebp, libavif, libheif).
    """
    format = formats.unsupported(data)
    if format is not None:
        raise format.error()
    structure = check_structure(data)
    # Before it is opened: some decoders allocate the picture then.
    _check_pixels(structure.width, structure.height, max_pixels)
    photo = _opened(data, max_pixels)
    _check_pixels(photo.width, photo.height, max_pixels)
    return photo, _is_costly(photo, structure)


def _is_costly(photo: Image.Image, structure: Structure) -> bool:
    scanned = photo.width * photo.height * structure.scans
    known = format_by_name(photo.format)
    return (
        known is None
        or known.separate_process
        or structure.arithmetic
        or scanned > _MAX_SCANNED_PIXELS
    )


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    try:
        known = format_of(data)
        if known is None or known.open is None:
            return open_by_pillow(data, pillow_formats())
        photo = known.open(data)
        photo.format = known.name
        return photo
    except PhotoError:
        raise
    except MemoryError as error:
        raise damaged(error) from error
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        most = min(max_pixels, 2 * MAX_PIXELS)  # where Pillow itself refuses
        raise PhotoError("too_large", f"more than {most:,} pixels") from error
    except Exception as error:  # Pillow's parsers raise whatever a damaged header led them to
        if isinstance(error, KeyError) and error.args and error.args[0] in pillow_formats():
            # None of the others: AVIF comes last, and Pillow before 11.3 has none (a container's).
            raise _unidentified(data) from error
        raise PhotoError("damaged", f"the header can't be read: {error}") from error


def decode(
    data: bytes, *, wanted_px: int, max_pixels: int = MAX_PIXELS, to_srgb: bool = True
) -> Image.Image:
    """Decode a photo to upright 8-bit RGB, its shorter side at least `wanted_px` if it was before.

    Raises:
        PhotoError: as `open_photo`, or the pixels are truncated, damaged or cost too much.
    """
    photo, costly = open_with_cost(data, max_pixels=max_pixels)
    if costly:
        with POOL.opened(data, max_pixels=max_pixels) as opened:
            return opened.upright(wanted_px, to_srgb)
    return upright(photo, wanted_px=wanted_px, to_srgb=to_srgb)


def upright(
    photo: Image.Image, *, wanted_px: int | None = None, to_srgb: bool = True
) -> Image.Image:
    """A photo of any mode as upright 8-bit RGB; in sRGB, unless not `to_srgb`.

    A JPEG that is opened and much larger than wanted is decoded at 1/2, 1/4 or 1/8 of its size,
    never below twice what is wanted, which after the resize looks the same as the full photo.

    Raises:
        PhotoError: the pixels are truncated or damaged.
    """
    scale = 2 * wanted_px / min(photo.size) if wanted_px else 1
    size = (round(photo.width * scale), round(photo.height * scale)) if scale < 1 else None
    try:
        loaded = load(photo, size)
        turned = ImageOps.exif_transpose(loaded.photo)
        if loaded.profile is not None:
            turned.info["icc_profile"] = loaded.profile
        return as_rgb(turned, convert=to_srgb)
    except Exception as error:  # as above: any exception here is the file's fault
        raise damaged(error) from error


def is_photo(path: Path) -> bool:
    """Whether a file is a photo by its content, whatever its name; its pixels aren't decoded.

    One in a picture format that isn't decoded, or that exceeds a limit, is a photo too, one that
    can't be used.
    """
    try:
        if not path.is_file():  # reading a pipe would wait for ever
            return False
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        format = formats.unsupported(head)
        if format is not None:
            return format.pictures
        known = format_of(head)
        if known is None or known.open is not None:
            return known is not None
        check_structure(data := read_bytes(path))
        with Image.open(io.BytesIO(data), formats=pillow_formats()):
            return True
    except PhotoError:
        return True
    except Exception:  # as above
        return False


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise PhotoError(
            "too_large", f"{width}x{height} pixels; the limit is {max_pixels:,} pixels"
        )


def _unidentified(data: bytes) -> PhotoError:
    if is_tiff(data):
        return PhotoError(
            formats.UNSUPPORTED,
            "a TIFF that can't be decoded: it is damaged, or of an unusual kind of pixels; "
            "convert it (for example: magick photo.tif -depth 8 photo.png)",
        )
    return PhotoError("not_an_image", "not an image of a known format")
