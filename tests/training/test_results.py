"""What a run reports of its model: metrics with intervals, folds, learning-rate finder, forms."""

import copy
import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import SMALL, Train, draw_folders

import dogbreed
from dogbreed.configuration.composing import compose
from dogbreed.training.cross_validation import cross_validate, sample_folds
from dogbreed.training.features import cached_features
from dogbreed.training.preparation import prepare
from dogbreed.utils.clock import Clock


@pytest.fixture
def hard_root(tmp_path: Path) -> Path:
    """Three classes; a third of the photos of each lie in the folder of another."""
    names = ("Akita", "Beagle", "Collie")
    root = draw_folders(tmp_path / "photos", {"train": 16, "valid": 12, "test": 12}, names)
    for number, name in enumerate(names):
        for split in ("train", "valid", "test"):
            for path in sorted((root / split / name).iterdir())[::3]:
                other = root / split / names[number - 1] / f"moved-{path.name}"
                shutil.move(path, other)
    return root


def results(folder: Path) -> tuple[Path, dict[str, Any]]:
    run = (folder / "outputs" / "latest").resolve()
    return run, json.loads((run / "metrics.json").read_text("utf-8"))


@pytest.mark.runs
def test_every_number_comes_with_its_interval(
    train: Train, hard_root: Path, tmp_path: Path
) -> None:
    done = train(f"data.root={hard_root}", *SMALL, "trainer.epochs=30", "evaluate.folds=3")
    assert done.returncode == 0, done.stderr
    run, metrics = results(tmp_path)
    for split in ("train", "valid", "test"):
        split_metrics = metrics[split]
        for name, (low, high) in split_metrics["ci95"].items():
            assert low <= split_metrics[name] <= high, (split, name)
            assert low < high
        # A temperature that is fitted on the validation photos can only better their loss.
    assert metrics["valid"]["loss_calibrated_nats"] <= metrics["valid"]["loss"] + 1e-6
    assert metrics["temperature"] > 0
    assert 0 < metrics["threshold_probability"] < 1
    assert set(metrics["classes"]) == {"Akita", "Beagle", "Collie"}
    assert sum(each["n"] for each in metrics["classes"].values()) == metrics["test"]["n"]

    heads = {baseline["name"]: baseline for baseline in metrics["baselines"]}
    names = {"trained head", "logistic regression", "linear discriminant analysis"}
    assert heads.keys() == names - {metrics["head"]}
    for baseline in heads.values():
        gain = 100 * (metrics["test"]["top1"] - baseline["test"]["top1"])
        assert baseline["top1_gain_points"] == pytest.approx(gain, abs=1e-4)
        low, high = baseline["top1_gain_ci95"]
        assert low <= gain + 1e-4
        assert gain <= high + 1e-4
        assert baseline["n_train"] == metrics["train"]["n"]
        # The selected head is the one of the lowest validation loss, as far as that tells.
        lowest = baseline["valid"]["loss_calibrated_nats"]
        assert metrics["valid"]["loss_calibrated_nats"] <= lowest + 0.05

    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        predictions = [line for line in csv.DictReader(file) if line["split"] == "test"]
    assert len(predictions) == metrics["test"]["n"]
    right = [line["class"] == line["predicted"] for line in predictions]
    assert np.mean(right) == pytest.approx(metrics["test"]["top1"])
    predictor = dogbreed.load(run, engine="torch")
    assert predictor.description.noun == "class"
    for line in predictions[:5]:  # one photo, one answer
        best = predictor.predict(line["path"]).classes[0]
        assert best.class_name == line["predicted"]
        assert best.probability == pytest.approx(float(line["probability"]), abs=0.01)

    folds = metrics["folds"]
    assert len(folds["top1"]) == 3
    assert folds["top1_mean"] == pytest.approx(np.mean(folds["top1"]))
    assert folds["top1_sd"] == pytest.approx(np.std(folds["top1"], ddof=1))
    assert 0.3 < folds["top1_mean"] < 0.95

    top1 = 100 * metrics["test"]["top1"]
    hits = round(metrics["test"]["top1"] * metrics["test"]["n"])
    assert f"\nCorrect on {hits} of {metrics['test']['n']} test photos (" in done.stdout
    assert re.search(rf"^Top-1 .* {top1:.1f} %  \[", done.stdout, re.M)
    for name in heads:
        assert f"\n{name} on the same features " in done.stdout
    assert f"auto: the head is {metrics['head']}, by calibrated validation loss (" in done.stdout
    assert re.search(r"3 folds: top-1 [\d.]+% ± [\d.]+", done.stdout)
    for name in ("report.html", "MODEL_CARD.md"):
        assert f"{top1:.1f}" in (run / name).read_text("utf-8"), name


