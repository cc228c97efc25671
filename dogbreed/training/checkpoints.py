"""A training's checkpoints: when they are saved, stopping between two steps, and reading them.

best.ckpt is the state after the epoch of lowest validation loss; last.ckpt the newest state. This
module's callback saves them, not Lightning's ModelCheckpoint, which since Lightning 2.6 saves
"last" only on a step on which it also saves a new best (openclimatefix/pvnet#544).
"""

import io
import math
import signal
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities.types import STEP_OUTPUT

from dogbreed.errors import Stopped, TrainingError
from dogbreed.training.callbacks import EpochReport
from dogbreed.training.run_folder import BEST_CHECKPOINT, LAST_CHECKPOINT
from dogbreed.utils.files import atomic_write
from dogbreed.utils.signals import ENDING_SIGNALS, NotedSignal, end_process, raise_stopped

SCHEMA_KEY, SCHEMA = "dogbreed_schema", 1


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints that are written atomically and read without running pickled code."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write to a temporary file, then rename it."""
        # Through memory: torch's own writer reports a full disk as an unspecific RuntimeError.
        written = io.BytesIO()
        torch.save({**checkpoint, SCHEMA_KEY: SCHEMA}, written)
        with atomic_write(Path(path)) as temporary:
            temporary.write_bytes(written.getbuffer())

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read tensors and plain values; anything else in the file is an error."""
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return checkpoint


class Checkpoints(Checkpoint):
    """Saves last.ckpt after each epoch and every `minutes`, best.ckpt after each new best epoch.

    However the process ends, at most the running epoch is computed again; of a long epoch at most
    `minutes`, or its validation where that takes longer.

    Args:
        folder: of the run; both files are in its folder checkpoints/.
        report: the history that decides which epoch is the best.
        minutes: longest time without a new last.ckpt.
    """

    def __init__(self, folder: Path, report: EpochReport, minutes: float) -> None:
        self._folder, self._report = folder, report
        self._interval_s = 60 * minutes
        self._saved_at = self._validation_began_at = time.monotonic()
        self._validation_s = 0.0

    def save_last(self, trainer: Trainer) -> None:
        """Save the current state; Lightning requires that every process calls this."""
        trainer.save_checkpoint(self._folder / LAST_CHECKPOINT)
        self._saved_at = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the interval: nothing is computed yet since the state at the start."""
        self._saved_at = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: STEP_OUTPUT,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save within an epoch when the last save is too long ago."""
        # Not after the last batch: Lightning would resume after the epoch, without its validation.
        if trainer.is_last_batch:
            return
        # After the last batch but one, the next save is possible only after the validation.
        ahead_s = self._validation_s if batch_idx + 2 >= trainer.num_training_batches else 0.0
        due = time.monotonic() - self._saved_at + ahead_s >= self._interval_s
        if trainer.world_size > 1:
            due = trainer.strategy.reduce_boolean_decision(due, all=False)
        if due:
            self.save_last(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record its start."""
        self._validation_began_at = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record its duration."""
        self._validation_s = time.monotonic() - self._validation_began_at

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the epoch; Lightning calls checkpoint callbacks after all others."""
        *before, loss = (epoch["valid_loss"] for epoch in self._report.history)
        if loss < min((value for value in before if not math.isnan(value)), default=math.inf):
            trainer.save_checkpoint(self._folder / BEST_CHECKPOINT)
        self.save_last(trainer)


class StopOnSignal(Callback):
    """On Ctrl-C or SIGTERM: finish the step, save last.ckpt, raise `Stopped`.

    Spot instances give two minutes from SIGTERM on. A second signal ends the process at once, or
    the training where `interrupts_stop` is for a process that goes on.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._noted = NotedSignal()
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Handle the signals instead of Lightning, which would raise before anything is saved."""
        if threading.current_thread() is not threading.main_thread():
            return  # it receives none
        goes_on = signal.getsignal(signal.SIGINT) is raise_stopped
        self._noted = NotedSignal(repeated=raise_stopped if goes_on else end_process)
        for number in ENDING_SIGNALS:
            self._before[number] = signal.signal(number, self._noted)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Stop between two steps; after an epoch's last one its validation comes first."""
        if self._is_requested(trainer) and not trainer.is_last_batch:
            self._checkpoints.save_last(trainer)
            self._stop(trainer, f"in epoch {trainer.current_epoch + 1}")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop between two epochs: last.ckpt was saved when the one before ended."""
        if self._is_requested(trainer) and trainer.current_epoch:
            self._stop(trainer, f"after epoch {trainer.current_epoch}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the signal handlers; stop if a signal came in the last epoch."""
        self._release()
        if self._is_requested(trainer):
            self._stop(trainer, f"after epoch {trainer.current_epoch}")

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Restore the signal handlers."""
        self._release()

    def _is_requested(self, trainer: Trainer) -> bool:
        """Whether to stop: all processes of a training reach the same decision at the same step."""
        stop = bool(self._noted.number)
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        return stop

    def _release(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _stop(self, trainer: Trainer, where: str) -> None:
        number = self._noted.number or signal.SIGTERM
        name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        raise Stopped(
            f"stopped by {name} {where} of {trainer.max_epochs}; nothing is lost: the same "
            "command, or call of dogbreed.fit, with resume=auto continues from there.",
            number,
        )


def epochs_in(path: Path) -> int:
    """The number of complete epochs in the checkpoint at `path`, whose checksums are verified.

    Raises:
        TrainingError: it is missing, damaged, or of another version.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch itself doesn't compare the checksums
            damaged = archive.testzip()
        if damaged is not None:
            raise TrainingError(f"{path} is damaged ({damaged} doesn't have its checksum)")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        if checkpoint.get(SCHEMA_KEY) != SCHEMA:
            raise TrainingError(f"{path} was written by another version of dogbreed")
        return len(checkpoint["callbacks"][EpochReport.__name__]["epochs"])
    except OSError as error:
        raise TrainingError(f"{path} can't be read ({error.strerror})") from error
    except TrainingError:
        raise
    except Exception as error:  # parsers raise many types on a damaged file
        raise TrainingError(f"{path} is damaged or was cut off") from error
