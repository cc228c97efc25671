"""Inside a job's container: places, failure files, and what comes out."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT, SMALL, wait_for_line
from helpers.in_process import run_in_process

from dogbreed.evaluation.metrics.registry import objectives
from dogbreed.utils.metric_lines import metric_regexes

pytestmark = pytest.mark.launch

JOB = PROJECT / "launch" / "job.py"

Variables = dict[str, str]


@pytest.fixture
def container(tmp_path: Path) -> Path:
    """A folder such as /opt/ml."""
    base = tmp_path / "ml"
    for name in ("input/config", "input/data", "model", "output/data"):
        (base / name).mkdir(parents=True)
    return base


def configured(base: Path, hyperparameters: dict[str, str]) -> dict[str, str]:
    """What a container's process finds in its environment; its hyperparameters are written."""
    if hyperparameters:
        file = base / "input" / "config" / "hyperparameters.json"
        file.write_text(json.dumps(hyperparameters), "utf-8")
    return {
        "SAGEMAKER_BASE_DIR": str(base),
        "TRAINING_JOB_NAME": "job-1",
        "SM_MODEL_DIR": str(base / "model"),
        "SM_OUTPUT_DATA_DIR": str(base / "output" / "data"),
    }


def start(
    base: Path, hyperparameters: dict[str, str], *arguments: str, **variables: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", str(JOB), *arguments],
        env={**os.environ, **configured(base, hyperparameters), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    base: Path, hyperparameters: dict[str, str], *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    variables = {**configured(base, hyperparameters), **variables}
    return run_in_process(JOB, *arguments, cwd=base, stdin=None, **variables)


def small() -> dict[str, str]:
    pairs = (each.split("=") for each in SMALL)
    return {
        name: value if value.isdigit() or value in ("true", "false") else json.dumps(value)
        for name, value in pairs
    }


def test_a_training_leaves_its_model_and_its_papers(container: Path, photos_root: Path) -> None:
    channel = container / "input" / "data" / "photos"
    photos_root.rename(channel)
    done = run(
        container,
        {"job": '"train"', "sagemaker_program": '"launch/job.py"', "name": '"x y"', **small()},
        *("--job", "train", "--name", "x y"),  # the toolkit's arguments say the same again
        SM_CHANNEL_PHOTOS=str(channel),
    )
    assert done.returncode == 0, done.stderr
    assert (container / "model" / "model.safetensors").is_file()
    papers = {path.name for path in (container / "output" / "data").iterdir()}
    assert {"metrics.json", "report.html", "config.yaml", "debug", "profile.json"} <= papers
    assert not papers & {"model", "checkpoints"}
    assert not (container / "output" / "failure").exists()
    assert "valid_loss_low95=" in done.stdout
    # SageMaker reads each of them in each epoch, whatever a person would see of the training.
    for name, expression in metric_regexes(objectives()).items():
        if not name.endswith("95"):
            assert len(re.findall(expression, done.stdout)) >= 3, name
    assert "Open the report" not in done.stdout


def test_a_training_that_fails_leaves_what_it_recorded(container: Path, photos_root: Path) -> None:
    channel = photos_root.rename(container / "photos")
    stop = {"action": '"stop"', "mean_below": "1e9", "loss_above": "0", "patience": "1"}
    rule = {f"debug.rules.vanishing_gradient.{name}": text for name, text in stop.items()}
    done = run(container, {**small(), **rule}, SM_CHANNEL_PHOTOS=str(channel))
    assert done.returncode == 1
    failure = (container / "output" / "failure").read_text("utf-8")
    assert "vanishing_gradient" in failure
    papers = container / "output" / "data"
    assert json.loads((papers / "debug" / "rules.json").read_text("utf-8"))
    assert (papers / "debug" / "recording").is_file()
    assert (papers / "config.yaml").is_file()
    assert "computed now" in (papers / "log.txt").read_text("utf-8")
    assert list((container / "model").iterdir()) == []


def test_a_training_that_is_stopped_leaves_what_it_recorded(
    container: Path, photos_root: Path
) -> None:
    long = {**small(), "trainer.epochs": "5000", "trainer.patience": "0"}
    channel = photos_root.rename(container / "photos")
    with start(container, long, SM_CHANNEL_PHOTOS=str(channel)) as process:
        wait_for_line(process.stdout, "epoch=3 ")
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143
    papers = container / "output" / "data"
    assert (papers / "debug" / "recording").is_file()
    assert not (papers / "checkpoints").exists()


def test_arguments_alone_are_enough(container: Path, photos_root: Path) -> None:
    pairs = [text for name, value in small().items() for text in (f"--{name}", value)]
    done = run(container, {}, *pairs, SM_CHANNEL_PHOTOS=str(photos_root.rename(container / "p")))
    assert done.returncode == 0, done.stderr
    assert (container / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("hyperparameters", "expected"),
    [
        ({"optim.lrr": "1"}, "Did you mean optim.lr?"),
        ({"optim.lr": "-1"}, "optim.lr=-1: must be above 0"),
        ({"job": '"bake"'}, "job=bake is unknown"),
        ({"jobs": "1"}, "There is no key jobs."),
        ({"data.root": '"nowhere"', **small()}, "nowhere"),
    ],
)
def test_the_failure_file_holds_the_sentence(
    container: Path, hyperparameters: dict[str, str], expected: str
) -> None:
    done = run(container, hyperparameters)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    failure = (container / "output" / "failure").read_text("utf-8")
    assert expected in failure
    assert len(failure) <= 1024
