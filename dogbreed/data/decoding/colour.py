"""Colours as sRGB: embedded ICC profiles are converted, transparency is laid over white."""

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

# The colour space of a profile (ICC.1:2022, 7.2.8) that fits a picture of each mode.
_SPACE_OF = {"RGB": b"RGB ", "L": b"GRAY", "CMYK": b"CMYK"}
# Of a screen, scanner, printer or colour space; links and effects are no picture's.
_CLASSES = (b"mntr", b"scnr", b"prtr", b"spac")
# Largest profiles of printing conditions have some 3 MB.
MAX_PROFILE_BYTES = 16 * 2**20
_KEPT_TRANSFORMS = 16  # the largest, of CMYK, takes some 3 MB

# Colours that are in both spaces stay what they are, black stays black: the usual choice for
# photographs that go to a screen. Source: ISO 18619:2015 (black point compensation).
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
# A transform is used by several threads at once: without the last colour that it remembers.
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE
# For grey: 33 points without curves before and after them are up to 10 levels off near black.
_CURVES = ImageCms.Flags.CLUT_PRE_LINEARIZATION | ImageCms.Flags.CLUT_POST_LINEARIZATION


@dataclass(frozen=True)
class _Conversion:
    """How to convert to sRGB; no transform where nothing is to be done, because of `problem`."""

    transform: ImageCms.ImageCmsTransform | None = None
    problem: str | None = None


class _Conversions:
    """The conversions of the profiles used last, by their content."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[bytes, str], _Conversion] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, profile: bytes, mode: str) -> _Conversion:
        """The conversion of a picture of this mode by this profile."""
        key = hashlib.sha256(profile).digest(), mode
        with self._lock:
            known = self._found.get(key)
            if known is None:
                known = self._found[key] = _conversion(profile, mode)
            self._found.move_to_end(key)
            while len(self._found) > _KEPT_TRANSFORMS:
                self._found.popitem(last=False)
        return known


_CONVERSIONS = _Conversions()


def as_rgb(photo: Image.Image, *, convert: bool = True) -> Image.Image:
    """A photo of any mode of 8 bits as RGB, in sRGB if `convert`, transparency over white."""
    if photo.has_transparency_data:
        rgba = photo.convert("RGBA")
        if convert and photo.info.get("icc_profile"):
            opaque = photo.convert("L" if photo.mode in ("L", "LA") else "RGB")
            rgba = Image.merge("RGBA", (*_to_srgb(opaque).split(), rgba.getchannel("A")))
        white = Image.new("RGBA", rgba.size, "white")
        rgb = Image.alpha_composite(white, rgba).convert("RGB")
    else:
        if photo.mode not in (*_SPACE_OF, "1"):
            photo = photo.convert("RGB")
        rgb = _to_srgb(photo) if convert else _unconverted(photo)
    rgb.info.pop("icc_profile", None)  # it isn't this picture's any more
    return rgb


def profile_problem(photo: Image.Image) -> str | None:
    """Why the profile that is embedded in a photo isn't used; None where it is, or there is none.

    One of another kind than the photo's pixels (of colours, in a grey photo) is left out silently:
    programs that change the pixels often leave the profile.
    """
    profile = photo.info.get("icc_profile")
    mode = {"1": "L", "LA": "L"}.get(photo.mode, photo.mode)
    mode = mode if mode in _SPACE_OF else "RGB"
    if not profile or (profile[36:40] == b"acsp" and profile[16:20] != _SPACE_OF[mode]):
        return None
    return _find(profile, mode).problem


def _to_srgb(photo: Image.Image) -> Image.Image:
    """A photo of mode RGB, L or CMYK as sRGB by its profile; without one, as Pillow converts it."""
    profile = photo.info.get("icc_profile")
    if profile and profile[16:20] == _SPACE_OF.get(photo.mode):
        transform = _find(profile, photo.mode).transform
        if transform is not None:
            return transform.apply(photo)
    return _unconverted(photo)


def _unconverted(photo: Image.Image) -> Image.Image:
    return photo if photo.mode == "RGB" else photo.convert("RGB")


def _find(profile: bytes, mode: str) -> _Conversion:
    if len(profile) > MAX_PROFILE_BYTES:
        return _Conversion(problem=f"it has {len(profile):,} bytes")
    return _CONVERSIONS.of(profile, mode)


def _conversion(profile: bytes, mode: str) -> _Conversion:
    if len(profile) < 132 or profile[36:40] != b"acsp" or profile[12:16] not in _CLASSES:
        return _Conversion(problem="it isn't a profile of a picture")
    if int.from_bytes(profile[:4]) > len(profile):
        return _Conversion(problem="it is truncated")
    if _has_elements(profile):
        return _Conversion(problem="it consists of processing elements")
    try:
        transform = ImageCms.ImageCmsTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            *(mode, "RGB", _INTENT),
            flags=_FLAGS | _CURVES if mode == "L" else _FLAGS,
        )
    except (OSError, ValueError, ImageCms.PyCMSError) as error:
        return _Conversion(problem=f"it is damaged ({error})")
    return _Conversion(None if _changes_nothing(transform, mode) else transform)


def _has_elements(profile: bytes) -> bool:
    """Whether it has D2Bx or B2Dx tags: chains of any length, so of any time to compute."""
    count = min(int.from_bytes(profile[128:132]), 100)
    names = [profile[place : place + 3] for place in range(132, 132 + 12 * count, 12)]
    return b"D2B" in names or b"B2D" in names


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether it is sRGB's own profile, under whatever name: no colour moves by over one level."""
    if mode == "CMYK":
        return False
    levels = np.linspace(0, 255, 18).round().astype(np.uint8)
    grid = np.meshgrid(*[levels] * len(mode), indexing="ij")
    colours = np.stack(grid, -1).reshape(1, -1, len(mode))
    picture = Image.fromarray(colours[..., 0] if mode == "L" else colours)
    before = np.asarray(picture.convert("RGB")).astype(int)
    return bool(np.abs(np.asarray(transform.apply(picture)) - before).max() <= 1)
