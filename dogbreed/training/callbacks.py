"""Lightning callbacks of the main job: seeds, patience, and the history of epochs."""

import math
import sys
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping

from dogbreed.training.run_folder import log
from dogbreed.utils.metric_lines import metric_line
from dogbreed.utils.progress import progress


class SeedEachStep(Callback):
    """Seeds torch by (seed, step), so that dropout is the same in a resumed run."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Before each optimiser step."""
        # Seeds of different runs differ for a million steps.
        # torch.manual_seed also seeds every other device type, which takes a hundred times as long.
        seed = self._seed * 1_000_003 + trainer.global_step
        torch.default_generator.manual_seed(seed)
        if pl_module.device.type == "cuda":
            torch.cuda.manual_seed(seed)


class Patience(EarlyStopping):
    """Lightning's early stopping, which also ends a resumed training that it had stopped."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """`trainer.should_stop` isn't part of a checkpoint; the epoch of stopping is."""
        if self.stopped_epoch:
            trainer.should_stop = True


class EpochReport(Callback):
    """Logs a line per epoch; on a terminal, shows a progress bar over all steps."""

    def __init__(self) -> None:
        self.history: list[dict[str, float]] = []
        self._bar: Any = None
        self._advance: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the bar."""
        if sys.stderr.isatty():
            steps = int(trainer.estimated_stepping_batches) - trainer.global_step
            self._bar = progress("training", steps, "steps")
            self._advance = self._bar.__enter__()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Move the bar."""
        if self._advance is not None:
            self._advance(1)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the epoch's metrics."""
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        epoch = trainer.current_epoch + 1
        self.history.append({"epoch": epoch, **values})
        if self._bar is None:
            log.info(metric_line(epoch, values))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the bar."""
        self._end_bar()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """End the bar."""
        self._end_bar()

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None

    def state_dict(self) -> dict[str, Any]:
        """The metrics [epochs, names] as tensors: a list of thousands would slow every save."""
        names = [name for name in self.history[0] if name != "epoch"] if self.history else []
        rows = [[epoch.get(name, math.nan) for name in names] for epoch in self.history]
        return {
            "epochs": torch.tensor([int(epoch["epoch"]) for epoch in self.history]),
            "names": names,
            "values": torch.tensor(rows, dtype=torch.float64),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the history so far."""
        self.history = [
            {"epoch": epoch, **dict(zip(state_dict["names"], row, strict=True))}
            for epoch, row in zip(
                state_dict["epochs"].tolist(), state_dict["values"].tolist(), strict=True
            )
        ]
