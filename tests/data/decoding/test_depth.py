"""Pictures of more than 8 bits keep their brightness, whatever scale their numbers have."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, TiffImagePlugin

from dogbreed.data.decoding.inspection import inspect
from dogbreed.data.decoding.photos import decode

Array = npt.NDArray[Any]
UNIT = np.linspace(0, 1, 64 * 96).reshape(64, 96)
BITS, PHOTOMETRIC, MAX, FORMAT, SMIN, SMAX = 258, 262, 281, 339, 340, 341


def tiff(values: Array, **tags: Any) -> bytes:
    """A TIFF of these numbers with tags of these numbers (as t262=0)."""
    out, info = io.BytesIO(), TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in tags.items():
        info[int(name[1:])] = value
    Image.fromarray(values).save(out, "TIFF", tiffinfo=info)
    return out.getvalue()


def raw_tiff(values: Array, *, deflate: bool = False, **tags: int) -> bytes:
    """A TIFF of kinds that Pillow can't write: one strip of grey, or of colours [h, w, 3]."""
    height, width = values.shape[:2]
    content = values.astype(values.dtype.newbyteorder("<")).tobytes()
    content = zlib.compress(content) if deflate else content
    found = {256: width, 257: height, 258: 8 * values.itemsize, 259: 8 if deflate else 1,
             262: 1, 273: 0, 277: 1, 278: height, 279: len(content)}  # fmt: skip
    found |= {int(name[1:]): value for name, value in tags.items()}
    colours = values.ndim == 3
    bits = struct.pack("<3H", *[8 * values.itemsize] * 3) if colours else b""
    end = 8 + 2 + 12 * len(found) + 4
    found[273] = end + len(bits)
    if colours:
        found |= {258: end, 262: 2, 277: 3}
    entries = b"".join(
        struct.pack("<HHII", tag, 3, 3, value)
        if tag == 258 and colours
        else struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in sorted(found.items())
    )
    start = b"II*\0\x08\0\0\0" + struct.pack("<H", len(found)) + entries + bytes(4)
    return start + bits + content


def png(values: Array, *, colour: int = 0, significant: bytes = b"") -> bytes:
    """A PNG of 16 bits; `significant` is its sBIT chunk."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values.reshape(len(values), -1))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
        + (chunk(b"sBIT", significant) if significant else b"")
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )  # fmt: skip


def grey_of(data: bytes) -> Array:
    pixels = np.asarray(decode(data, wanted_px=224)).astype(float)
    assert np.ptp(pixels, axis=2).max() == 0
    return pixels[..., 0]


def assert_grey(data: bytes, wanted: Array, tolerance: float = 0.51) -> None:
    assert np.abs(grey_of(data) - wanted).max() <= tolerance


@pytest.mark.parametrize("top", [0.5, 0.99, 1.0, 1.0001, 1.009, 1.02, 1.2, 4.0])
def test_floats_about_one_are_a_share_of_white(top: float) -> None:
    """Brightness doesn't jump where the largest number passes a threshold."""
    wanted = 255 * UNIT * min(top, 1)
    assert_grey(tiff((top * UNIT).astype(np.float32)), wanted, 3)


@pytest.mark.parametrize("scale", [255, 1023, 4095, 16383, 65535])
@pytest.mark.parametrize("share", [0.9, 1, 1.005])
@pytest.mark.parametrize("kind", [np.float32, np.int32, np.uint16])
def test_the_next_full_scale(scale: int, share: float, kind: Any) -> None:
    if scale * share > 65535 and kind is np.uint16:
        pytest.skip("more than 16 bits hold")
    values = (scale * share * UNIT).round().astype(kind)
    wanted = (255 * share * UNIT).clip(0, 255)
    for data in (tiff(values), png(values)) if kind is np.uint16 else (tiff(values),):
        assert_grey(data, wanted, 1.5)


def test_eight_bits_in_sixteen() -> None:
    values = (255 * UNIT).round().astype(np.uint16)
    for data in (tiff(values), png(values), tiff(values.astype(">u2"))):
        assert_grey(data, 255 * UNIT)


def test_the_file_says_how_many_bits_are_significant() -> None:
    dark = (900 * UNIT).round().astype(np.uint16)
    level = dark.astype(float)
    assert_grey(png(dark, significant=b"\x0c"), 255 * level / 4095)
    assert_grey(png(dark, significant=b"\x10"), level / 257)
    assert_grey(png(dark), 255 * level / 1023)
    # Scaled to 16 bits, as the specification has it.
    bright = (65535 * UNIT).round().astype(np.uint16)
    assert_grey(png(bright, significant=b"\x0c"), 255 * UNIT)
    assert_grey(tiff(dark, t281=4095), 255 * level / 4095)
    assert_grey(tiff(dark, t281=65535), level / 257)
    assert_grey(tiff(dark, t281=100), 255 * level / 1023)  # which isn't true


