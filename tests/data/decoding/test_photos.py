"""Every kind of photo decodes to the pixels that a person sees; views are what they say."""

import contextlib
import io
import os
import stat
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import ORIGINAL_PHOTOS, needs
from PIL import Image

from dogbreed.configuration.run import FITS
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.image_formats.base import decoded_suffixes, pillow_formats, suffixes_of
from dogbreed.data.decoding.photos import decode, digest, open_photo, read_bytes
from dogbreed.data.decoding.preprocessing import Preprocessing, view_names
from dogbreed.errors import PhotoError

Array = npt.NDArray[Any]
ORIENTATION = 0x0112  # the EXIF tag


def picture(width: int = 96, height: int = 64) -> Array:
    """A smooth picture that no rotation or reflection leaves as it is: [height, width, 3]."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.stack([255 * x, 255 * y, 255 * (1 - x) * y], axis=2).round().astype(np.uint8)


def encode(image: Image.Image | Array, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(out, format, **options)
    return out.getvalue()


def png(rows: Array, *, depth: int, colour: int, size: tuple[int, int] | None = None) -> bytes:
    """A PNG of kinds that Pillow can't write; `size` lies about how large it is."""
    width, height = size or (rows.shape[1], rows.shape[0])

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*part)
        for part in ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    )


def pixels_of(data: bytes, wanted_px: int = 224) -> Array:
    photo = decode(data, wanted_px=wanted_px)
    assert photo.mode == "RGB"
    return np.asarray(photo).astype(int)


def grey(values: Array) -> Array:
    return np.repeat(np.asarray(values)[:, :, None], 3, axis=2)


def assert_close(actual: Array, expected: Array, tolerance: float) -> None:
    assert actual.shape == expected.shape
    assert np.abs(actual.astype(float) - expected).max() <= tolerance


# --- formats ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}, 6),
        ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}, 6),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("AVIF", {"quality": 95, "subsampling": "4:4:4"}, 8),
    ],
)
def test_each_format(format: str, options: dict[str, Any], tolerance: float) -> None:
    data = encode(picture(), format, **options)
    assert open_photo(data).format == format
    assert_close(pixels_of(data), picture(), tolerance)


def test_phones_jpegs_with_a_second_picture_inside() -> None:
    second = Image.new("RGB", (96, 64), "red")
    data = encode(picture(), "MPO", save_all=True, append_images=[second], quality=95)
    assert open_photo(data).format == "MPO"
    assert_close(pixels_of(data), picture(), 20)


def test_every_format_has_its_suffixes() -> None:
    known = {*pillow_formats(), "MPO", "HEIF"}
    assert len(known) == 9
    for name in known:
        assert all(suffix == suffix.lower() for suffix in suffixes_of(name))
        assert suffixes_of(name) <= decoded_suffixes()
        assert suffixes_of(name)


# --- orientation -----------------------------------------------------------------------------


def stored_as(upright: Array, orientation: int) -> Array:
    """How a camera that was held so stores what should be seen upright (EXIF 2.32, 4.6.5)."""
    return {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}, 6),
        ("PNG", {}, 0),
        ("TIFF", {}, 0),
        ("WEBP", {"lossless": True}, 0),
    ],
)
def test_orientation(
    orientation: int, format: str, options: dict[str, Any], tolerance: float
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = np.ascontiguousarray(stored_as(picture(), orientation))
    assert_close(pixels_of(encode(stored, format, exif=exif, **options)), picture(), tolerance)


def test_orientation_of_a_photo_decoded_at_a_fraction() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    upright = picture(600, 800)
    data = encode(np.ascontiguousarray(np.rot90(upright)), "JPEG", exif=exif, quality=95)
    assert_close(pixels_of(data, wanted_px=32), np.asarray(reduced(upright, 8)), 12)


def reduced(pixels: Array, by: int) -> Image.Image:
    return Image.fromarray(pixels).reduce(by)


@pytest.mark.filterwarnings("ignore:.*EXIF.*:UserWarning", "ignore:Truncated:UserWarning")
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0not a header at all",
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",  # the directory lies beyond the end
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0\0\0\0\0",  # a ninth
    ],
)
def test_damaged_exif_leaves_the_photo_as_it_is(exif: bytes) -> None:
    assert_close(pixels_of(encode(picture(), "JPEG", exif=exif, quality=95)), picture(), 20)


# --- modes -----------------------------------------------------------------------------------

