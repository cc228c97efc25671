"""`python launch/tune.py launcher=local` and the training after it, from the command line."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROJECT, SMALL, wait_for_line
from helpers.in_process import run_in_process

pytestmark = pytest.mark.launch

Launch = Callable[..., subprocess.CompletedProcess[str]]

LOSS = ("search.objective=valid_loss", "search.direction=minimize")
QUICK = (*(each for each in SMALL if "batch_size" not in each), "launcher=local", *LOSS)
SPACE = ("search.space.optim.eps=null", "search.space.data.batch_size.values=[8,16,32]")


def command(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-u", str(PROJECT / "launch" / script), *arguments]


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    """Run one of launch/ in `tmp_path`."""

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_in_process(PROJECT / "launch" / script, *arguments, cwd=tmp_path)

    return run


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def best(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((folder / "best.yaml").read_text("utf-8"))
    return values


def test_a_search_is_resumed_and_its_best_is_trained(
    launch: Launch, photos_root: Path, tmp_path: Path
) -> None:
    search = (f"data.root={photos_root}", "data.fraction=0.5", "search.name=mine", *QUICK, *SPACE)
    done = launch("tune.py", *search, "search.trials=2")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    folder = tmp_path / "outputs" / "searches" / "mine"
    first = rows(folder)
    assert [row["TrainingJobStatus"] for row in first] == ["Completed"] * 2
    assert "search mine: 2 of 2 trials to run" in done.stdout

    done = launch("tune.py", *search, "search.trials=4", "search.parallel=1")
    assert done.returncode == 0, done.stderr
    assert "search mine: 2 of 4 trials to run" in done.stdout
    after = rows(folder)
    assert after[:2] == first
    assert len({row["optim.lr"] for row in after}) == 4
    objectives = [float(row["FinalObjectiveValue"]) for row in after]
    for row, value in zip(after, objectives, strict=True):
        assert float(row["FinalObjectiveLow95"]) < value < float(row["FinalObjectiveHigh95"])
        assert row["data.batch_size"] in ("8", "16", "32")
        assert 1e-4 <= float(row["optim.lr"]) <= 0.1
    values = best(folder)
    chosen = after[objectives.index(min(objectives))]
    assert values["trial"] == chosen["TrainingJobName"]
    assert values["objective"]["value"] == min(objectives)
    assert values["parameters"]["optim.lr"] == float(chosen["optim.lr"])
    assert re.search(rf"\*\s+{values['trial']}\s", done.stdout)
    assert "search.html" in {path.name for path in folder.iterdir()}

    other = launch("tune.py", *search, "model.dropout=0.5")
    assert other.returncode == 2
    assert "search.name=mine exists with model.dropout=0.0, now it is 0.5" in other.stderr
    assert rows(folder) == after

    # What the search left out of its space stays as configured.
    done = launch("train.py")
    assert done.returncode == 0, done.stderr
    assert f"best of mine ({values['trial']})" in done.stdout
    run = (tmp_path / "outputs" / "latest").resolve()
    config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
    assert config["optim"]["lr"] == values["parameters"]["optim.lr"]
    assert config["data"]["batch_size"] == values["parameters"]["data.batch_size"]
    assert config["model"]["backbone"] == "resnet18"
    assert config["data"]["fraction"] == 1.0
    assert "36 train" in done.stdout

    # A trial is what a training of the same configuration is.
    again = launch("train.py", "best=mine", "data.fraction=0.5", "model.head=linear")
    assert again.returncode == 0, again.stderr
    metrics = json.loads((tmp_path / "outputs/latest/metrics.json").read_text("utf-8"))
    assert metrics["valid"]["loss"] == pytest.approx(min(objectives), rel=1e-4)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_trials_are_saved_when_a_search_is_stopped(
    launch: Launch, photos_root: Path, tmp_path: Path, number: int
) -> None:
    search = (f"data.root={photos_root}", "search.name=s", *QUICK, *SPACE, "search.parallel=1")
    with subprocess.Popen(
        command("tune.py", *search, "search.trials=200"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        wait_for_line(process.stdout, "trial-002 of 200")
        # Ctrl-C and `timeout` signal the process group.
        os.killpg(process.pid, number) if number != signal.SIGKILL else process.kill()
        _, stderr = process.communicate()
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert re.search(r"stopped with \d+ of 200 trials; they are saved", stderr), stderr
        assert "Traceback" not in stderr
        begun = len(rows(tmp_path / "outputs" / "searches" / "s"))
        assert 2 <= begun < 200
    done = launch("tune.py", *search, "search.trials=3")
    assert done.returncode == 0, done.stderr
    saved = rows(tmp_path / "outputs" / "searches" / "s")
    assert len(saved) >= 3
    assert {row["TrainingJobStatus"] for row in saved} == {"Completed"}


def test_a_damaged_study_is_reported(launch: Launch, photos_root: Path, tmp_path: Path) -> None:
    study = tmp_path / "outputs" / "searches" / "s" / "study.db"
    study.parent.mkdir(parents=True)
    study.write_bytes(b"no database" * 1000)
    done = launch("tune.py", f"data.root={photos_root}", "search.name=s", *QUICK, *SPACE)
    assert done.returncode == 1
    assert "study.db can't be read: start a new search with another search.name" in done.stderr
    assert "Traceback" not in done.stderr


def test_hyperband_stops_what_is_behind(launch: Launch, photos_root: Path, tmp_path: Path) -> None:
    done = launch(
        "tune.py",
        *(f"data.root={photos_root}", "search.name=h", *QUICK, *SPACE),
        *("search.strategy=hyperband", "trainer.epochs=9", "search.trials=8", "search.parallel=1"),
        "search.space.optim.lr={type: float, low: 1e-9, high: 0.01, scale: log}",
    )
    assert done.returncode == 0, done.stderr
    statuses = [row["TrainingJobStatus"] for row in rows(tmp_path / "outputs" / "searches" / "h")]
    assert len(statuses) == 8
    assert set(statuses) == {"Completed", "Stopped"}


def test_a_grid_tries_each_combination_once_and_teaches_the_next_search(
    launch: Launch, photos_root: Path, tmp_path: Path
) -> None:
    lr = "search.space.optim.lr={type: choice, values: [0.001, 0.01]}"
    common = (f"data.root={photos_root}", *QUICK, *SPACE, lr)
    done = launch("tune.py", *common, "search.strategy=grid", "search.name=g", "search.trials=50")
    assert done.returncode == 0, done.stderr
    tried = rows(tmp_path / "outputs" / "searches" / "g")
    assert len(tried) == 6
    assert len({(row["optim.lr"], row["data.batch_size"]) for row in tried}) == 6
    done = launch("tune.py", *common, "search.warm_start=[g]", "search.trials=2", "search.name=n")
    assert done.returncode == 0, done.stderr
    assert "6 trials of g are reused" in done.stdout
    # The same values come to the same.
    expected = {
        (row["optim.lr"], row["data.batch_size"]): row["FinalObjectiveValue"] for row in tried
    }
    for row in rows(tmp_path / "outputs" / "searches" / "n"):
        assert expected[row["optim.lr"], row["data.batch_size"]] == row["FinalObjectiveValue"]
    # Trials outside a narrower space are left out, another objective is refused.
    narrow = "search.space.data.batch_size.values=[8,16]"
    done = launch("tune.py", *common, narrow, "search.warm_start=[g]", "search.trials=1")
    assert "4 trials of g are reused" in done.stdout, done.stderr
    other = ("search.objective=valid_top1", "search.direction=maximize")
    done = launch("tune.py", *common, *other, "search.warm_start=[g]")
    assert done.returncode == 2
    assert "its objective was valid_loss" in done.stderr
    (tmp_path / "outputs" / "searches" / "g" / "study.db").write_bytes(b"no database" * 1000)
    done = launch("tune.py", *common, "search.warm_start=[g]")
    assert done.returncode == 1
    assert "leave it out of search.warm_start" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_training_without_a_search_is_an_error(launch: Launch) -> None:
    done = launch("train.py", "launcher=local")
    assert done.returncode == 2
    assert "launch/tune.py first, name a search (best=NAME), or set best=null" in done.stderr
    done = launch("tune.py", "launcher=local", "search.warm_start=[nothing]")
    assert done.returncode == 2
    assert "search.warm_start=nothing" in done.stderr
    for remote, expected in {
        "dry_run=true": "leave dry_run out, or take launcher=sagemaker",
        "attach=x": "search.name=NAME",
        "wait=false": "which runs in this command",
        "search.name=../x": "not a path",
    }.items():
        done = launch("tune.py", "launcher=local", remote)
        assert done.returncode == 2
        assert expected in done.stderr
    for script in ("tune.py", "train.py"):
        done = launch(script, "--help")
        assert "launcher.instance_type=ml.c7i.2xlarge" in done.stdout
