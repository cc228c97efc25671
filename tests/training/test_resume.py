"""Resuming: what a stopped or killed training computes again, and what it must not continue."""

import functools
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import JOB_NAME, SMALL, draw_folders, start_train, wait_for_line
from helpers.stopped import signal_at
from test_train import metrics_of

from dogbreed.configuration.composing import compose
from dogbreed.errors import Stopped
from dogbreed.model import BreedClassifier
from dogbreed.run_records.lock import RunLock
from dogbreed.training.checkpoints import epochs_in
from dogbreed.training.run import train
from dogbreed.utils.signals import ENDING_SIGNALS

EPOCHS = 4
BATCHES = 9  # of an epoch: 36 photos by 4
HEAD = ("data.batch_size=4",)
# Its validation loss is lowest after the second epoch: what is saved later is no new best.
OVERTRAINED = (*HEAD, "optim.lr=2", "optim.scheduler=constant")
LAST_STAGE = (*HEAD, "model.trainable=last_stage")
LIVE = (*HEAD, "features.store=false", "model.dropout=0.5", "data.workers=0")
KINDS = {"head": OVERTRAINED, "last_stage": LAST_STAGE, "live": LIVE}
# Without the debugger: what watches a training is tested elsewhere.
QUICK = (*SMALL, "debug.enabled=false", "evaluate.baseline=false", "trainer.patience=0")


def epochs_of(text: str) -> list[int]:
    """The numbers of the epochs that a command printed."""
    return [int(number) for number in re.findall(r"^epoch=(\d+) ", text, re.MULTILINE)]


def runs_in(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink())


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("resume") / "photos"
    return draw_folders(root, {"train": 12, "valid": 4, "test": 4})


def train_in(root: Path, photos: Path, *overrides: str) -> Path:
    """Train in this process; the run's folder."""
    signals = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    torch.set_num_threads(1)
    try:
        command = [f"data.root={photos}", f"output_root={root}", *QUICK, *overrides]
        return train(compose(command))
    finally:
        for number, handler in signals.items():
            signal.signal(number, handler)


@pytest.fixture(scope="module")
def uninterrupted(
    photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, Any]]:
    """metrics.json of a training that nothing interrupts, by its kind."""

    @functools.cache
    def metrics(kind: str) -> dict[str, Any]:
        root = tmp_path_factory.mktemp("uninterrupted")
        return metrics_of(train_in(root, photos, *KINDS[kind], f"trainer.epochs={EPOCHS}"))

    return metrics


FIRST_STEP = ("training_step", 2 * BATCHES + 1, "in epoch 3", 2)
MIDDLE = ("training_step", 2 * BATCHES + 5, "in epoch 3", 2)
LAST_STEP = ("training_step", 3 * BATCHES, "after epoch 3", 3)
VALIDATION = ("validation_step", 3 * 3 - 1, "after epoch 3", 3)
LAST_VALIDATION = ("validation_step", 3 * EPOCHS - 1, f"after epoch {EPOCHS}", EPOCHS)


@pytest.mark.runs
@pytest.mark.parametrize(
    ("kind", "number", "place"),
    [
        ("head", signal.SIGINT, FIRST_STEP),
        ("head", signal.SIGTERM, MIDDLE),
        ("head", signal.SIGINT, LAST_STEP),
        ("head", signal.SIGTERM, VALIDATION),
        ("head", signal.SIGINT, LAST_VALIDATION),
        ("last_stage", signal.SIGINT, MIDDLE),
        ("last_stage", signal.SIGTERM, LAST_STEP),
        ("live", signal.SIGTERM, FIRST_STEP),
        ("live", signal.SIGINT, MIDDLE),
        ("live", signal.SIGTERM, LAST_STEP),
    ],
)
def test_a_stopped_training_continues_where_it_was(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    logged: Callable[[], str],
    uninterrupted: Callable[[str], dict[str, Any]],
    kind: str,
    number: signal.Signals,
    place: tuple[str, int, str, int],
) -> None:
    method, call, where, done = place
    command = (*KINDS[kind], f"trainer.epochs={EPOCHS}")
    with monkeypatch.context() as patched:
        signal_at(patched, method, call, number)
        with pytest.raises(Stopped, match=f"{where} of {EPOCHS}; nothing is lost"):
            train_in(tmp_path, photos, *command)
    logged()
    run = train_in(tmp_path, photos, *command, "resume=auto")
    assert epochs_of(logged()) == list(range(done + 1, EPOCHS + 1))
    expected = uninterrupted(kind)
    assert metrics_of(run)["epochs"] == expected["epochs"]
    assert metrics_of(run)["test"] == expected["test"]