RAMP = np.arange(64 * 96).reshape(64, 96) % 256
DEEP = np.linspace(0, 65535, 64 * 96).round().reshape(64, 96)
FLOAT = np.linspace(0, 1, 64 * 96).reshape(64, 96)
ALPHA = np.tile(np.linspace(0, 255, 96).round(), (64, 1)).astype(np.uint8)
PALETTE = Image.fromarray((RAMP % 4).astype(np.uint8), "P")
PALETTE.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 90, 120, 150])
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 120, 150]])[RAMP % 4]
WHITE_FOR_1 = np.where((RAMP % 4 == 1)[:, :, None], 255, COLOURS)


def over_white(colour: Array, alpha: Array) -> Array:
    share = alpha[:, :, None] / 255
    return colour * share + 255 * (1 - share)


def test_palette() -> None:
    assert_close(pixels_of(encode(PALETTE, "PNG")), COLOURS, 0)
    assert_close(pixels_of(encode(PALETTE, "GIF")), COLOURS, 0)


def test_transparent_colour_of_a_palette_is_white() -> None:
    assert_close(pixels_of(encode(PALETTE, "PNG", transparency=1)), WHITE_FOR_1, 0)
    assert_close(pixels_of(encode(PALETTE, "GIF", transparency=1)), WHITE_FOR_1, 0)


def test_half_transparent_colours_of_a_palette() -> None:
    data = encode(PALETTE, "PNG", transparency=b"\xff\x80\xff\xff")
    half = np.where((RAMP % 4 == 1)[:, :, None], [127, 255, 127], COLOURS)
    assert_close(pixels_of(data), half, 1)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_grey(format: str) -> None:
    assert_close(pixels_of(encode(RAMP.astype(np.uint8), format)), grey(RAMP), 0)


def test_grey_jpeg() -> None:
    smooth = picture()[:, :, 0]
    assert_close(pixels_of(encode(smooth, "JPEG", quality=95)), grey(smooth), 4)


def test_grey_and_alpha_over_white() -> None:
    both = Image.merge("LA", [Image.fromarray(a.astype(np.uint8)) for a in (RAMP, ALPHA)])
    assert_close(pixels_of(encode(both, "PNG")), over_white(grey(RAMP), ALPHA), 1)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_colour_and_alpha_over_white(format: str) -> None:
    rgba = np.dstack([picture(), ALPHA])
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    assert_close(pixels_of(encode(rgba, format, **options)), over_white(picture(), ALPHA), 1)


@pytest.mark.parametrize(("mode", "key"), [("L", 100), ("RGB", (100, 100, 100))])
def test_one_colour_marked_as_transparent(mode: str, key: Any) -> None:
    data = encode(Image.fromarray(RAMP.astype(np.uint8)).convert(mode), "PNG", transparency=key)
    assert_close(pixels_of(data), grey(np.where(RAMP == 100, 255, RAMP)), 0)


@pytest.mark.parametrize(("format", "tolerance"), [("JPEG", 6), ("TIFF", 0)])
@pytest.mark.parametrize(
    ("ink", "colour"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 255, 0), (0, 255, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 0, 0, 128), (127, 127, 127)),
    ],
)
def test_cmyk(format: str, tolerance: float, ink: Any, colour: Any) -> None:
    pixels = pixels_of(encode(Image.new("CMYK", (64, 64), ink), format))
    assert_close(pixels, np.full((64, 64, 3), colour), tolerance)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_one_bit(format: str) -> None:
    data = encode(Image.fromarray(RAMP % 3 == 0), format)
    assert_close(pixels_of(data), grey(np.where(RAMP % 3 == 0, 255, 0)), 0)


def test_grey_of_16_bits_is_scaled_not_clipped() -> None:
    expected = grey(DEEP / 257)
    assert_close(pixels_of(encode(DEEP.astype("<u2"), "PNG")), expected, 0.5001)
    assert_close(pixels_of(encode(DEEP.astype("<u2"), "TIFF")), expected, 0.5001)
    assert_close(pixels_of(encode(DEEP.astype(">u2"), "TIFF")), expected, 0.5001)
    assert_close(pixels_of(png(DEEP.astype(">u2"), depth=16, colour=0)), expected, 0.5001)


def test_colour_of_16_bits() -> None:
    deep = picture().astype(">u2") * 257
    assert_close(pixels_of(png(deep.reshape(64, -1), depth=16, colour=2, size=(96, 64))),
                 picture(), 1)  # fmt: skip


