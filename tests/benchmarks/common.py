"""Shared by the benchmarks: commands timed as a person would wait for them, and tables."""

import json
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from dogbreed import BreedClassifier, BreedDataModule


@dataclass(frozen=True)
class Timed:
    """A finished command: its wall-clock seconds, and its peak resident memory in bytes."""

    seconds: float
    peak_bytes: int
    stdout: str


def timed(command: Sequence[str], cwd: Path, status: int = 0, **variables: str) -> Timed:
    """Run a command to its end and say what it took; fails if it ends with another status."""
    start = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if status else None,  # an expected error isn't shown
        text=True,
    ) as process:
        assert process.stdout is not None
        stdout = process.stdout.read()
        _, waited, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(waited)
    if process.returncode != status:
        sys.exit(f"{' '.join(command)} ended with status {process.returncode}:\n{stdout}")
    scale = 1 if sys.platform == "darwin" else 1024
    return Timed(time.monotonic() - start, usage.ru_maxrss * scale, stdout)


def train(arguments: Sequence[str], cwd: Path, cache: Path) -> tuple[Timed, dict[str, Any]]:
    """`python -m dogbreed.train` with a cache of its own; its metrics.json."""
    done = timed(
        [sys.executable, "-m", "dogbreed.train", *arguments], cwd, DOGBREED_CACHE=str(cache)
    )
    metrics: dict[str, Any] = json.loads((cwd / "outputs/latest/metrics.json").read_text("utf-8"))
    return done, metrics


def one_epoch(model: BreedClassifier, data: Any) -> None:
    """One epoch of training in this process, with nothing written and nothing shown."""
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    trainer.fit(model, data)


def plain_epoch_seconds(root: Path, weights: str) -> float:
    """One epoch, training and validation, each photo through the eager fp32 backbone.

    As most people write it: frozen ResNet50, two loader processes, batch 64. Its check of the
    photos and its last evaluation are not counted; in the run that it is held against they are.
    """
    module = BreedDataModule.from_folder(root, views=2)
    model = BreedClassifier(module.classes, weights=weights)
    start = time.monotonic()
    one_epoch(model, module)
    return time.monotonic() - start


def peak_bytes() -> int:
    """The most memory that this process has had."""
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def row(what: str, measured: str, target: str, holds: bool) -> None:
    """A line of a table: what was measured, its target, and whether it holds."""
    print(f"{what:<58} {measured:>16}  {target:<14} {'yes' if holds else 'NO'}", flush=True)


def title(text: str) -> None:
    """The head of a table."""
    print(f"\n{text}\n{'':<58} {'measured':>16}  {'target':<14} holds", flush=True)
