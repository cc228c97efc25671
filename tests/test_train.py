"""`python -m dogbreed.train` as a person runs it: results, processes, a terminal."""

import csv
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import (
    ORIGINAL_PHOTOS,
    PROJECT,
    REAL_PHOTOS,
    REAL_WEIGHTS,
    SMALL,
    Train,
    TrainedRun,
    draw_folders,
    needs,
    start_train,
    wait_for_line,
)

from dogbreed.evaluation.metrics.registry import objectives
from dogbreed.utils.metric_lines import metric_regexes


def metrics_of(run: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((run / "metrics.json").read_text("utf-8"))
    return values


def head_of(run: Path) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    state: dict[str, torch.Tensor] = checkpoint["state_dict"]
    return state


def runs_in(folder: Path) -> list[Path]:
    return sorted(
        path for path in (folder / "outputs").iterdir() if path.is_dir() and not path.is_symlink()
    )


@pytest.mark.runs
def test_without_arguments_and_network_draws_trains_and_reports(
    train: Train, tmp_path: Path
) -> None:
    nowhere = "http://127.0.0.1:9"  # a port that nothing listens on
    done = train(TORCH_HOME=str(tmp_path / "torch"), https_proxy=nowhere, http_proxy=nowhere)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("can't be fetched") == 1
    assert "are trained on efficientnet_lite2" in done.stdout
    assert "rules: none fired" in done.stdout
    assert len(done.stdout.splitlines()) <= 60
    run = (tmp_path / "outputs" / "latest").resolve()
    assert f"results: outputs/{run.name}" in done.stdout
    metrics = metrics_of(run)
    assert metrics["test"]["n"] == 72
    assert metrics["test"]["top1"] > 0.9
    assert "Traceback" not in done.stderr
    assert "warn" not in done.stderr.lower()


def test_results_hold_what_the_readme_says(trained: TrainedRun) -> None:
    run = trained.run
    assert re.fullmatch(r"\d{8}-\d{6}-mine-and-ours", run.name)
    for name in ("config.yaml", "metrics.json", "log.txt", "checkpoints/best.ckpt"):
        assert (run / name).is_file(), name
    metrics = metrics_of(run)
    for split, count in {"train": 36, "valid": 12, "test": 12}.items():
        assert {"loss", "top1", "top5", "macro_f1", "n"} < set(metrics[split])
        assert metrics[split]["n"] == count
    seconds = metrics["seconds"]
    phases = {"set-up", "check", "features", "fit", "validation", "test", "artifact", "report"}
    assert set(seconds) == phases | {"total"}
    assert seconds["total"] >= sum(seconds[phase] for phase in phases)
    config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
    assert config["engine"] == "torch"
    assert isinstance(config["data"]["workers"], int)
    assert config["optim"]["eps"] == 1e-8
    assert "results: " in (run / "log.txt").read_text("utf-8")
    regexes = metric_regexes(objectives())
    log = (run / "log.txt").read_text("utf-8")
    logged = {n: [float(v) for v in re.findall(regexes[n], log)] for n in regexes}
    for name in ("train_loss", "train_top1", *objectives()):
        epochs = [pytest.approx(e[name], abs=1e-6) for e in metrics["epochs"]]
        assert logged[name][: len(epochs)] == epochs, name
    # The last value of each is that of the weights that are kept, with its interval.
    for name in (objective.removeprefix("valid_") for objective in objectives()):
        ends = metrics["valid"]["ci95"][name]
        assert logged[f"valid_{name}"][-1] == pytest.approx(metrics["valid"][name], abs=1e-6)
        assert logged[f"valid_{name}_low95"] == [pytest.approx(ends[0], abs=1e-6)]
        assert logged[f"valid_{name}_high95"] == [pytest.approx(ends[1], abs=1e-6)]
    with (run / "splits.csv").open(encoding="utf-8", newline="") as file:
        splits = list(csv.DictReader(file))
    assert len(splits) == 60
    assert splits[0]["split"] == "train"
    assert splits[0]["class"] == "Akita"
    assert Path(splits[0]["path"]).is_file()
    # What is published says nothing of where it was made.
    published = [*(run / "model").iterdir(), run / "report.html", run / "MODEL_CARD.md"]
    for path in (*published, run / "metrics.json"):
        for place in (trained.cwd, PROJECT):
            assert str(place).encode() not in path.read_bytes(), path.name
    model = json.loads((run / "model" / "model.json").read_text("utf-8"))
    assert model["config"]["data"]["root"] == "photos"


@pytest.mark.runs
def test_the_second_run_computes_no_features_and_ends_the_same(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    first = train(f"data.root={photos_root}", *SMALL)
    second = train(f"data.root={photos_root}", *SMALL)
    assert "120 views of photos, 120 computed now" in first.stdout
    assert "120 views of photos, 0 computed now" in second.stdout
    one, two = (metrics_of(run) for run in runs_in(tmp_path))
    assert one["test"] == two["test"]
    other = train(f"data.root={photos_root}", *SMALL, "data.crop_share=0.9")
    assert "120 computed now" in other.stdout


@pytest.mark.runs
def test_a_pass_over_the_photos_that_is_stopped_goes_on(train: Train, tmp_path: Path) -> None:
    root = draw_folders(tmp_path / "photos", {"train": 40, "valid": 3, "test": 3})
    # On one thread this network is still at work when the first line of progress comes.
    command = (f"data.root={root}", *SMALL, "model.backbone=resnet152", "data.size_px=224")
    process = start_train(*command, cwd=tmp_path, OMP_NUM_THREADS="1")
    line = wait_for_line(process.stderr, "features: ")
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 143
    assert error.endswith("stopped by SIGTERM; what was computed so far is saved.\n")
    done = train(*command)
    assert done.returncode == 0, done.stderr
    found = re.search(r"276 views of photos, (\d+) computed now", done.stdout)
    assert found is not None
    kept = re.match(r"features: (\d+) of 138 photos", line)
    assert kept is not None
    assert 0 < int(found[1]) <= 276 - 2 * int(kept[1])


@pytest.mark.runs
def test_two_processes_give_the_metrics_of_one(
    train: Train, train_process: Train, tmp_path: Path
) -> None:
    # Odd counts: neither the batches nor the splits can be halved evenly.
    root = draw_folders(tmp_path / "photos", {"train": 11, "valid": 3, "test": 3})
    command = (f"data.root={root}", *SMALL, "optim.class_weights=balanced")
    one = train(*command)
    two = train_process(*command, "trainer.strategy=ddp", "trainer.devices=2")
    assert one.returncode == 0, one.stderr
    assert two.returncode == 0, two.stderr
    assert "available" not in two.stderr, "Lightning's own log"
    single, double = (metrics_of(run) for run in runs_in(tmp_path))
    for split in ("train", "valid", "test"):
        intervals = [metrics[split].pop("ci95") for metrics in (single, double)]
        assert double[split] == pytest.approx(single[split], rel=1e-4, abs=1e-4), split
        assert intervals[0].keys() == intervals[1].keys()
        for name, interval in intervals[0].items():
            assert intervals[1][name] == pytest.approx(interval, rel=1e-3, abs=1e-3), name
    for a, b in zip(single["epochs"], double["epochs"], strict=True):
        assert b == pytest.approx(a, rel=1e-4)
    assert two.stdout.count("results: ") == 1  # the second process is silent
    assert two.stdout.count("epoch 1/3 ") == 1


@pytest.mark.runs
@pytest.mark.parametrize("trainable", ["last_stage", "all"])
def test_backbone_layers_can_be_trained(
    train: Train, photos_root: Path, tmp_path: Path, trainable: str
) -> None:
    done = train(
        f"data.root={photos_root}",
        *SMALL,
        f"model.trainable={trainable}",
        "trainer.epochs=1",
        "features.views=3",
    )
    assert done.returncode == 0, done.stderr
    assert ("features.store is ignored" in done.stdout) == (trainable == "all")
    names = head_of(runs_in(tmp_path)[0])
    assert any(name.startswith("backbone.tail.") for name in names)
    assert not any(name.startswith("backbone.trunk.") for name in names)


@pytest.mark.parametrize(
    "choice",
    [
        ("optim=sgd", "optim.scheduler=cosine"),
        ("optim=adam", "optim.scheduler=constant", "model.head=mlp", "model.dropout=0.2"),
        ("features.views=1", "features.dtype=float32", "trainer.patience=1"),
        ("features.average=false", "data.fraction=0.5"),
    ],
)
@pytest.mark.runs
def test_the_choices_of_the_configuration_train(
    train: Train, photos_root: Path, tmp_path: Path, choice: tuple[str, ...]
) -> None:
    done = train(f"data.root={photos_root}", *SMALL, *choice, "trainer.epochs=12")
    assert done.returncode == 0, done.stderr
    # The three hues can be told apart by any network: a choice that breaks training shows.
    assert metrics_of(runs_in(tmp_path)[0])["train"]["top1"] > 0.5


@pytest.mark.runs
@needs(REAL_WEIGHTS)
@needs(REAL_PHOTOS)
def test_real_photos_are_told_apart(train: Train, tmp_path: Path) -> None:
    done = train(
        f"data.root={REAL_PHOTOS}",
        f"model.weights={REAL_WEIGHTS}",
        "data.fraction=0.1",
        "features.views=1",
    )
    assert done.returncode == 0, done.stderr
    metrics = metrics_of((tmp_path / "outputs" / "latest").resolve())
    assert metrics["test"]["n"] == 120
    assert metrics["test"]["top1"] > 0.3  # 120 breeds, three photos of each to learn from
    assert metrics["test"]["top5"] > metrics["test"]["top1"]


@needs(ORIGINAL_PHOTOS)
def test_one_class_of_real_photos_is_refused(train: Train) -> None:
    done = train(f"data.root={ORIGINAL_PHOTOS}", *SMALL)
    assert done.returncode == 1
    assert "one class" in done.stderr