def test_grey_and_alpha_of_16_bits() -> None:
    deep = np.dstack([RAMP * 257, ALPHA.astype(int) * 257]).astype(">u2").reshape(64, -1)
    data = png(deep, depth=16, colour=4, size=(96, 64))
    assert_close(pixels_of(data), over_white(grey(RAMP), ALPHA), 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (FLOAT.astype(np.float32), 255 * FLOAT),
        ((255 * FLOAT).astype(np.float32), 255 * FLOAT),
        ((65535 * FLOAT).astype(np.float32), 255 * FLOAT),
        ((FLOAT - 0.5).astype(np.float32), 127.5 * (FLOAT + 0.5)),
        (DEEP.astype(np.int32), DEEP / 257),
        ((2.0**31 * 0.99 * FLOAT).astype(np.int32), 255 * FLOAT),
        (RAMP.astype(np.int32), RAMP),
    ],
    ids=["0..1", "0..255", "0..65535", "signed", "int 16", "int 32", "int 8"],
)
def test_deep_tiff(values: Array, expected: Array) -> None:
    assert_close(pixels_of(encode(values, "TIFF")), grey(expected), 0.51)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_holes_in_a_float_tiff_are_black_and_nothing_else_is(hole: float) -> None:
    values = FLOAT.astype(np.float32)
    values[0, -1] = hole
    expected = 255 * FLOAT
    expected[0, -1] = 0
    assert_close(pixels_of(encode(values, "TIFF")), grey(expected), 0.51)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_an_animation(format: str) -> None:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encode(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert_close(pixels_of(data), np.full((48, 64, 3), [255, 0, 0]), 0)


def test_first_frame_of_an_animation_with_a_palette_of_its_own() -> None:
    other = PALETTE.copy()
    other.putpalette([1, 2, 3] * 4)
    data = encode(PALETTE, "GIF", save_all=True, append_images=[other])
    assert_close(pixels_of(data), COLOURS, 0)


# --- decoding at a fraction ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "fit"),
    [("RGB", "crop"), ("L", "crop"), ("CMYK", "crop"), ("RGB", "pad"), ("RGB", "stretch")],
)
def test_decoding_at_a_fraction_gives_the_same_view(mode: str, fit: str) -> None:
    x, y = np.meshgrid(np.arange(1800), np.arange(1350))
    texture = 40 * np.sin(x / 7) * np.sin(y / 11) + 25 * np.sin((x + y) / 3)
    pixels = (picture(1800, 1350) * 0.7 + 40 + texture[:, :, None]).clip(0, 255).astype(np.uint8)
    data = encode(Image.fromarray(pixels).convert(mode), "JPEG", quality=92)
    fast, whole = decode(data, wanted_px=224), decode(data, wanted_px=10_000)
    assert fast.width < whole.width
    assert whole.size == (1800, 1350)
    for name in view_names(3):
        view = Preprocessing(size_px=224, fit=fit).view
        difference = np.abs(view(fast, name).astype(int) - view(whole, name))
        assert difference.mean() < 1
        assert np.percentile(difference, 99.9) <= 10


@pytest.mark.parametrize("side", [30, 223, 224, 447, 448, 449, 895, 896, 1000, 1793, 3600])
@pytest.mark.parametrize("upright", [True, False])
def test_a_fraction_never_below_twice_what_is_wanted(side: int, upright: bool) -> None:
    size = (side, side * 3 // 2) if upright else (side * 3 // 2, side)
    photo = decode(encode(Image.new("RGB", size, "teal"), "JPEG"), wanted_px=224)
    assert min(photo.size) >= min(side, 448)
    assert min(photo.size) < 2 * 448 or min(photo.size) == side // 8
    assert photo.width / photo.height == pytest.approx(size[0] / size[1], rel=0.01)


# --- what can't be used ----------------------------------------------------------------------


def test_bytes_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "naïve — 犬 🐕.jpg"
    path.write_bytes(b"abc")
    assert read_bytes(path) == b"abc"


def reason_of(path: Path) -> tuple[str, str]:
    with pytest.raises(PhotoError) as caught:
        read_bytes(path)
    return caught.value.reason, str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "broken.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    assert reason_of(tmp_path / "empty.jpg") == ("empty", "the file is empty (0 bytes)")
    for name in ("folder.jpg", "broken.jpg", "loop.jpg", "missing.jpg"):
        assert reason_of(tmp_path / name)[0] == "unreadable"
    assert "No such file" in reason_of(tmp_path / "missing.jpg")[1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason_of(tmp_path / "pipe.jpg") == ("unreadable", "not a regular file")


def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "mine.jpg"
    path.write_bytes(b"abc")
    path.chmod(stat.S_IWUSR)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    assert reason_of(path) == ("unreadable", "can't be read: Permission denied")


def test_a_file_of_too_many_bytes_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.jpg"
    path.write_bytes(b"x" * 1001)
    monkeypatch.setattr(photos, "MAX_BYTES", 1000)
    assert reason_of(path) == ("too_large", "1,001 bytes; the limit is 1,000")
    monkeypatch.setattr(photos, "MAX_BYTES", 1001)
    assert len(read_bytes(path)) == 1001


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"just a note",
        b"<!doctype html><title>404</title>",
        bytes(range(256)),
        b"\0" * 1000,
    ],
)
def test_not_an_image(data: bytes) -> None:
    for read in (open_photo, lambda d: decode(d, wanted_px=8)):
        with pytest.raises(PhotoError, match="not an image of a known format") as caught:
            read(data)
        assert caught.value.reason == "not_an_image"


