"""What an earlier launch has checked isn't decoded again; what it complained about is."""

from pathlib import Path

import pytest
from conftest import draw_folders

from dogbreed.cloud.jobs.checked_photos import read_known, write_known
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.run import Config
from dogbreed.data import check
from dogbreed.data.check import Checked
from dogbreed.data.decoding.inspection import Inspected, inspect
from dogbreed.training.preparation import check_photos
from dogbreed.utils.user_paths import cache_dir


class Launches:
    """The checks of launches, with the number of photos that each decoded."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root, self.decoded = root, 0

        def count(data: bytes, max_pixels: int) -> Inspected:
            self.decoded += 1
            return inspect(data, max_pixels=max_pixels)

        patch.setattr(check, "inspect", count)

    def check(self, max_pixels: int = 89_000_000) -> Checked:
        self.decoded = 0
        limits = [f"data.max_pixels={max_pixels}", "data.max_bad_share=0.5"]
        config = compose_as(Config, "train", [f"data.root={self.root}", *limits])
        known = read_known(self.root, max_pixels)
        checked = check_photos(self.root, config, known)
        write_known(self.root, max_pixels, checked, known)
        return checked


@pytest.fixture
def launches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launches:
    return Launches(draw_folders(tmp_path / "photos", {"train": 4, "test": 2}), monkeypatch)


def test_photos_are_decoded_once(launches: Launches) -> None:
    first = launches.check()
    assert launches.decoded == len(first.digests) == 18
    assert launches.check() == first
    assert launches.decoded == 0
    launches.check(max_pixels=88_000_000)
    assert launches.decoded == 18
    (record, _) = (cache_dir() / "checked").iterdir()
    record.write_text("{", "utf-8")
    launches.check()
    launches.check(max_pixels=88_000_000)
    assert launches.check() == first


def test_what_was_found_is_found_again(launches: Launches) -> None:
    bad, misnamed, changed, *_ = sorted(launches.root.rglob("*.jpg"))
    bad.write_bytes(b"no photo")
    misnamed.rename(misnamed.with_suffix(".png"))
    first = launches.check()
    assert {finding.reason for finding in first.findings} >= {"wrong_extension"}
    assert bad not in first.digests
    second = launches.check()
    assert launches.decoded == 2
    assert second == first
    changed.write_bytes(bad.read_bytes())
    assert changed not in launches.check().digests
