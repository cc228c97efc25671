"""Resuming: what a stopped or killed training computes again, and what it must not continue."""

import functools
import json
import logging
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SMALL, draw_folders

from dogbreed import cli
from dogbreed.errors import Stopped
from dogbreed.model import BreedClassifier
from dogbreed.runs import log
from dogbreed.signals import ENDING_SIGNALS
from dogbreed.training import train

EPOCHS = 4
BATCHES = 9  # of an epoch: 36 photos by 4
HEAD = ("data.batch_size=4",)
LAST_STAGE = (*HEAD, "model.trainable=last_stage")
LIVE = (*HEAD, "features.store=false", "model.dropout=0.5", "data.workers=0")
KINDS = {"head": HEAD, "last_stage": LAST_STAGE, "live": LIVE}
# Without the debugger: what watches a training is tested elsewhere.
QUICK = (*SMALL, "debug.enabled=false", "evaluate.baseline=false", "trainer.patience=0")


def epochs_of(text: str) -> list[int]:
    """The numbers of the epochs that a command printed."""
    return [int(number) for number in re.findall(r"^epoch=(\d+) ", text, re.MULTILINE)]


def metrics_of(run: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((run / "metrics.json").read_text("utf-8"))
    return values


def runs_in(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink())


def epoch_of(checkpoint: Path) -> int:
    """Which epoch a checkpoint was saved in or after, from 1."""
    values = torch.load(checkpoint, weights_only=True)
    return int(values["loops"]["fit_loop"]["epoch_progress"]["total"]["ready"])


class Lines(logging.Handler):
    """The lines that the package logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """What was logged since the last call."""
    handler = Lines()
    log.addHandler(handler)

    def since() -> str:
        text, handler.lines = "\n".join(handler.lines), []
        return text

    yield since
    log.removeHandler(handler)


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
        return train(cli.compose(command))
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


def signal_at(monkeypatch: pytest.MonkeyPatch, method: str, call: int, number: int) -> None:
    """Raise the signal in the model's `method`, at its `call`-th call."""
    original: Callable[..., Any] = getattr(BreedClassifier, method)
    calls = 0

    def counting(self: BreedClassifier, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            signal.raise_signal(number)
        return original(self, *arguments)

    monkeypatch.setattr(BreedClassifier, method, counting)


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
