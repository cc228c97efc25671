"""A feature set: extracted in shares, it trains as the photos themselves do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SMALL, Train, draw_folders

from dogbreed.configuration.composing import compose
from dogbreed.errors import StoreError
from dogbreed.features.extraction import FrozenPart, Request, open_caches
from dogbreed.features.shard import read_feature_shard, share_folder, write_index
from dogbreed.runtime import engine
from dogbreed.training.features import extract_share
from dogbreed.training.preparation import prepare, resolve
from dogbreed.utils.clock import Clock

FILES = ("features.bin", "digests.bin")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw_folders(tmp_path / "photos", {"train": 12, "valid": 40, "test": 4})


def extract(photos: Path, folder: Path, shares: int, *settings: str) -> Path:
    """As so many machines would, one after the other."""
    prepared = prepare(compose([f"data.root={photos}", *SMALL, *settings]), Clock())
    for share in range(shares):
        extract_share(prepared, share_folder(folder, share), share, shares, Clock())
    write_index(folder, "mine", prepared.checked, prepared.choice)
    return folder


def metrics(tmp_path: Path) -> dict[str, Any]:
    latest = tmp_path / "outputs" / "latest" / "metrics.json"
    values: dict[str, Any] = json.loads(latest.read_text("utf-8"))
    return values


@pytest.mark.runs
def test_it_trains_as_the_photos_do(train: Train, photos: Path, tmp_path: Path) -> None:
    done = train(f"data.root={photos}", *SMALL, "artifact.openvino=true")
    assert done.returncode == 0, done.stderr
    from_photos = metrics(tmp_path)
    folder = extract(photos, tmp_path / "set", shares=3)
    # Of all the photos only the few that the written model answers for came along.
    assert len(list((folder / "photos").rglob("*.jpg"))) == 32
    shutil.rmtree(photos)
    shutil.rmtree(tmp_path / "cache")
    done = train(f"data.feature_set={folder}", *SMALL, "artifact.openvino=true")
    assert done.returncode == 0, done.stderr
    assert "336 of the feature set" in done.stdout
    from_set = metrics(tmp_path)
    assert (tmp_path / "outputs" / "latest").resolve().name.endswith("-mine")
    for name in ("train", "valid", "test", "data_fingerprint", "forms"):
        assert from_set[name] == from_photos[name], name


@pytest.mark.runs
def test_views_that_only_training_has_arent_missed(
    train: Train, photos: Path, tmp_path: Path
) -> None:
    one_view = "features.average=false"  # of validation and test photos, two of training photos
    folder = extract(photos, tmp_path / "set", 2, one_view)
    done = train(f"data.feature_set={folder}", *SMALL, one_view)
    assert done.returncode == 0, done.stderr
    assert "204 of the feature set" in done.stdout


@pytest.mark.runs
def test_what_it_lacks_is_said(train: Train, photos: Path, tmp_path: Path) -> None:
    folder = extract(photos, tmp_path / "set", shares=2)
    for setting in ("data.crop_share=0.8", "data.fit=pad"):
        other = train(f"data.feature_set={folder}", *SMALL, setting)
        assert other.returncode == 1
        assert "lacks the features of 168 of 168 photos" in other.stderr
    shutil.rmtree(share_folder(folder, 1))
    done = train(f"data.feature_set={folder}", *SMALL)
    assert done.returncode == 1
    assert "lacks the features of 84 of 168 photos" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "there is no feature shard"),
        ("[", "can't be read as a feature shard"),
        ('{"schema": 2}', "of an older dogbreed"),
        ('{"schema": 3}', "can't be read as a feature shard"),
        ('{"schema": 4}', "of a newer dogbreed"),
        ('{"schema": 3, "sha256": "0"}', "is damaged"),
    ],
)
def test_a_folder_that_is_none_is_refused(text: str | None, told: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "photos.json").write_text(text, "utf-8")
    with pytest.raises(StoreError) as caught:
        read_feature_shard(tmp_path)
    assert told in str(caught.value)


@pytest.mark.parametrize("trials", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_damaged_rows_of_a_set_are_reported_and_never_taken(
    trials: int, photos: Path, tmp_path: Path, logged: Callable[[], str]
) -> None:
    folder = extract(photos, tmp_path / "set", shares=2)
    config = compose([f"data.root={photos}", *SMALL])
    _, backbone, choice = resolve(config, None)
    settings = (FrozenPart(backbone, choice), ("centre", "mirror"))
    feature_set, clean = read_feature_shard(folder), open_caches(tmp_path / "clean", *settings)
    digests = list(feature_set.checked.digests.values())
    requests = [
        Request(path=path, digest=digest, views=("centre", "mirror"))
        for path, digest in feature_set.checked.digests.items()
    ]
    assert feature_set.fill(clean, requests) == 336
    right = clean["mirror"].reader()[clean["mirror"].rows(digests)]
    assert "is damaged" not in logged()
    random = np.random.default_rng(0)
    for trial in range(trials):
        path = share_folder(folder, trial % 2) / clean["mirror"].folder.name / FILES[trial % 4 // 2]
        content = path.read_bytes()
        place = int(random.integers(len(content)))
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        stores = open_caches(tmp_path / str(trial), *settings)
        with pytest.raises(StoreError, match="lacks the features of 1 of 168 photos"):
            feature_set.fill(stores, requests)
        assert f"warning: {path} is damaged: 1 of 84" in logged()
        known = np.array([digest in stores["mirror"] for digest in digests])
        rows = stores["mirror"].rows(digest for digest in digests if digest in stores["mirror"])
        assert known.sum() == 167
        assert np.array_equal(stores["mirror"].reader()[rows], right[known])
        path.write_bytes(content)
        assert feature_set.fill(stores, requests) == 1


@pytest.mark.parametrize("trials", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_a_damaged_index_or_photo_of_a_set_is_refused(
    trials: int, photos: Path, tmp_path: Path
) -> None:
    folder = extract(photos, tmp_path / "set", shares=1)
    index, random = folder / "photos.json", np.random.default_rng(0)
    content = index.read_bytes()
    for place in random.integers(len(content), size=trials):
        index.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(StoreError, match=r"photos\.json"):
            read_feature_shard(folder)
    index.write_bytes(content)
    read_feature_shard(folder)
    photo = next((folder / "photos").rglob("*.jpg"))
    photo.write_bytes(photo.read_bytes()[:-1])
    with pytest.raises(StoreError, match=f"{photo} is damaged"):
        read_feature_shard(folder)


@pytest.mark.runs
def test_a_set_is_read_with_the_versions_that_extracted_it(
    train: Train, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine that trains may have other versions than those that extracted."""
    monkeypatch.setattr(engine, "software_versions", lambda name: {"torch": "0.1"})
    folder = extract(photos, tmp_path / "set", shares=1)
    assert read_feature_shard(folder).choice.versions == {"torch": "0.1"}
    done = train(f"data.feature_set={folder}", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "336 of the feature set" in done.stdout
