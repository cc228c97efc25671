"""The drawn data set: its layout, that it's the same for everyone, and that it's worth learning."""

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dogbreed.data import samples
from dogbreed.data.samples import BREEDS, PHOTOS_PER_BREED, draw_samples

NAMES = sorted(breed.name for breed in BREEDS)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole set, drawn once; tests that alter it work on a copy."""
    return draw_samples(tmp_path_factory.mktemp("drawn") / "below" / "set")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two photos per breed, so that a test may draw again and again."""
    monkeypatch.setattr(samples, "PHOTOS_PER_BREED", {"train": 1, "test": 1})


def files(root: Path) -> dict[str, bytes]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def pixels(root: Path, split: str, breed: str) -> list[NDArray[np.float64]]:
    photos = []
    for path in sorted((root / split / breed).iterdir()):
        with Image.open(path) as photo:
            photos.append(np.asarray(photo, dtype=np.float64))
    return photos


def test_every_breed_has_its_photos_in_every_split(root: Path) -> None:
    assert sorted(path.name for path in root.iterdir() if path.is_dir()) == [
        "test",
        "train",
        "valid",
    ]
    for split, count in PHOTOS_PER_BREED.items():
        assert sorted(path.name for path in (root / split).iterdir()) == NAMES
        for name in NAMES:
            found = sorted(path.name for path in (root / split / name).iterdir())
            assert found == [f"{index:03d}.jpg" for index in range(count)]
    assert sum(PHOTOS_PER_BREED.values()) * len(NAMES) == 384


def test_nothing_is_left_beside_the_folder(root: Path) -> None:
    assert list(root.parent.iterdir()) == [root]


def test_every_photo_opens_in_one_of_two_sizes(root: Path) -> None:
    sizes = []
    for path in root.glob("*/*/*.jpg"):
        with Image.open(path) as photo:
            photo.load()
            assert (photo.format, photo.mode) == ("JPEG", "RGB")
            sizes.append(photo.size)
    assert set(sizes) == {(320, 240), (240, 320)}
    assert 0.1 < sizes.count((240, 320)) / len(sizes) < 0.5


@pytest.mark.usefixtures("few")
def test_the_seed_decides_every_byte(tmp_path: Path) -> None:
    first = files(draw_samples(tmp_path / "a", seed=3))
    assert files(draw_samples(tmp_path / "b", seed=3)) == first
    other = files(draw_samples(tmp_path / "c", seed=4))
    assert other.keys() == first.keys()
    assert all(other[name] != first[name] for name in first)


def test_the_whole_set_is_drawn_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_photo", None)  # drawing would raise
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert draw_samples(root) == root
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("change", ["seed", "version", "missing photo"])
def test_a_set_that_differs_is_drawn_anew(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = draw_samples(tmp_path / "set", seed=1 if change == "seed" else 0)
    (root / "train" / NAMES[0] / "000.jpg").unlink()
    if change != "missing photo":
        shutil.copy(root / "test" / NAMES[0] / "000.jpg", root / "train" / NAMES[0] / "000.jpg")
    if change == "version":
        monkeypatch.setattr(samples, "_VERSION", 0)
    draw_samples(root)
    assert files(root) == files(draw_samples(tmp_path / "fresh"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh", "set"]


@pytest.mark.usefixtures("few")
def test_a_run_stopped_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(samples, "BREEDS", (*BREEDS[:3], None))
        with pytest.raises(AttributeError):
            draw_samples(tmp_path / "set")
    assert list(tmp_path.iterdir()) == []
    assert len(list(draw_samples(tmp_path / "set").glob("*/*/*.jpg"))) == 12


@pytest.mark.usefixtures("few")
def test_somebody_elses_photos_stay(tmp_path: Path) -> None:
    mine = tmp_path / "train" / "Rex" / "000.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"the only photo of Rex")
    with pytest.raises(FileExistsError, match=r"name a new or an empty folder"):
        draw_samples(tmp_path)
    assert files(tmp_path) == {"train/Rex/000.jpg": b"the only photo of Rex"}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("stale", [False, True], ids=["new", "in place of an older one"])
def test_two_at_once_leave_one_whole_set(
    stale: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stale:
        draw_samples(tmp_path / "set", seed=1)
    both_are_ready = threading.Barrier(2, timeout=30)
    publish = samples._publish

    def publish_together(drawn: Path, root: Path, marker: str) -> None:
        both_are_ready.wait()
        publish(drawn, root, marker)

    monkeypatch.setattr(samples, "_publish", publish_together)
    root, failures = tmp_path / "set", []

    def draw() -> None:
        try:
            draw_samples(root)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=draw) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(tmp_path.iterdir()) == [root]
    assert len(list(root.glob("*/*/*.jpg"))) == 12


@pytest.mark.usefixtures("few")
def test_a_rival_may_take_the_old_set_away_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = draw_samples(tmp_path / "set", seed=1)
    is_whole = samples._is_whole

    def gone_while_publishing(root: Path, marker: str) -> bool:
        whole = is_whole(root, marker)
        if list(tmp_path.glob(".set-*")):
            shutil.rmtree(root)
        return whole

    monkeypatch.setattr(samples, "_is_whole", gone_while_publishing)
    draw_samples(root)
    assert files(root) == files(draw_samples(tmp_path / "fresh"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_place_that_cannot_be_written_is_an_oserror(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        draw_samples(tmp_path / "set")


@pytest.mark.parametrize("breed", NAMES)
def test_no_two_photos_of_a_breed_are_alike(root: Path, breed: str) -> None:
    photos = [photo for split in PHOTOS_PER_BREED for photo in pixels(root, split, breed)]
    for shape in ((240, 320, 3), (320, 240, 3)):
        same = np.array([photo[::8, ::8].ravel() for photo in photos if photo.shape == shape])
        apart = np.abs(same[:, None] - same[None]).mean(axis=2)
        assert apart[~np.eye(len(same), dtype=bool)].min() > 8  # of 255; noise alone gives less


@pytest.mark.parametrize(("rows", "limit"), [(None, 0.6), (12, 0.4)], ids=["photo", "sky"])
def test_mean_colour_does_not_give_the_breed_away(
    root: Path, rows: int | None, limit: float
) -> None:
    def mean_colours(split: str) -> NDArray[np.float64]:
        photos = [pixels(root, split, name) for name in NAMES]
        return np.array([[photo[:rows].mean(axis=(0, 1)) for photo in breed] for breed in photos])

    centres = mean_colours("train").mean(axis=1)  # (breeds, 3)
    apart = np.linalg.norm(mean_colours("test")[:, :, None] - centres, axis=3)
    nearest = apart.argmin(axis=2)  # (breeds, photos)
    assert (nearest == np.arange(len(NAMES))[:, None]).mean() < limit
