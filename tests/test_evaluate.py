"""`python -m dogbreed.evaluate`: a trained model on labelled photos."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import SMALL, draw_folders, draw_photo

from dogbreed import evaluate, load_classifier
from dogbreed.configuration.composing import compose
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ArtifactError, ConfigError, DataError
from dogbreed.training.run import train

NAMES = ("n02085620-Chihuahua", "n02099601-golden_retriever", "n02106662-German_shepherd")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photos of each class of the tiny model."""
    return draw_folders(tmp_path / "photos", {"": 4}, NAMES)


@pytest.fixture
def evaluated(tiny_model: Path, tmp_path: Path) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """Run the command's main in this process; the folder of the results, and metrics.json."""

    def run(*arguments: str, model: Path = tiny_model) -> tuple[Path, dict[str, Any]]:
        output = tmp_path / "results"
        evaluate.main([f"model={model}", f"output_root={output}", "engine=torch", *arguments])
        folder = max(output.glob("*-evaluation*"), key=lambda path: path.stat().st_mtime_ns)
        return folder, json.loads((folder / "metrics.json").read_text("utf-8"))

    return run


Evaluated = Callable[..., tuple[Path, dict[str, Any]]]


def test_the_report_calls_classes_as_the_model_does(
    tiny_model: Path, photos: Path, tmp_path: Path, evaluated: Evaluated
) -> None:
    model = load_classifier(tiny_model)
    pixels = Preprocessing(size_px=64).describe()
    model.save(tmp_path / "model", noun="breed", preprocessing=pixels)
    folder, _ = evaluated(f"data.root={photos}", model=tmp_path / "model")
    assert "3 breeds" in (folder / "report.html").read_text("utf-8")
    folder, _ = evaluated(f"data.root={photos}")
    assert "3 classes" in (folder / "report.html").read_text("utf-8")


@pytest.mark.runs
def test_a_runs_test_photos_give_the_runs_test_metrics(
    photos_root: Path, tmp_path: Path, evaluated: Evaluated
) -> None:
    # Where the processor has bf16, training would compute the features in it, and torch here not.
    exact = ("precision=f32", "features.dtype=float32", "artifact.dtype=float32")
    given = (f"data.root={photos_root}", f"output_root={tmp_path / 'runs'}")
    run = train(compose([*given, *SMALL, *exact]))
    of_run = json.loads((run / "metrics.json").read_text("utf-8"))
    # Of a folder with splits the test split is taken, of one with classes all of it.
    for root in (photos_root, photos_root / "test"):
        folder, metrics = evaluated(f"data.root={root}", model=run)
        assert metrics["test"].pop("ci95").keys() == of_run["test"]["ci95"].keys()
        values = {name: value for name, value in of_run["test"].items() if name != "ci95"}
        assert metrics["test"] == pytest.approx(values, abs=1e-6)
        assert metrics["unknown"] == of_run["unknown"]
        assert metrics["temperature"] == of_run["temperature"]
        assert metrics["classes"] == of_run["classes"]
        assert predictions(folder) == predictions(run)
    # The run stays the latest one.
    assert (tmp_path / "runs" / "latest").resolve() == run.resolve()
    assert not (folder.parent / "latest").exists()


def predictions(folder: Path) -> list[tuple[str, str, str]]:
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["split"] == "test"]
    return [(line["class"], line["predicted"], line["path"]) for line in lines]


def test_the_results_of_an_evaluation(
    photos: Path, tiny_model: Path, evaluated: Evaluated, logged: Callable[[], str]
) -> None:
    folder, metrics = evaluated(f"data.root={photos}")
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {
        *("metrics.json", "report.html", "predictions.csv", "config.yaml", "findings.txt"),
        *("classes.csv", "confusions.csv", "log.txt"),
    }
    assert metrics["test"]["n"] == 12
    assert len(predictions(folder)) == 12
    assert {"train", "valid"}.isdisjoint(metrics)
    assert f"{100 * metrics['test']['top1']:.1f} %" in logged()
    page = (folder / "report.html").read_text("utf-8")
    for said in ("Balanced accuracy", "Hardest photos", "German shepherd", "12 test photos"):
        assert said in page, said
    for lacking in ("No epoch was trained", "Training photos", "Near-duplicates"):
        assert lacking not in page, lacking
    config = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    assert config["model"] == str(tiny_model)
    assert config["name"] == "photos-evaluation"