@pytest.mark.parametrize("share", [1.0, 0.05])
def test_twelve_bits_a_sample(share: float) -> None:
    values = (4095 * share * UNIT).round().astype(np.uint32)
    one, two = values.reshape(-1, 2).T
    packed = np.stack([one >> 4, (one & 15) << 4 | two >> 8, two & 255], 1)
    data = raw_tiff(packed.astype(np.uint8).reshape(64, 144), t256=96, t258=12)
    assert_grey(data, 255 * share * UNIT, 0.6)


def test_signed_integers() -> None:
    signed = (65535 * UNIT - 32768).round().astype(np.int16)
    assert_grey(raw_tiff(signed, t339=2), 255 * UNIT, 1)
    assert_grey(raw_tiff((255 * UNIT - 128).round().astype(np.int16), t339=2), 255 * UNIT, 1.5)
    assert_grey(raw_tiff((32767 * UNIT).astype(np.int16), t339=2), 255 * UNIT, 1)
    assert_grey(raw_tiff((4095 * UNIT - 20).astype(np.int16), t339=2), 255 * UNIT, 2)
    assert_grey(tiff((255 * UNIT - 128).round().astype(np.int32)), 255 * UNIT, 1.5)


def test_integers_of_32_bits_without_a_sign() -> None:
    values = (4_294_967_295 * UNIT).astype(np.uint32)
    assert_grey(raw_tiff(values, t339=1), 255 * UNIT, 1)


def test_signed_floats() -> None:
    assert_grey(tiff((2 * UNIT - 1).astype(np.float32)), 255 * UNIT)
    assert_grey(tiff((1.7 * UNIT - 0.9).astype(np.float32)), 255 * (0.85 * UNIT + 0.05))
    # Filters reach a little below zero: that is black.
    assert_grey(tiff((1.1 * UNIT - 0.1).astype(np.float32)), (255 * (1.1 * UNIT - 0.1)).clip(0))


def test_floats_whose_range_the_file_says() -> None:
    values = (3000 * UNIT - 1000).astype(np.float32)
    assert_grey(tiff(values, t340=-1000.0, t341=2000.0), 255 * UNIT)


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_white_is_zero(kind: Any) -> None:
    values = (65535 * UNIT).astype(np.uint16) if kind is np.uint16 else UNIT.astype(kind)
    form = 3 if kind is np.float32 else 1
    assert_grey(raw_tiff(values, t262=0, t339=form), 255 * (1 - UNIT), 1)


@pytest.mark.parametrize("colour", [2, 6])
@pytest.mark.parametrize(("scale", "shown"), [(65535, 255), (16383, 255), (4095, 255), (255, 255)])
def test_colours_of_sixteen_bits(colour: int, scale: int, shown: int) -> None:
    x, y = np.meshgrid(np.linspace(0, 1, 96), np.linspace(0, 1, 64))
    channels = [x, y, 1 - x, np.ones_like(x)][: 3 if colour == 2 else 4]
    values = (scale * np.stack(channels, 2)).round().astype(np.uint16)
    pixels = np.asarray(decode(png(values, colour=colour), wanted_px=224)).astype(float)
    assert np.abs(pixels - shown * np.stack([x, y, 1 - x], 2)).max() <= 1.01


def test_dark_colours_that_are_meant_so_stay_dark() -> None:
    values = np.full((8, 8, 3), 2000, np.uint16)
    pixels = np.asarray(decode(png(values, colour=2, significant=b"\x10\x10\x10"), wanted_px=8))
    assert pixels.max() <= 8


@pytest.mark.parametrize("deflate", [False, True])
def test_colours_of_a_tiff_of_sixteen_bits(deflate: bool) -> None:
    x, y = np.meshgrid(np.linspace(0, 1, 96), np.linspace(0, 1, 64))
    for scale in (65535, 4095):
        values = (scale * np.stack([x, y, 1 - x], 2)).round().astype(np.uint16)
        data = raw_tiff(values, deflate=deflate)
        pixels = np.asarray(decode(data, wanted_px=224)).astype(float)
        assert np.abs(pixels - 255 * np.stack([x, y, 1 - x], 2)).max() <= 1.01


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf, 0.5, 1.0, -3.0, 1e30])
def test_constant_pictures(value: float) -> None:
    data = tiff(np.full((8, 8), value, np.float32))
    wanted = {0.5: 128, 1.0: 255, 1e30: 255}.get(value, 0)
    assert np.abs(grey_of(data) - wanted).max() <= 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(np.zeros((64, 96), np.uint16)), "nearly_black"),
        (png(np.full((64, 96), 500, np.uint16), significant=b"\x10"), "nearly_black"),
        (tiff(np.full((64, 96), 65000, np.uint16)), "nearly_white"),
        (tiff((255 * UNIT).astype(np.uint16)), None),
        (tiff(UNIT.astype(np.float32)), None),
    ],
    ids=["black", "dark", "white", "8 in 16", "float"],
)
def test_nearly_black_and_white_are_reported(data: bytes, reason: str | None) -> None:
    assert [found for found, _ in inspect(data).remarks] == ([reason] if reason else [])
