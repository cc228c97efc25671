"""What an earlier or a running search conflicts with, found before photos pass the backbone."""

import shutil
from pathlib import Path

import pytest
from conftest import SMALL, draw_folders
from search.local.test_local_search import LOSS, SPACE

from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import DogbreedError
from dogbreed.search.local import search
from dogbreed.search.local.search import run_local_search
from dogbreed.search.runner_limits import check_local_search
from dogbreed.utils.files import locked

SETTINGS = (*(each for each in SMALL if "batch_size" not in each), *LOSS, *SPACE)


class FeaturePassError(Exception):
    """The feature pass was started."""


def start(root: Path, name: str, *overrides: str) -> None:
    """Run a search up to its feature pass."""
    places = (f"data.root={root / 'photos'}", f"output_root={root / 'outputs'}")
    arguments = ["launcher=local", *places, f"search.name={name}", *SETTINGS, *overrides]
    config = compose_as(TuneConfig, "tune", arguments)
    run_local_search(config, check_local_search(config))


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/, and a search `mine` that was killed in its feature pass."""
    root = tmp_path_factory.mktemp("conflicts")
    draw_folders(root / "photos", {"train": 3, "valid": 2, "test": 2})
    with pytest.MonkeyPatch.context() as patched:
        stop_before_features(patched)
        with pytest.raises(FeaturePassError):
            start(root, "mine")
    return root


def stop_before_features(monkeypatch: pytest.MonkeyPatch) -> None:
    def compute(*arguments: object) -> None:
        raise FeaturePassError

    monkeypatch.setattr(search, "cached_features", compute)


@pytest.fixture
def root(started: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder, its searches as they were."""
    searches = started / "outputs" / "searches"
    saved = started / "saved"
    if not saved.exists():
        shutil.copytree(searches / "mine", saved)
    shutil.rmtree(searches)
    shutil.copytree(saved, searches / "mine")
    stop_before_features(monkeypatch)
    return started


def test_the_same_search_gets_to_the_features(root: Path) -> None:
    with pytest.raises(FeaturePassError):
        start(root, "mine")


@pytest.mark.parametrize("conflict", ["other keys", "no search to reuse", "other objective"])
def test_what_no_photo_decides_is_found_before_the_photos_are_read(
    root: Path, monkeypatch: pytest.MonkeyPatch, conflict: str
) -> None:
    monkeypatch.setattr(search, "prepare", None)
    name, overrides, words = {
        "other keys": ("mine", ("seed=7",), "search.name=mine exists with seed=0, now it is 7"),
        "no search to reuse": ("new", ("search.warm_start=[x]",), "has no search of that name"),
        "other objective": (
            "new",
            (
                "search.warm_start=[mine]",
                "search.objective=valid_top1",
                "search.direction=maximize",
            ),
            "its objective was valid_loss",
        ),
    }[conflict]
    with pytest.raises(DogbreedError, match=words):
        start(root, name, *overrides)


def test_other_photos_of_a_search(root: Path) -> None:
    folder = root / "outputs" / "searches" / "mine"
    (folder / "photos.sha256").write_text("0" * 64, "utf-8")
    with pytest.raises(DogbreedError, match="exists with other photos"):
        start(root, "mine")


def test_a_search_that_another_command_runs(root: Path) -> None:
    folder = root / "outputs" / "searches" / "mine"
    with locked(folder / "lock", wait=False) as alone:
        assert alone
        with pytest.raises(DogbreedError, match="another command runs the search"):
            start(root, "mine")


def test_a_folder_that_no_search_wrote(root: Path) -> None:
    (root / "outputs" / "searches" / "mine" / "odd").symlink_to("elsewhere")
    with pytest.raises(DogbreedError, match="is no regular file, so no search wrote it"):
        start(root, "mine")


def test_a_damaged_study_and_a_damaged_one_to_reuse(root: Path) -> None:
    study = root / "outputs" / "searches" / "mine" / "study.db"
    study.write_bytes(b"no database" * 1000)
    with pytest.raises(DogbreedError, match="start a new search with another"):
        start(root, "mine")
    with pytest.raises(DogbreedError, match="leave it out of"):
        start(root, "new", "search.warm_start=[mine]")