# Runs `python -m dogbreed.train` and kills it at a step of the training.
KILLED = """
import os, signal, sys
from dogbreed import model
from dogbreed.utils.command import run_command
from dogbreed.train import main

step, calls, last = model.BreedClassifier.training_step, 0, int(sys.argv.pop(1))

def killing(self, batch, index):
    global calls
    calls += 1
    if calls == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch, index)

model.BreedClassifier.training_step = killing
run_command(main)
"""


def killed_at(step: int, root: Path, photos: Path, *overrides: str) -> None:
    """A training that is killed at its `step`-th step."""
    command = [f"data.root={photos}", f"output_root={root}", *QUICK, *overrides]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(step), *command],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def steps_of(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Filled with (epoch, batch) of each training step from now on, both from 0."""
    steps: list[tuple[int, int]] = []
    original: Callable[..., Any] = BreedClassifier.training_step

    def noting(self: BreedClassifier, batch: Any, batch_idx: int) -> Any:
        steps.append((self.trainer.current_epoch, batch_idx))
        return original(self, batch, batch_idx)

    monkeypatch.setattr(BreedClassifier, "training_step", noting)
    return steps


@pytest.mark.runs
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_computes_its_running_epoch_again_and_no_other(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uninterrupted: Callable[[str], dict[str, Any]],
    kind: str,
) -> None:
    command = (*KINDS[kind], f"trainer.epochs={EPOCHS}")
    killed_at(3 * BATCHES + 5, tmp_path, photos, *command)
    steps = steps_of(monkeypatch)
    run = train_in(tmp_path, photos, *command, "resume=auto")
    assert steps == [(3, batch) for batch in range(BATCHES)]
    expected = uninterrupted(kind)
    assert metrics_of(run)["epochs"] == expected["epochs"]
    assert metrics_of(run)["test"] == expected["test"]
    if kind == "head":
        losses = [epoch["valid_loss"] for epoch in expected["epochs"]]
        assert losses.index(min(losses)) < 2  # else this would test what is saved for a new best


@pytest.mark.runs
def test_a_long_epoch_is_saved_within(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uninterrupted: Callable[[str], dict[str, Any]],
) -> None:
    command = (*LIVE, f"trainer.epochs={EPOCHS}")
    often = "trainer.checkpoint_minutes=0.00001"
    killed_at(2 * BATCHES + 5, tmp_path, photos, *command, often)
    steps = steps_of(monkeypatch)
    # How often a run saves may be changed when it is resumed.
    run = train_in(tmp_path, photos, *command, "resume=auto")
    assert steps[0] == (2, 4)
    assert len(steps) == 5 + BATCHES
    assert metrics_of(run)["epochs"] == uninterrupted("live")["epochs"]


@pytest.mark.runs
def test_best_and_last_are_what_their_names_say(photos: Path, tmp_path: Path) -> None:
    run = train_in(tmp_path, photos, *OVERTRAINED, "trainer.epochs=12")
    losses = [epoch["valid_loss"] for epoch in metrics_of(run)["epochs"]]
    best = losses.index(min(losses)) + 1
    assert best < len(losses)
    assert epochs_in(run / "checkpoints/best.ckpt") == best
    assert epochs_in(run / "checkpoints/last.ckpt") == len(losses)


@pytest.mark.runs
def test_a_training_that_patience_ended_is_not_trained_further(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (*HEAD, "trainer.epochs=50", "trainer.patience=2", "optim.lr=2")
    run = train_in(tmp_path, photos, *command)
    before = metrics_of(run)
    assert len(before["epochs"]) < 50
    (run / "metrics.json").unlink()  # as if it had been killed during its evaluation
    steps = steps_of(monkeypatch)
    assert train_in(tmp_path, photos, *command, "resume=auto") == run
    assert steps == []
    assert metrics_of(run)["test"] == before["test"]


@pytest.mark.runs
@pytest.mark.parametrize(
    ("number", "message"), [(signal.SIGTERM, "stopped by SIGTERM"), (signal.SIGINT, "by Ctrl-C")]
)
def test_a_signal_to_all_processes_of_a_training_with_loader_workers(
    photos: Path, tmp_path: Path, number: signal.Signals, message: str
) -> None:
    command = [f"data.root={photos}", *QUICK, *LIVE, "data.workers=2", "trainer.epochs=500"]
    process = start_train(
        *command, cwd=tmp_path, start_new_session=True, TRAINING_JOB_NAME=JOB_NAME
    )
    wait_for_line(process.stdout, "epoch=2 ")
    (run,) = runs_in(tmp_path / "outputs")
    assert RunLock.acquire(run) is None  # no other process may continue it now
    process.send_signal(number)  # as `timeout` does: to the command, and to its group
    os.killpg(process.pid, number)
    printed, error = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert not (tmp_path / "outputs" / "latest").exists()
    assert message in error
    assert "nothing is lost" in error
    assert "DataLoader" not in error
    assert "Traceback" not in error
    last = max([2, *epochs_of(printed)])
    again = (*command, "resume=auto")
    resumed = start_train(*again, cwd=tmp_path, start_new_session=True, TRAINING_JOB_NAME=JOB_NAME)
    line = wait_for_line(resumed.stdout, "epoch=")
    assert RunLock.acquire(run) is None
    resumed.kill()
    resumed.communicate()
    assert line.startswith(f"epoch={last + 1} ")
    assert runs_in(tmp_path / "outputs") == [run]
    # Workers of a killed training end by themselves, and don't hold its run meanwhile.
    lock = RunLock.acquire(run)
    assert lock is not None
    lock.release()


@pytest.mark.runs
def test_two_processes_stop_and_continue_together(photos: Path, tmp_path: Path) -> None:
    command = [
        f"data.root={photos}",
        *QUICK,
        *HEAD,
        "trainer.epochs=12",
        "optim.scheduler=constant",
    ]
    command += ["trainer.strategy=ddp", "trainer.devices=2"]
    uninterrupted = start_train(*command, f"output_root={tmp_path / 'uninterrupted'}", cwd=tmp_path)
    # With a save at every step: one that the processes didn't make together would hang.
    often = "trainer.checkpoint_minutes=0.00001"
    process = start_train(
        *command, often, cwd=tmp_path, start_new_session=True, TRAINING_JOB_NAME=JOB_NAME
    )
    wait_for_line(process.stdout, "epoch=2 ")
    os.killpg(process.pid, signal.SIGTERM)
    printed, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, error
    assert "nothing is lost" in error
    _, error = uninterrupted.communicate(timeout=120)
    assert uninterrupted.returncode == 0, error
    resumed = start_train(*command, "resume=auto", cwd=tmp_path, TRAINING_JOB_NAME=JOB_NAME)
    continued, error = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, error
    assert epochs_of(continued)[0] == max([2, *epochs_of(printed)]) + 1
    (run,), (other,) = runs_in(tmp_path / "outputs"), runs_in(tmp_path / "uninterrupted")
    for epoch, expected in zip(metrics_of(run)["epochs"], metrics_of(other)["epochs"], strict=True):
        assert epoch == pytest.approx(expected, rel=1e-4)