def test_a_pillow_without_the_newest_format_knows_what_is_no_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = (*pillow_formats(), "NEWER")
    monkeypatch.setattr(photos, "pillow_formats", lambda: known)
    assert open_photo(encode(picture(), "AVIF")).format == "AVIF"
    with pytest.raises(PhotoError) as caught:
        open_photo(b"just a note")
    assert caught.value.reason == "not_an_image"


def vast_jpeg(width: int, height: int) -> bytes:
    data = bytearray(encode(picture(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("size", [(30_000, 30_000), (65_000, 1_500), (1_500, 65_000)])
def test_absurdly_large(size: tuple[int, int]) -> None:
    short = np.zeros((3, 10), np.uint8)
    for data in (png(short, depth=8, colour=2, size=size), vast_jpeg(*size)):
        with pytest.raises(PhotoError, match="pixels") as caught:
            decode(data, wanted_px=224)
        assert caught.value.reason == "too_large"


def test_limit_of_pixels() -> None:
    data = encode(Image.new("L", (100, 101)), "PNG")
    assert decode(data, wanted_px=8, max_pixels=10_100).size == (100, 101)
    with pytest.raises(PhotoError, match=r"100x101 pixels.* 10,099 pixels") as caught:
        decode(data, wanted_px=8, max_pixels=10_099)
    assert caught.value.reason == "too_large"


NOISE = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("format", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("BMP", {}),
     ("TIFF", {}), ("WEBP", {})],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_truncated(format: str, options: dict[str, Any], share: float) -> None:
    data = encode(NOISE, format, **options)
    with pytest.raises(PhotoError) as caught:
        decode(data[: int(len(data) * share)], wanted_px=224)
    # libwebp doesn't say what it finds wrong.
    assert caught.value.reason == ("damaged" if format == "WEBP" else "truncated")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_random_damage_gives_a_photo_or_a_photo_error(format: str) -> None:
    data, random = encode(NOISE, format), np.random.default_rng(7)
    for _ in range(40):
        damaged = np.frombuffer(data, np.uint8).copy()
        where = random.integers(0, len(damaged), 6)
        damaged[where] = random.integers(0, 256, 6)
        # An error of any other kind fails the test.
        with contextlib.suppress(PhotoError):
            assert decode(damaged.tobytes(), wanted_px=32).mode == "RGB"


def test_digest_is_of_the_content() -> None:
    assert digest(b"a") == digest(b"a") != digest(b"b")
    assert len(digest(b"")) == 32


def test_photos_need_no_torch() -> None:
    code = "import sys, dogbreed.data.decoding.photos; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


@needs(ORIGINAL_PHOTOS)
def test_real_photos_of_original_size() -> None:
    paths = sorted(ORIGINAL_PHOTOS.rglob("*.jpg"))
    assert paths
    for path in paths:
        data = read_bytes(path)
        header = open_photo(data)
        photo = decode(data, wanted_px=64)
        assert min(photo.size) >= min(128, *header.size)
        assert photo.width / photo.height == pytest.approx(header.width / header.height, rel=0.02)
        full = decode(data, wanted_px=10_000)
        for fit in FITS:
            view = Preprocessing(size_px=64, fit=fit).view
            difference = view(photo, "centre").astype(int) - view(full, "centre")
            # Fine fur differs in its detail, not in its colour or place.
            assert np.abs(difference).mean() < 4
            assert np.abs(difference.mean(axis=(0, 1))).max() < 1
            assert view(full, "centre").std() > 10
