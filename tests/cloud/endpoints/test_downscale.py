"""Photos as they are sent to an endpoint: upright, in proportion, no larger than of use."""

import io

import numpy as np
import pytest
from PIL import Image

from dogbreed.cloud.endpoints.downscale import MAX_SENT_BYTES, downscaled, is_common_format
from dogbreed.errors import PhotoError


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def packed(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_small_photo_stays_as_it_is(kind: str) -> None:
    data = packed(noise(80, 60), kind)
    assert downscaled(data, 1024) is data
    assert is_common_format(data)


def test_a_large_photo_keeps_its_proportions() -> None:
    sent = downscaled(packed(noise(3000, 1500), "JPEG"), 1024)
    assert sent.startswith(b"\xff\xd8")
    with Image.open(io.BytesIO(sent)) as image:
        assert image.size == (1024, 512)


def test_a_photo_of_a_turned_camera_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8  # to be turned to the left
    image = Image.new("RGB", (2000, 1000), "blue")
    image.paste("red", (0, 0, 200, 1000))  # on the left, so it belongs to the bottom
    sent = downscaled(packed(image, "JPEG", exif=exif), 500)
    with Image.open(io.BytesIO(sent)) as turned:
        assert turned.size == (250, 500)
        assert 0x0112 not in turned.getexif()
        red, _, blue = turned.getpixel((125, 490))  # type: ignore[misc]
        assert red > blue


def test_too_many_bytes_become_fewer_whatever_the_size() -> None:
    data = packed(noise(2400, 2400), "PNG")
    assert len(data) > MAX_SENT_BYTES
    assert len(downscaled(data, 4000)) <= MAX_SENT_BYTES


def test_a_format_that_endpoints_don_t_name_is_sent_as_jpeg() -> None:
    data = packed(noise(80, 60), "BMP")
    assert not is_common_format(data)
    assert downscaled(data, 1024).startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "empty"), (b"no photo", "not_an_image"), (b"\xff\xd8", "not_an_image")],
)
def test_what_is_no_photo_is_not_sent(data: bytes, reason: str) -> None:
    with pytest.raises(PhotoError) as caught:
        downscaled(data, 1024)
    assert caught.value.reason == reason
