"""A JPEG that lacks its end marker alone is a photo; one that lacks a part of the picture isn't."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dogbreed.data.decoding.inspection import inspect
from dogbreed.data.decoding.photos import decode
from dogbreed.errors import PhotoError

NOISE = np.random.default_rng(0).integers(0, 256, (120, 170, 3)).astype(np.uint8)
SMOOTH = np.asarray(
    Image.fromarray(NOISE).resize((17, 12)).resize((170, 120), Image.Resampling.BICUBIC)
)
KINDS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "optimised": {"optimize": True},
    "progressive": {"progressive": True},
    "4:4:4": {"subsampling": 0, "quality": 98},
    "4:2:2": {"subsampling": 1},
    "restarts": {"restart_marker_blocks": 3},
}
MODES = ("RGB", "L", "CMYK")


def jpeg(kind: str = "baseline", mode: str = "RGB", pixels: Any = NOISE) -> bytes:
    out, image = io.BytesIO(), Image.fromarray(pixels)
    if mode == "CMYK":  # with black ink, which Pillow doesn't make of colours
        image = Image.merge(
            "CMYK",
            (*image.split(), image.getchannel("G").transpose(Image.Transpose.FLIP_TOP_BOTTOM)),
        )
    else:
        image = image.convert(mode)
    image.save(out, "JPEG", **KINDS[kind])
    assert out.getvalue().endswith(b"\xff\xd9")
    return out.getvalue()


def reason_of(data: bytes) -> str:
    with pytest.raises(PhotoError) as caught:
        decode(data, wanted_px=1000)
    with pytest.raises(PhotoError) as inspected:
        inspect(data)
    assert caught.value.reason == inspected.value.reason
    return caught.value.reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pixels", [NOISE, SMOOTH], ids=["noise", "smooth"])
@pytest.mark.parametrize("cut", [1, 2])
def test_the_end_marker_alone_is_missing(kind: str, mode: str, pixels: Any, cut: int) -> None:
    whole = jpeg(kind, mode, pixels)
    wanted = np.asarray(decode(whole, wanted_px=1000))
    assert np.array_equal(np.asarray(decode(whole[:-cut], wanted_px=1000)), wanted)
    ((reason, _),) = inspect(whole[:-cut]).remarks
    assert reason == "no_end_marker"
    assert inspect(whole).remarks == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("lost", [1, 2, 3, 10, 200, 0.1, 0.5])
def test_a_part_of_the_picture_is_missing_too(kind: str, mode: str, lost: float) -> None:
    data = jpeg(kind, mode)[:-2]
    count = round(lost * len(data)) if lost < 1 else int(lost)
    assert reason_of(data[:-count]) == "truncated"


@pytest.mark.parametrize("marker", [b"\xff\xda", b"\xff\xc4"])
def test_later_scans_are_missing(marker: bytes) -> None:
    data = jpeg("progressive")
    place = data.find(marker, data.find(b"\xff\xda") + 2)
    while place >= 0:
        assert reason_of(data[:place]) == "truncated"
        place = data.find(marker, place + 2)


def test_cut_off_at_restarts() -> None:
    data = jpeg("restarts")
    places = [at for at in range(len(data) - 1) if data[at] == 0xFF and 0xD0 <= data[at + 1] < 0xD8]
    assert len(places) > 20
    for place in places[:: len(places) // 10]:
        assert reason_of(data[:place]) == "truncated"
        assert reason_of(data[: place + 2]) == "truncated"


def test_the_rest_was_written_as_zeros() -> None:
    data = jpeg("baseline", pixels=SMOOTH)
    assert reason_of(data[: len(data) // 2] + bytes(len(data))) == "truncated"


def test_what_follows_the_end_changes_nothing() -> None:
    assert inspect(jpeg() + b"more" * 100).remarks == ()


def test_an_end_within_a_thumbnail_is_not_the_photos() -> None:
    exif = Image.Exif()
    exif[0x010E] = "\xff\xd9"
    out, inner = io.BytesIO(), jpeg()
    Image.fromarray(NOISE).save(out, "JPEG", exif=b"Exif\0\0" + exif.tobytes() + inner)
    data = out.getvalue()
    assert inspect(data[:-2]).remarks[0][0] == "no_end_marker"
    assert reason_of(data[:-300]) == "truncated"


def test_at_a_fraction_of_its_size() -> None:
    large = np.asarray(Image.fromarray(SMOOTH).resize((1360, 960)))
    data = jpeg(pixels=large)
    wanted = decode(data, wanted_px=100)
    found = decode(data[:-2], wanted_px=100)
    assert found.size == wanted.size == (340, 240)
    assert np.array_equal(np.asarray(found), np.asarray(wanted))


def test_a_photo_that_is_opened_already() -> None:
    """`predict` takes what Pillow opened, too, and may be called again with it."""
    from dogbreed.data.decoding.photos import upright

    opened = Image.open(io.BytesIO(jpeg()[:-2]))
    first, second = upright(opened), upright(opened)
    assert np.array_equal(np.asarray(first), np.asarray(second))
