"""Pictures of more than 8 bits a channel as 8: what their numbers mean, declared or guessed."""

import io
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from dogbreed.data.decoding.png_chunks import png_chunk

# The largest values of 1, 8, 10, 12, 14 and 16 bits, to which cameras, scanners and programs scale.
FULL_SCALES = (1, 255, 1023, 4095, 16383, 65535)
TOLERANCE = 1.01  # interpolation and rounding go beyond the largest value a little
# A float that is a little over 1 is an overexposed 0..1; as a part of 0..255 it would be black.
_UNIT_SCALE_UP_TO = 16
# How far below zero, as a share of the full scale, filters reach: only what is lower is signed.
_UNDERSHOOT = 0.25

# TIFF tags. Source: TIFF 6.0, sections 8 and 19.
_BITS, _PHOTOMETRIC, _MAX, _FORMAT, _SMIN, _SMAX = 258, 262, 281, 339, 340, 341
_SIGNED = 2  # SampleFormat; a file without one has numbers without a sign

Values = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a file says of its numbers beside their type.

    Args:
        bits: how many bits of a number are significant, 0 where the file doesn't say.
        low, high: the range of the numbers; None where the file doesn't say.
        signed: whether integers have a sign (two's complement).
        white_is_zero: whether the largest number is black.
    """

    bits: int = 0
    low: float | None = None
    high: float | None = None
    signed: bool = False
    white_is_zero: bool = False


def is_deep(photo: Image.Image) -> bool:
    """Whether it is a grey of more than 8 bits."""
    return photo.mode.startswith("I") or photo.mode == "F"


def declared(photo: Image.Image, data: bytes) -> Declared:
    """What the file `data`, opened as `photo`, says of its numbers."""
    if photo.format == "PNG":
        significant = png_chunk(data, b"sBIT") or b"\0"
        return Declared(bits=max(significant) if max(significant) in range(9, 17) else 0)
    tags = getattr(photo, "tag_v2", None)
    if photo.format != "TIFF" or tags is None:
        return Declared(signed=True)
    bits = int(_tag(tags, _BITS, max) or 0)
    return Declared(
        bits=bits if 8 < bits < 16 else 0,
        low=_tag(tags, _SMIN, min),
        high=_tag(tags, _SMAX, max) or _tag(tags, _MAX, max),
        signed=_tag(tags, _FORMAT, max) == _SIGNED,
        white_is_zero=_tag(tags, _PHOTOMETRIC, min) == 0,
    )


def eight_bit(photo: Image.Image, known: Declared) -> Image.Image:
    """A grey of more than 8 bits as one of mode L. What isn't a number is black.

    The full scale is what the file says, else the next of FULL_SCALES, else the largest value.
    Numbers that reach as far below zero as above it are signed: zero is then the middle grey.
    """
    values = np.asarray(photo)
    if photo.mode == "I" and not known.signed:
        values = values.view(np.uint32)
    grey = _scaled(values, known)
    if known.white_is_zero:
        np.subtract(255, grey, out=grey)
    return _like(photo, grey)


def low_bytes(photo: Image.Image) -> list[Any]:
    """The tiles that read an opened colour photo of 16 bits once more for its low bytes.

    None where it isn't one: Pillow gives the high bytes alone.
    """
    changed = []
    for tile in getattr(photo, "tile", ()):
        arguments = (tile.args,) if isinstance(tile.args, str) else tile.args
        other = _other_byte(arguments[0]) if arguments else None
        if other is None:
            return []
        rest = (other, *arguments[1:])
        changed.append(tile._replace(args=other if isinstance(tile.args, str) else rest))
    return changed


def brighter(photo: Image.Image, data: bytes, tiles: list[Any], known: Declared) -> Image.Image:
    """A colour photo of 16 bits whose high bytes alone are too dark, from both bytes.

    Args:
        photo: as Pillow loaded it from `data`.
        tiles: what `low_bytes` gave before.
    """
    high = np.asarray(photo)
    if high.max(initial=0) > FULL_SCALES[-2] >> 8 or known.bits == 16:
        return photo
    again = Image.open(io.BytesIO(data), formats=(photo.format or "",))
    again.tile = tiles
    values = high.astype(np.uint16)
    values <<= 8
    values |= np.asarray(again)
    return _like(photo, _scaled(values, known))


def _like(photo: Image.Image, pixels: npt.NDArray[np.uint8]) -> Image.Image:
    """A photo of these pixels that says of itself what `photo` does."""
    result = Image.fromarray(pixels)
    result.info = {name: value for name, value in photo.info.items() if name != "transparency"}
    return result


def _other_byte(rawmode: Any) -> str | None:
    """The raw mode that reads a colour's two bytes the other way round."""
    kind, _, order = str(rawmode).partition(";16")
    if kind not in ("RGB", "RGBA", "RGBX") or order not in ("L", "B", "N"):
        return None
    little = order == "L" or (order == "N" and sys.byteorder == "little")
    return f"{kind};16{'B' if little else 'L'}"


def _tag(tags: Any, number: int, of: Any) -> float | None:
    """A TIFF tag as one number; None where it isn't there or isn't one."""
    value = tags.get(number)
    try:
        return None if value is None else float(of(value) if isinstance(value, tuple) else value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None


def _scaled(values: Values, known: Declared) -> npt.NDArray[np.uint8]:
    numbers = values.astype(np.float32)
    valid: Any = True
    if values.dtype.kind == "f":
        valid = np.isfinite(numbers)
    low = float(numbers.min(initial=np.inf, where=valid))
    high = float(numbers.max(initial=-np.inf, where=valid))
    black, white = _range(low, high, values.dtype.kind == "f", known)
    if valid is not True:
        numbers[~valid] = black
    numbers -= black
    numbers *= 255 / (white - black)
    np.rint(numbers, out=numbers)
    np.clip(numbers, 0, 255, out=numbers)
    return numbers.astype(np.uint8)


def _range(low: float, high: float, is_float: bool, known: Declared) -> tuple[float, float]:
    """The numbers that are black and white in a picture of numbers from `low` to `high`."""
    if not np.isfinite(low + high):
        return 0, 1
    if known.bits:
        full = 2**known.bits - 1
        return 0, full if high <= full * TOLERANCE else FULL_SCALES[-1]
    if known.high is not None and known.high >= high / TOLERANCE:
        if known.low is not None and known.low <= low and (is_float or known.low < 0):
            return known.low, known.high if known.high > known.low else known.low + 1
        high = max(high, known.high)
    reach = max(high, -low)
    full = _full_scale(reach, is_float)
    if low >= -_UNDERSHOOT * full:
        is_int16 = known.signed and FULL_SCALES[-2] * TOLERANCE < reach <= 32767
        return 0, 32767 if is_int16 else full
    half = full if is_float and full <= _UNIT_SCALE_UP_TO else _full_scale(2 * reach, is_float) / 2
    return -half, half


def _full_scale(reach: float, is_float: bool) -> float:
    if is_float and TOLERANCE < reach <= _UNIT_SCALE_UP_TO:
        return reach
    return next((scale for scale in FULL_SCALES if reach <= scale * TOLERANCE), reach)
