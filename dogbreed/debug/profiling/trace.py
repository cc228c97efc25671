"""A trace of some training steps, which ui.perfetto.dev and chrome://tracing open."""

import logging
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.profiler import ProfilerActivity, profile, record_function, schedule

log = logging.getLogger("dogbreed")

SKIPPED, WARM_UP, TRACED = 5, 2, 5  # steps; the first ones allocate what the others use
FILE = "trace.json.gz"


class TraceSteps(Callback):
    """Writes `folder`/trace.json.gz: what torch did in five steps, in operators and on the GPU."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._profile: Any = None
        self._step: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count steps."""
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        self._profile = profile(
            activities=activities,
            schedule=schedule(wait=SKIPPED, warmup=WARM_UP, active=TRACED, repeat=1),
            on_trace_ready=self._write,
            record_shapes=True,
        )
        self._profile.start()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Mark the step."""
        if self._profile is not None:
            self._step = record_function(f"step {trainer.global_step}")
            self._step.__enter__()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """One step further."""
        if self._profile is not None:
            self._step.__exit__(None, None, None)
            self._profile.step()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A training of a few steps has its trace now."""
        self._end()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Give the profiler back."""
        self._end()

    def _end(self) -> None:
        running, self._profile = self._profile, None
        if running is not None:
            running.stop()

    def _write(self, done: Any) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / FILE).unlink(missing_ok=True)  # torch would write through a link
            done.export_chrome_trace(str(self._folder / FILE))
        except OSError as error:
            log.warning("warning: the trace can't be written (%s)", error.strerror)
