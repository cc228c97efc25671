"""A decoded photo becomes the square that the network sees: its views, with each data.fit."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from dogbreed.configuration.run import FITS
from dogbreed.data.decoding.photos import digest
from dogbreed.data.decoding.preprocessing import Preprocessing, view_names
from dogbreed.errors import ConfigError

Array = npt.NDArray[Any]


def picture(width: int = 96, height: int = 64) -> Array:
    """A smooth picture that no rotation or reflection leaves as it is: [height, width, 3]."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.stack([255 * x, 255 * y, 255 * (1 - x) * y], axis=2).round().astype(np.uint8)


def assert_close(actual: Array, expected: Array, tolerance: float) -> None:
    assert actual.shape == expected.shape
    assert np.abs(actual.astype(float) - expected).max() <= tolerance


def places(width: int, height: int) -> Array:
    """Each pixel says where it lies: red its column, green its row."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)


@pytest.mark.parametrize("names", [view_names(4), ("mirror",), ("mirror", "centre")])
@pytest.mark.parametrize("fit", FITS)
def test_views_together_are_what_each_is_alone(fit: str, names: tuple[str, ...]) -> None:
    photo = Image.effect_noise((90, 70), 60).convert("RGB")
    preprocessing = Preprocessing(size_px=32, fit=fit)
    together = preprocessing.views(photo, names, digest(b"photo"))
    alone = [preprocessing.view(photo, name, digest(b"photo")) for name in names]
    np.testing.assert_array_equal(together, np.stack(alone))


def test_view_names() -> None:
    assert view_names(1) == ("centre",)
    assert view_names(2) == ("centre", "mirror")
    assert view_names(5) == ("centre", "mirror", "crop1", "crop2", "crop3")


@pytest.mark.parametrize(
    ("size", "share", "box"),
    [
        ((200, 120), 1.0, (40, 0, 160, 120)),
        ((120, 200), 1.0, (0, 40, 120, 160)),
        ((200, 160), 0.75, (40, 20, 160, 140)),
        ((240, 250), 0.5, (60, 65, 180, 185)),
    ],
)
def test_centre_is_the_square_in_the_middle(
    size: tuple[int, int], share: float, box: tuple[int, int, int, int]
) -> None:
    left, top, right, bottom = box
    pixels = places(*size)
    view = Preprocessing(size_px=120, crop_share=share).view(Image.fromarray(pixels), "centre")
    assert np.array_equal(view, pixels[top:bottom, left:right])


@pytest.mark.parametrize("size_px", [32, 224])
def test_crop_share_is_a_share_of_the_shorter_side(size_px: int) -> None:
    photo = Image.fromarray(picture(400, 320))
    by_hand = photo.crop((60, 20, 340, 300)).resize((size_px,) * 2, Image.Resampling.BICUBIC)
    view = Preprocessing(size_px=size_px, crop_share=0.875).view(photo, "centre")
    assert_close(view, np.asarray(by_hand).astype(int), 1)


@pytest.mark.parametrize("size", [(97, 64), (64, 97), (301, 200), (33, 33)])
@pytest.mark.parametrize("share", [1.0, 0.875])
def test_the_middle_is_the_same_from_the_left_and_from_the_right(
    size: tuple[int, int], share: float
) -> None:
    preprocessing = Preprocessing(size_px=48, crop_share=share)
    photo, mirrored = picture(*size), np.ascontiguousarray(picture(*size)[:, ::-1])
    one = preprocessing.view(Image.fromarray(photo), "centre")
    other = preprocessing.view(Image.fromarray(mirrored), "centre")
    assert_close(one, other[:, ::-1].astype(int), 1)


@pytest.mark.parametrize("size", [(48, 48), (97, 64), (20, 31)])
@pytest.mark.parametrize("fit", FITS)
def test_mirror_is_the_exact_flip(fit: str, size: tuple[int, int]) -> None:
    photo, preprocessing = Image.fromarray(picture(*size)), Preprocessing(size_px=48, fit=fit)
    centre, mirror = (preprocessing.view(photo, name) for name in ("centre", "mirror"))
    assert np.array_equal(mirror, centre[:, ::-1])
    assert not np.array_equal(mirror, centre)


def test_a_photo_of_the_right_size_is_untouched() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    view = Preprocessing(size_px=64).view(Image.fromarray(noise), "centre")
    assert np.array_equal(view, noise)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 3), (2000, 40)])
@pytest.mark.parametrize("name", view_names(6))
@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_any_size_gives_a_whole_view(fit: str, size: tuple[int, int], name: str) -> None:
    photo = Image.new("RGB", size, (9, 99, 199))
    view = Preprocessing(size_px=32, fit=fit).view(photo, name, b"x" * 32)
    assert view.dtype == np.uint8
    assert view.flags.c_contiguous
    assert_close(view, np.full((32, 32, 3), [9, 99, 199]), 0)


def test_seeded_crops_follow_from_content_and_number_alone() -> None:
    photo, preprocessing = Image.fromarray(picture(300, 200)), Preprocessing(size_px=48)
    names = view_names(10)[2:]
    mine, yours = digest(b"mine"), digest(b"yours")
    crops = [preprocessing.view(photo, name, mine) for name in names]
    np.random.default_rng(1)
    again = [preprocessing.view(photo, name, mine) for name in reversed(names)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(crops, again, strict=True))
    assert len({crop.tobytes() for crop in crops}) == len(names)
    others = [preprocessing.view(photo, name, yours) for name in names]
    assert not {crop.tobytes() for crop in crops} & {crop.tobytes() for crop in others}


def test_crops_keep_to_their_area_and_shape() -> None:
    photo, preprocessing = Image.fromarray(places(256, 256)), Preprocessing(size_px=64)
    mirrored, shares = 0, []
    for seed in range(300):
        crop = preprocessing.random_crop(photo, np.random.default_rng(seed)).astype(int)
        across, down = (crop[:, :, 0].mean(axis=0), crop[:, :, 1].mean(axis=1))
        # From the middle of the first pixel to that of the last is 63/64 of the side.
        width, height = abs(across[-1] - across[0]) * 64 / 63, (down[-1] - down[0]) * 64 / 63
        mirrored += across[-1] < across[0]
        shares.append(width * height / 256**2)
        assert 3 / 4 * 0.96 < width / height < 4 / 3 * 1.04
    assert 0.33 < min(shares) < 0.4
    assert 0.8 < max(shares) <= 1.02
    assert 110 < mirrored < 190


def test_what_decides_the_pixels_is_described() -> None:
    kinds = [Preprocessing(), Preprocessing(size_px=225), Preprocessing(crop_share=0.9),
             Preprocessing(version="1"), Preprocessing(fit="pad"),
             Preprocessing(fit="stretch")]  # fmt: skip
    assert len({str(sorted(kind.describe().items())) for kind in kinds}) == len(kinds)
    assert Preprocessing().describe() == Preprocessing(size_px=224, crop_share=1.0).describe()


# --- fits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "place"),
    [
        ((300, 200), (0, 8, 48, 40)),
        ((200, 300), (8, 0, 40, 48)),
        ((24, 8), (0, 16, 48, 32)),  # enlarged
        ((48, 31), (0, 8, 48, 39)),  # not scaled; a line more below
        ((1, 10_000), (23, 0, 24, 48)),
        ((10_000, 1), (0, 23, 48, 24)),
    ],
)
def test_padded_photos_are_complete_between_bars(
    size: tuple[int, int], place: tuple[int, int, int, int]
) -> None:
    left, top, right, bottom = place
    photo = Image.fromarray(picture(*size))
    preprocessing = Preprocessing(size_px=48, fit="pad")
    view = preprocessing.view(photo, "centre")
    by_hand = photo.resize((right - left, bottom - top), Image.Resampling.BICUBIC)
    assert_close(view[top:bottom, left:right], np.asarray(by_hand), 1)
    bars = np.ones((48, 48), bool)
    bars[top:bottom, left:right] = False
    normalised = (view[bars] - np.array(preprocessing.mean)) / preprocessing.std
    assert np.abs(normalised).max() < 0.01, "nothing, for the network"


@pytest.mark.parametrize(
    ("mean", "bars"),
    [((127, 127, 127), 127), ((0, 0, 0), 0), ((-10, -10, -10), 0), ((255, 255, 255), 255)],
)
def test_bars_have_the_mean_colour_of_the_backbone(
    mean: tuple[float, float, float], bars: int
) -> None:
    preprocessing = Preprocessing(size_px=32, fit="pad", mean=mean)
    view = preprocessing.view(Image.new("RGB", (64, 32), "red"), "centre")
    assert (view[:8] == bars).all()


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (500, 20), (20, 31)])
def test_stretched_photos_fill_the_square(size: tuple[int, int]) -> None:
    photo = Image.fromarray(picture(*size))
    view = Preprocessing(size_px=48, fit="stretch").view(photo, "centre")
    by_hand = photo.resize((48, 48), Image.Resampling.BICUBIC)
    assert_close(view, np.asarray(by_hand).astype(int), 1)


@pytest.mark.parametrize("side", [48, 100])
def test_square_photos_have_one_fit(side: int) -> None:
    photo, names = Image.fromarray(picture(side, side)), view_names(5)
    crop, *others = (
        Preprocessing(size_px=48, fit=fit).views(photo, names, digest(b"photo")) for fit in FITS
    )
    for other in others:
        np.testing.assert_array_equal(other, crop)


@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize("size", [(240, 120), (80, 240)])
def test_random_crops_take_the_place_of_the_photo(fit: str, size: tuple[int, int]) -> None:
    width, height = size
    photo, preprocessing = Image.fromarray(places(*size)), Preprocessing(size_px=48, fit=fit)
    seen = preprocessing.view(photo, "centre")[..., 2] == 0  # of this photo blue is 0, bars aren't
    rows, columns = seen.any(axis=1), seen.any(axis=0)
    shares = []
    for seed in range(100):
        crop = preprocessing.random_crop(photo, np.random.default_rng(seed)).astype(int)
        assert np.array_equal(crop[..., 2] == 0, seen), "between the same bars"
        inside = crop[rows][:, columns]
        across, down = inside[..., 0].mean(axis=0), inside[..., 1].mean(axis=1)
        shown = [
            abs(line[-1] - line[0]) * len(line) / (len(line) - 1) / side
            for line, side in ((across, width), (down, height))
        ]
        shares.append(shown[0] * shown[1])
        assert 3 / 4 * 0.93 < shown[0] / shown[1] < 4 / 3 * 1.07, "of the photo's own shape"
    assert 0.3 < min(shares) < 0.45
    assert 0.8 < max(shares) < 1.05


def test_a_fit_is_one_of_three_and_has_no_share() -> None:
    with pytest.raises(ConfigError, match=r"^fit='padd': must be one of .* Did you mean pad\?$"):
        Preprocessing(fit="padd")
    for fit in ("pad", "stretch"):
        assert Preprocessing(fit=fit, crop_share=1).crop_share == 1
        with pytest.raises(ConfigError, match=rf"crop_share=0.9: must be 1 with fit={fit}"):
            Preprocessing(fit=fit, crop_share=0.9)
