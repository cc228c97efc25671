"""The drawn breeds: photos that are worth learning from, and not by a short cut."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dogbreed.data.sets.drawing import BREEDS, draw_photo

TRAIN, TEST = 16, 8  # photos per breed

Photo = NDArray[np.uint8]  # (height, width, 3)


@pytest.fixture(scope="module")
def drawn() -> list[list[Photo]]:
    """TRAIN + TEST photos for each breed."""
    return [
        [
            np.asarray(draw_photo(breed, np.random.default_rng([0, number, index]))[0])
            for index in range(TRAIN + TEST)
        ]
        for number, breed in enumerate(BREEDS)
    ]


def test_the_generator_decides_every_pixel_and_the_quality() -> None:
    (first, *qualities), (again, *same), (other, *_) = (
        draw_photo(BREEDS[0], np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert first.tobytes() == again.tobytes() != other.tobytes()
    assert qualities == same


def test_photos_have_one_of_two_sizes(drawn: list[list[Photo]]) -> None:
    sizes = [photo.shape for photos in drawn for photo in photos]
    assert set(sizes) == {(240, 320, 3), (320, 240, 3)}
    assert 0.1 < sizes.count((320, 240, 3)) / len(sizes) < 0.5


@pytest.mark.parametrize("number", range(len(BREEDS)), ids=[breed.name for breed in BREEDS])
def test_no_two_photos_of_a_breed_are_alike(drawn: list[list[Photo]], number: int) -> None:
    for shape in ((240, 320, 3), (320, 240, 3)):
        same = [photo[::8, ::8].ravel() for photo in drawn[number] if photo.shape == shape]
        rows = np.array(same, dtype=np.float64)
        apart = np.abs(rows[:, None] - rows[None]).mean(axis=2)
        assert apart[~np.eye(len(same), dtype=bool)].min() > 8  # of 255; noise alone gives less


@pytest.mark.parametrize(("rows", "limit"), [(None, 0.6), (12, 0.4)], ids=["photo", "sky"])
def test_mean_colour_does_not_give_the_breed_away(
    drawn: list[list[Photo]], rows: int | None, limit: float
) -> None:
    colours = np.array([[photo[:rows].mean(axis=(0, 1)) for photo in photos] for photos in drawn])
    centres = colours[:, :TRAIN].mean(axis=1)  # (breeds, 3)
    apart = np.linalg.norm(colours[:, TRAIN:, None] - centres, axis=3)
    nearest = apart.argmin(axis=2)  # (breeds, photos)
    assert (nearest == np.arange(len(BREEDS))[:, None]).mean() < limit
