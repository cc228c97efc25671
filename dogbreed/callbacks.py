"""Lightning callbacks of the main job: progress, signals, seeds, and checkpoints without pickle."""

import io
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.plugins.io import TorchCheckpointIO

from dogbreed.errors import Stopped
from dogbreed.files import whole
from dogbreed.metric_lines import metric_line
from dogbreed.progress import progress
from dogbreed.runs import log


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are whole or not there, and that are read without running pickled code."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write beside the place, then rename into it."""
        # Through memory: torch's own writer has no word for a full disk.
        written = io.BytesIO()
        torch.save(checkpoint, written)
        with whole(Path(path)) as beside:
            beside.write_bytes(written.getbuffer())

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read tensors and plain values; anything else in the file is refused."""
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return checkpoint


class SeedEachStep(Callback):
    """Seeds torch by (seed, step), so that dropout in a resumed run is what it would have been."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Before each optimiser step."""
        # Seeds of different runs stay apart for a million steps, and steps differ in each.
        # torch.manual_seed does the same for every kind of device, in a hundred times the time.
        seed = self._seed * 1_000_003 + trainer.global_step
        torch.default_generator.manual_seed(seed)
        if pl_module.device.type == "cuda":
            torch.cuda.manual_seed(seed)


class StopOnSignal(Callback):
    """On Ctrl-C or SIGTERM: finish the step, save last.ckpt, raise `Stopped`.

    Spot instances give two minutes from SIGTERM on. A second signal ends the process at once.
    """

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint
        self._received = 0
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals over, from Lightning too, which would raise before anything is saved."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._note)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Stop between two steps; after an epoch's last one its validation comes first."""
        stop = bool(self._received)
        if trainer.world_size > 1:  # all processes stop at the same step
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        if stop and not trainer.is_last_batch:
            trainer.save_checkpoint(self._checkpoint)
            self._stop(trainer, f"in epoch {trainer.current_epoch + 1}")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop between two epochs: last.ckpt was saved when the one before ended."""
        stop = bool(self._received)
        saved = self._checkpoint.exists()
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
            saved = trainer.strategy.broadcast(saved)  # it lies on the first machine
        if stop and saved:
            self._stop(trainer, f"after epoch {trainer.current_epoch}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the signals back."""
        self._release()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Give the signals back."""
        self._release()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._received:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._received = number

    def _release(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _stop(self, trainer: Trainer, where: str) -> None:
        number = self._received or signal.SIGTERM
        name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        raise Stopped(
            f"stopped by {name} {where} of {trainer.max_epochs}; nothing is lost: the same "
            "command with resume=auto goes on from here.",
            number,
        )


class EpochReport(Callback):
    """One line per epoch where there is no terminal, one bar over all steps where there is."""

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
        """Note the epoch's metrics."""
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
        """Kept in checkpoints, so that a resumed run's history is whole."""
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the history so far."""
        self.history = list(state_dict["history"])
