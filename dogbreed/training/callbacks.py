"""Lightning callbacks of the main job: seeds, patience, and the history of epochs."""

import math
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping

from dogbreed.training.live import EpochRow, best_of, printed_as
from dogbreed.training.run_folder import log
from dogbreed.utils.metric_lines import metric_line
from dogbreed.utils.screen import BRIEF, open_block


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
    """Records each epoch's metrics; shows them in the live block, or logs them."""

    def __init__(self) -> None:
        self.history: list[dict[str, float]] = []
        self._row: EpochRow | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the row of the epochs."""
        block = open_block()
        if block is not None:
            self._row = EpochRow(_epochs(trainer), self.history)
            block.add(self._row)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Advance the row."""
        if self._row is not None:
            self._row.advance(batch_idx + 1, int(trainer.num_training_batches))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the epoch's metrics."""
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        epoch = trainer.current_epoch + 1
        self.history.append({"epoch": epoch, **values})
        log.info(metric_line(epoch, values), extra=printed_as(self.history, _epochs(trainer)))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log how long the training was, and which epoch's weights are saved."""
        if self._row is not None:
            self._row.end()
        if not self.history:
            return
        best = best_of(self.history)
        log.info(
            "trained %d of %d epochs; the best one is %d: valid top-1 %.1f %%, loss %.3f",
            *(len(self.history), _epochs(trainer), int(best["epoch"])),
            *(100 * best["valid_top1"], best["valid_loss"]),
            extra={} if open_block() is None else {BRIEF: None},
        )

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


def _epochs(trainer: Trainer) -> int:
    return int(trainer.max_epochs or 1)