def test_unknown_and_missing_classes_are_reported(
    photos: Path, evaluated: Evaluated, logged: Callable[[], str]
) -> None:
    (photos / NAMES[0]).rename(photos / "Poodle")
    (photos / NAMES[1]).rename(photos / "Golden Retriever")  # what people read, spelled otherwise
    folder, metrics = evaluated(f"data.root={photos}")
    assert metrics["test"]["n"] == 8
    assert metrics["classes"][NAMES[1]]["n"] == 4
    assert metrics["classes"][NAMES[0]]["recall"] is None
    text = logged()
    assert "the model doesn't know 1 class; 4 photos are left out" in text
    assert "no photos of 1 class of the model" in text
    for written in (text, (folder / "findings.txt").read_text("utf-8")):
        assert "Poodle: the model doesn't know this class" in written
        assert f"{NAMES[0]}: a class of the model without photos" in written
    assert "4 photos could not be used" in (folder / "report.html").read_text("utf-8")


def test_unreadable_photos_are_left_out_up_to_a_fraction(
    photos: Path, evaluated: Evaluated
) -> None:
    (photos / NAMES[0] / "broken.jpg").write_bytes(b"no photo")
    folder, metrics = evaluated(f"data.root={photos}")
    assert metrics["test"]["n"] == 12
    assert "broken.jpg" in (folder / "findings.txt").read_text("utf-8")
    (photos / NAMES[0] / "another.jpg").write_bytes(b"none either")
    with pytest.raises(DataError, match=r"2 of 14 photos in .* can't be used"):
        evaluated(f"data.root={photos}")
    _, metrics = evaluated(f"data.root={photos}", "data.max_bad_share=0.2")
    assert metrics["test"]["n"] == 12


def flat(root: Path) -> None:
    for path in sorted(root.glob("*/*.jpg")):
        path.rename(root / f"{path.parent.name}-{path.name}")
    for folder in sorted(root.iterdir()):
        if folder.is_dir():
            folder.rmdir()


def other_classes(root: Path) -> None:
    for number, folder in enumerate(sorted(root.iterdir())):
        folder.rename(root / f"rose{number}")


def emptied(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def without_a_test_split(root: Path) -> None:
    emptied(root)
    draw_folders(root, {"train": 2, "valid": 2}, NAMES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (flat, "holds 12 photos but no class folders"),
        (emptied, "holds no photos"),
        (shutil.rmtree, "doesn't exist"),
        (other_classes, "has no class of this model: its folders are rose0, rose1, rose2"),
        (without_a_test_split, "has no photos for test: name another split by data.split"),
    ],
)
def test_photos_that_cannot_be_evaluated(
    photos: Path, evaluated: Evaluated, change: Callable[[Path], None], words: str
) -> None:
    change(photos)
    with pytest.raises(DataError, match=words) as raised:
        evaluated(f"data.root={photos}")
    assert len(str(raised.value).splitlines()) == 1
    assert not list((photos.parent / "results").glob("*-*"))


def test_another_split_can_be_evaluated(photos: Path, evaluated: Evaluated) -> None:
    without_a_test_split(photos)
    assert evaluated(f"data.root={photos}", "data.split=valid")[1]["test"]["n"] == 6


def test_no_model_and_no_photos_are_one_sentence_each(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No photos are given: write"):
        evaluate.main([])
    with pytest.raises(ArtifactError, match="nowhere"):
        evaluate.main([f"model={tmp_path / 'nowhere'}", f"data.root={photos}"])


@pytest.mark.slow
def test_the_command(photos: Path, tiny_model: Path, tmp_path: Path) -> None:
    """The process: its exit codes and its streams."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dogbreed.evaluate", f"model={tiny_model}", *arguments],
            cwd=tmp_path,
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=300,
        )

    done = run(f"data.root={photos}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "results: outputs/" in done.stdout
    draw_photo(tmp_path / "flat" / "0.jpg", 120, 1)
    bad = run("data.root=flat")
    assert bad.returncode == 1
    assert bad.stderr.count("\n") == 1