@pytest.mark.runs
def test_folds_start_from_the_initial_backbone(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    last = ("model.trainable=last_stage", "optim.backbone_lr_scale=1", "evaluate.folds=2")
    command = (f"data.root={photos_root}", *SMALL, *last)
    done = train(*command)
    assert done.returncode == 0, done.stderr
    prepared = prepare(compose(command), Clock())
    backbone, folders = prepared.backbone, prepared.checked.folders
    cached = cached_features(prepared, Clock())
    assert cached is not None
    initial_state = copy.deepcopy(backbone.tail.state_dict())
    folds = cross_validate(prepared.config, folders, backbone, initial_state, cached)
    assert results(tmp_path)[1]["folds"]["loss"] == pytest.approx(folds.loss, rel=1e-3)


@pytest.mark.runs
def test_the_model_carries_what_the_run_found(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    forms = ("artifact.openvino=true", "artifact.onnx=true")
    done = train(f"data.root={photos_root}", *SMALL, *forms, "artifact.dtype=float16")
    assert done.returncode == 0, done.stderr
    run, metrics = results(tmp_path)
    description = dogbreed.load(run).description
    assert description.temperature == metrics["temperature"]
    assert description.threshold == metrics["threshold_probability"]
    assert description.data_fingerprint == metrics["data_fingerprint"]
    assert description.metrics["test"]["top1"] == metrics["test"]["top1"]
    assert description.config["optim"]["lr"] == 1e-3
    assert set(description.forms) == {"openvino", "onnx"} == set(metrics["forms"])
    assert description.dtype == "float16"
    assert (run / "model" / "model.onnx").stat().st_size > 1e6
    # A photo more is another data set; the same photos elsewhere are the same.
    copied = shutil.copytree(photos_root, tmp_path / "elsewhere")
    train(f"data.root={copied}", *SMALL)
    assert results(tmp_path)[1]["data_fingerprint"] == metrics["data_fingerprint"]
    (copied / "train" / "Akita" / "000.jpg").unlink()
    train(f"data.root={copied}", *SMALL)
    assert results(tmp_path)[1]["data_fingerprint"] != metrics["data_fingerprint"]


@pytest.mark.runs
def test_photos_of_two_splits_are_named(train: Train, photos_root: Path, tmp_path: Path) -> None:
    shutil.copy(photos_root / "train/Akita/003.jpg", photos_root / "test/Akita/copied.jpg")
    done = train(f"data.root={photos_root}", *SMALL)
    assert done.returncode == 0, done.stderr
    run, metrics = results(tmp_path)
    assert metrics["near_duplicates"] >= 1
    assert "may be in two splits" in done.stdout
    assert "copied.jpg" in (run / "report.html").read_text("utf-8")


@pytest.mark.runs
def test_the_finder_finds_a_rate_and_the_run_takes_it(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    command = (f"data.root={photos_root}", *SMALL, "optim.lr=1e-6", "lr_finder=true")
    done = train(*command)
    assert done.returncode == 0, done.stderr
    run, metrics = results(tmp_path)
    curve = metrics["lr_finder"]
    found = re.search(r"auto: optim.lr=(\S+) \(lr_finder\)", done.stdout)
    assert found is not None
    assert float(found[1]) == curve["suggestion"]
    assert 1e-4 < curve["suggestion"] < 1  # a million times the rate that was typed is too far
    assert len(curve["lr"]) == len(curve["loss"])
    assert curve["lr"] == sorted(curve["lr"])
    assert yaml.safe_load((run / "config.yaml").read_text())["optim"]["lr"] == curve["suggestion"]
    assert "Learning-rate finder" in (run / "report.html").read_text("utf-8")
    # It can be resumed, although the command names another rate than the one that was found.
    (run / "metrics.json").unlink()
    again = train(*command, f"resume={run}")
    assert again.returncode == 0, again.stderr
    assert f"resuming {run} after epoch " in again.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate.folds=1",), "must be 0 (none) or at least 2"),
        (("evaluate.folds=90",), "there are 48 photos for training and validation"),
        (("evaluate.folds=5", "features.store=false"), "evaluate.folds=5 works on cached features"),
        (("lr_finder=true", "model.trainable=all"), "lr_finder=true works on cached features"),
        (("evaluate.known_share=0",), "evaluate.known_share=0: must be above 0"),
        (("artifact.dtype=float8",), "must be one of float32, float16"),
        (("artifact.int9=true",), "Did you mean artifact.int8?"),
        (("precision=fp32",), "must be one of auto, bf16, f32"),
    ],
)
@pytest.mark.runs
def test_what_cannot_be_measured_is_refused_before_any_work(
    train: Train, photos_root: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = train(f"data.root={photos_root}", *SMALL, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not any((tmp_path / "outputs").glob("*-*"))


def test_folds_spread_every_class_evenly() -> None:
    labels = np.repeat([0, 1, 2], [10, 3, 7])
    photos = [bytes([number]) for number in range(20)]
    fold_of = sample_folds(labels, photos, 5, seed=0)
    assert np.bincount(fold_of).tolist() == [4] * 5
    assert np.bincount(fold_of[labels == 0]).tolist() == [2] * 5
    assert np.bincount(fold_of[labels == 1]).max() == 1
    assert (sample_folds(labels, photos, 5, seed=1) != fold_of).any()
    assert (sample_folds(labels, photos, 5, seed=0) == fold_of).all()


def test_folds_keep_groups_together_and_spread_classes() -> None:
    labels = np.tile([0, 1], 50)
    groups = [b"%d" % (number // 2 % 20) for number in range(100)]  # of both classes
    fold_of = sample_folds(labels, groups, 4, seed=0)
    assert len({(group, fold) for group, fold in zip(groups, fold_of, strict=True)}) == 20
    assert np.bincount(fold_of[labels == 0]).max() <= 14
    assert np.bincount(fold_of).min() >= 22
