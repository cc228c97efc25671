"""data.root=ARCHIVE at every entry point: the results of the folder that was packed."""

import csv
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import SMALL, Train, draw_folders
from helpers.in_process import run_in_process

from dogbreed import load_features
from dogbreed.backbone.architecture import build_backbone
from dogbreed.data.decoding.photos import Preprocessing
from dogbreed.features import extraction

NAMES = ("n02085620-Chihuahua", "n02099601-golden_retriever", "n02106662-German_shepherd")


@pytest.fixture
def archive(photos_root: Path, tmp_path: Path) -> Path:
    return Path(shutil.make_archive(str(tmp_path / "dogs"), "zip", tmp_path, photos_root.name))


def test_a_training_uses_the_features_of_the_folder(
    photos_root: Path, archive: Path, train: Train, tmp_path: Path
) -> None:
    assert train("data.root=photos", *SMALL, "trainer.epochs=1").returncode == 0
    done = train(f"data.root={archive.name}", *SMALL, "trainer.epochs=1")
    assert done.returncode == 0, done.stderr
    assert "dogs.zip was extracted into " in done.stdout
    assert "views of photos, 0 computed now" in done.stdout
    assert "data.root=dogs.zip" in done.stdout  # of the commands that come next
    run = (tmp_path / "outputs" / "latest").resolve()
    assert run.name.endswith("-dogs")
    config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
    assert config["data"]["root"] == "dogs.zip"
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    assert all("/dogs/photos/" in path and Path(path).is_file() for path in paths)
    shutil.rmtree(photos_root)
    done = train(f"data.root={archive.name}", *SMALL, "trainer.epochs=1")
    assert "dogs.zip is already extracted in " in done.stdout


def test_what_is_no_archive_stops_before_any_work(train: Train, tmp_path: Path) -> None:
    (tmp_path / "dogs.zip").write_bytes(b"PK not at all")
    done = train("data.root=dogs.zip")
    assert done.returncode == 1
    assert done.stderr.startswith("error: dogs.zip is a file, but no zip or tar archive: ")
    assert not (tmp_path / "outputs").exists()
    with zipfile.ZipFile(tmp_path / "dogs.zip", "w") as box:
        box.writestr("../evil.jpg", b"x")
    done = train("data.root=dogs.zip", *SMALL)
    assert done.returncode == 1
    assert "error: dogs.zip can't be extracted: its member ../evil.jpg leads out" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_archive_is_evaluated(tiny_model: Path, tmp_path: Path) -> None:
    draw_folders(tmp_path / "photos", {"": 4}, NAMES)
    shutil.make_archive(str(tmp_path / "new.dogs"), "gztar", tmp_path / "photos")
    arguments = (f"model={tiny_model}", "data.root=new.dogs.tar.gz", "engine=torch")
    done = run_in_process("dogbreed.evaluate", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "outputs").glob("*-new.dogs-evaluation"))) == 1
    assert "of the model's 3 classes" in done.stdout
    done = run_in_process("dogbreed.evaluate", arguments[0], "data.root=none.zip", cwd=tmp_path)
    assert done.stderr.startswith("error: none.zip doesn't exist")


def test_features_are_loaded_from_an_archive(
    photos_root: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build_backbone("resnet18", "none", "head", Preprocessing(size_px=64))
    of_folder = load_features(photos_root, backbone=network, workers=1)
    monkeypatch.setattr(extraction, "build_runner", None)
    of_archive = load_features(archive, backbone=network, workers=1)
    assert np.array_equal(of_folder.train.X, of_archive.train.X)
    assert [path.name for path in of_folder.test.paths] == [
        path.name for path in of_archive.test.paths
    ]
