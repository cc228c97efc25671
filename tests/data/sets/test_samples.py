"""The built-in set: its layout, when it's drawn anew, and that it's the same for everyone."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.sets import drawing, samples
from dogbreed.data.sets.drawing import BREEDS, Breed
from dogbreed.data.sets.samples import are_samples, generate_samples
from dogbreed.utils.files import locked

NAMES = sorted(breed.name for breed in BREEDS)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two photos per breed, so that a test may draw again and again."""
    monkeypatch.setattr(samples, "PHOTOS_PER_BREED", {"train": 1, "test": 1})


def files(root: Path) -> dict[str, bytes]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def test_every_breed_has_its_photos_in_every_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = Image.new("RGB", (8, 8))
    monkeypatch.setattr(samples, "draw_photo", lambda breed, rng: (grey, 75))
    root = generate_samples(tmp_path / "below" / "set")
    expected = {
        f"{split}/{name}/{index:03d}.jpg"
        for split, count in {"train": 40, "valid": 12, "test": 12}.items()
        for name in NAMES
        for index in range(count)
    }
    assert files(root).keys() == {".drawing", *expected}
    assert sorted(path.name for path in root.parent.iterdir()) == [".set.lock", "set"]


def test_its_own_marker_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "PHOTOS_PER_BREED", {"train": 1, "valid": 1, "test": 1})
    root = generate_samples(tmp_path / "samples")
    classes = [folder.name for folder in (root / "train").iterdir()]
    assert are_samples(classes)
    assert not are_samples(classes[1:])
    assert not are_samples([*classes, "Poodle"])
    assert read_folders(root).findings == ()
    (root / ".hidden").touch()
    (finding,) = read_folders(root).findings
    assert "1 hidden or system files" in finding.message


@pytest.mark.usefixtures("few")
def test_every_file_is_the_jpeg_that_its_name_says(tmp_path: Path) -> None:
    for path in generate_samples(tmp_path / "set").glob("*/*/*.jpg"):
        with Image.open(path) as photo:
            photo.load()
            assert (photo.format, photo.mode) == ("JPEG", "RGB")
            assert sorted(photo.size) == [240, 320]


@pytest.mark.usefixtures("few")
def test_the_seed_decides_every_byte(tmp_path: Path) -> None:
    first = files(generate_samples(tmp_path / "a", seed=3))
    assert files(generate_samples(tmp_path / "b", seed=3)) == first
    other = files(generate_samples(tmp_path / "c", seed=4))
    assert other.keys() == first.keys()
    assert all(other[name] != first[name] for name in first)


@pytest.mark.usefixtures("few")
def test_a_whole_set_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = generate_samples(tmp_path / "set")
    monkeypatch.setattr(samples, "draw_photo", None)  # drawing would raise
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert generate_samples(root) == root
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    "change", ["seed", "version", "missing photo", "photo of another class", "a bit", "marker"]
)
def test_a_set_that_differs_is_drawn_again(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    root = generate_samples(tmp_path / "set", seed=1 if change == "seed" else 0)
    photo = root / "train" / NAMES[0] / "000.jpg"
    if change == "missing photo":
        photo.unlink()
    if change == "photo of another class":
        shutil.copy(root / "train" / NAMES[1] / "000.jpg", photo)
    if change == "a bit":
        content = bytearray(photo.read_bytes())
        content[len(content) // 2] ^= 1
        photo.write_bytes(content)
    if change == "marker":
        (root / ".drawing").write_bytes(b"\xff\xfe")
    if change == "version":
        monkeypatch.setattr(samples, "VERSION", 0)
    generate_samples(root)
    assert f"warning: {root} isn't what would be drawn now" in logged()
    assert files(root) == files(generate_samples(tmp_path / "fresh"))
    assert {path.name for path in tmp_path.iterdir()} == {
        ".fresh.lock",
        ".set.lock",
        "fresh",
        "set",
    }


@pytest.mark.usefixtures("few")
def test_a_run_stopped_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(samples, "BREEDS", (*BREEDS[:3], None))
        with pytest.raises(AttributeError):
            generate_samples(tmp_path / "set")
    assert list(tmp_path.iterdir()) == [tmp_path / ".set.lock"]
    assert len(list(generate_samples(tmp_path / "set").glob("*/*/*.jpg"))) == 12


@pytest.mark.usefixtures("few")
def test_somebody_elses_photos_stay(tmp_path: Path) -> None:
    mine = tmp_path / "train" / "Rex" / "000.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"the only photo of Rex")
    with pytest.raises(FileExistsError, match=r"name a new or an empty folder"):
        generate_samples(tmp_path)
    assert files(tmp_path) == {"train/Rex/000.jpg": b"the only photo of Rex"}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("stale", [False, True], ids=["new", "in place of an older one"])
def test_of_two_at_once_one_draws(
    stale: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "set"
    if stale:
        generate_samples(root, seed=1)
    both_found_none = threading.Barrier(2, timeout=30)
    drawn: list[str] = []

    @contextmanager
    def locked_together(path: Path) -> Iterator[bool]:
        both_found_none.wait()
        with locked(path) as held:
            yield held

    def draw_photo(breed: Breed, rng: np.random.Generator) -> tuple[Image.Image, int]:
        drawn.append(breed.name)
        return drawing.draw_photo(breed, rng)

    monkeypatch.setattr(samples, "locked", locked_together)
    monkeypatch.setattr(samples, "draw_photo", draw_photo)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(generate_samples, [root, root])) == [root, root]
    assert sorted(drawn) == sorted(NAMES * 2)
    assert {path.name for path in tmp_path.iterdir()} == {".set.lock", "set"}
    assert len(list(root.glob("*/*/*.jpg"))) == 12


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_place_that_cannot_be_written_is_an_oserror(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        generate_samples(tmp_path / "set")
