"""The Lightning callback that observes a training: any module's, with any Trainer."""

import contextlib
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor
from torch.nn import functional as F

from dogbreed.configuration.debug import DebugConfig, checked_config
from dogbreed.debug.recording.measures import ActivationProbe, TrainedLayers, first_not_finite
from dogbreed.debug.recording.observations import Epoch, Layers, Observer, Start, Step
from dogbreed.debug.recording.recorder import Recorder
from dogbreed.debug.recording.records import RECORDING, recorded_metrics
from dogbreed.debug.rules.observer import RuleObserver
from dogbreed.debug.rules.verdicts import Verdict
from dogbreed.errors import ConfigError, RecordingError, StoppedByRule
from dogbreed.evaluation.metrics.registry import VALID_PREFIX
from dogbreed.utils.os_errors import DISK_FULL

log = logging.getLogger("dogbreed")

RULES_FILE = "rules.json"
MAX_WAITING = 256  # steps whose numbers stay on a GPU until they are fetched together


class Debugger(Callback):
    """Records a training in `folder` and evaluates the rules.

    It works with any module. If its training_step gives a dictionary with `loss`, `logits`
    [n, classes] and `targets` [n], cross entropy, accuracy and the classes' counts are of these;
    else the loss that it gives is taken for the cross entropy. `valid_loss` and `valid_top1` name
    the metrics that the module logs in validation.

    Raises:
        ConfigError: an argument outside what its key in conf/debug takes.
        StoppedByRule: from Trainer.fit, where a rule's action is stop.
    """

    def __init__(
        self,
        folder: str | Path,
        config: DebugConfig | None = None,
        *,
        valid_loss: str = "valid_loss",
        valid_top1: str = "valid_top1",
    ) -> None:
        config = checked_config(config)
        for name, metric in (("valid_loss", valid_loss), ("valid_top1", valid_top1)):
            if not isinstance(metric, str) or not metric:
                raise ConfigError(
                    f"{name}={metric!r}: must be the name of a metric that is logged."
                )
        self._folder = Path(folder)
        self._every = config.every_n_steps
        self._metrics = (valid_loss, valid_top1)
        self._rules = RuleObserver(config.rules, self._folder / RULES_FILE)
        self._builders: list[Callable[[], Observer]] = [
            lambda: Recorder(self._folder / RECORDING),
            lambda: self._rules,
        ]
        # Before TensorBoard: who imports protobuf first decides which kind of it both get, and
        # smdebug doesn't work with the compiled one.
        if config.smdebug:
            from dogbreed.debug.smdebug.hook import SmdebugHook

            self._builders.append(lambda: SmdebugHook(self._folder / "smdebug"))
        if config.tensorboard:
            from dogbreed.debug.recording.tensorboard import TensorBoardEvents

            self._builders.append(lambda: TensorBoardEvents(self._folder / "tensorboard"))
        self._observers: list[Observer] = []
        self._waiting: list[tuple[int, Tensor, float, float, bool]] = []
        self._reported: set[str] = set()
        self._stop: StoppedByRule | None = None
        self._not_finite_step: int | None = None

    def verdicts(self) -> tuple[Verdict, ...]:
        """The result of each rule so far."""
        return self._rules.verdicts()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find what is trained; open what is written. Only the first of several processes does."""
        self._layers = TrainedLayers(pl_module, trainer.optimizers)
        self._probe = ActivationProbe(pl_module)
        self._classes: int | None = None
        self._counts: Tensor | None = None
        self._cross_entropy = math.nan
        self._begin_epoch()  # a resumed one, which has started before
        if not trainer.is_global_zero:
            return
        for build in self._builders:
            try:
                self._observers.append(build())
            except (OSError, RecordingError) as error:
                self._warn(error)
        start = Start(
            layers=self._layers.names,
            sizes=self._layers.sizes,
            first_step=trainer.global_step,
            weighted_classes=getattr(pl_module, "class_weights", None) is not None,
            patience=getattr(trainer.early_stopping_callback, "patience", None),
        )
        self._notify(lambda observer: observer.start(start))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the epoch's means; or end, now that the epoch before is saved."""
        self._stop_together(trainer)
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64)
        self._since = time.perf_counter()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Before a step."""
        self._step = trainer.global_step
        self._lr = float(trainer.optimizers[0].param_groups[0]["lr"]) if trainer.optimizers else 0.0
        self._recorded = self._step % self._every == 0
        self._batch = batch, batch_idx
        if self._recorded:
            self._probe.begin()

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Report a loss that isn't finite before it gets into the weights."""
        if self._recorded:
            self._probe.end()
        # Reading it on a GPU waits for the GPU.
        if (loss.device.type == "cpu" or self._recorded) and not math.isfinite(loss.item()):
            self._not_finite(trainer, pl_module, loss.item())

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Gradients are there, weights are as they were."""
        if self._recorded:
            self._layers.before_step()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """After a step: its numbers, and every n-th time those of the layers."""
        # Gradients are still added up; or a step was passed over, or did all by itself.
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if trainer.global_step == self._step or loss is None:
            return
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        if self._step != self._not_finite_step:
            numbers = self._numbers(loss, outputs, first_epoch=trainer.current_epoch == 0)
            last = bool(trainer.is_last_batch)
            self._waiting.append((self._step, numbers, self._lr, seconds, last))
            on_cpu = numbers.device.type == "cpu"
            if on_cpu or self._recorded or last or len(self._waiting) >= MAX_WAITING:
                self._fetch()
        if self._recorded:
            self._notify_layers()
        self._stop_together(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After an epoch's validation, or one within an epoch."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        photos = float(self._sums[2]) or math.nan
        values = [float(trainer.callback_metrics.get(m, math.nan)) for m in self._metrics]
        epoch = Epoch(
            epoch=trainer.current_epoch + 1,
            step=self._step,
            train_cross_entropy=float(self._sums[0]) / photos,
            train_top1=float(self._sums[1]) / photos,
            valid_cross_entropy=values[0],
            valid_top1=values[1],
            class_counts=None if self._counts is None else self._counts.tolist(),
            valid_metrics={
                name: float(trainer.callback_metrics.get(f"{VALID_PREFIX}{name}", math.nan))
                for name in recorded_metrics()
            },
        )
        self._notify(lambda observer: observer.epoch(epoch))
        self._since = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close what is written."""
        self._close()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Close what is written, whatever happened."""
        self._close()

    def _numbers(self, loss: Tensor, outputs: Any, first_epoch: bool) -> Tensor:
        """Cross entropy, top-1 and photos of a step, [3], where the module computes."""
        logits = outputs.get("logits") if isinstance(outputs, dict) else None
        if logits is None:
            return torch.stack(
                [loss.detach().float(), loss.new_tensor(math.nan), loss.new_ones(())]
            )
        targets = outputs["targets"]
        logits = logits.detach().float()
        self._classes = logits.shape[-1]
        if first_epoch:
            counts = torch.bincount(targets, minlength=self._classes).cpu()
            self._counts = counts if self._counts is None else self._counts + counts
        right = (logits.argmax(-1) == targets).float().mean()
        return torch.stack(
            [F.cross_entropy(logits, targets), right, right.new_tensor(len(targets))]
        )

    def _fetch(self) -> None:
        """Pass all steps that wait to the observers."""
        waiting, self._waiting = self._waiting, []
        rows = torch.stack([numbers for _, numbers, *_ in waiting]).double().cpu()
        self._sums += torch.cat([rows[:, :2] * rows[:, 2:], rows[:, 2:]], 1).sum(0)
        for (number, _, lr, seconds, last), (loss, top1, _) in zip(
            waiting, rows.tolist(), strict=True
        ):
            self._cross_entropy = loss
            self._notify_step(
                Step(
                    step=number,
                    cross_entropy=loss,
                    top1=top1,
                    lr=lr,
                    seconds=seconds,
                    ends_epoch=last,
                    classes=self._classes,
                )
            )

    def _notify_step(self, step: Step) -> None:
        self._notify(lambda observer: observer.step(step))

    def _notify_layers(self) -> None:
        grad_norm, weight_norm, update_ratio = self._layers.after_step()
        layers = Layers(
            step=self._step,
            cross_entropy=self._cross_entropy,
            lr=self._lr,
            grad_norm=grad_norm,
            weight_norm=weight_norm,
            update_ratio=update_ratio,
            inputs=self._probe.inputs,
            silent=self._probe.silent,
        )
        self._notify(lambda observer: observer.layers(layers))

    def _not_finite(self, trainer: Trainer, pl_module: LightningModule, loss: float) -> None:
        """Report it at once; the first time with the layer that causes it, which costs a pass."""
        culprit = None
        if self._not_finite_step is None:
            with contextlib.suppress(Exception):  # a module whose step can't run twice
                culprit = first_not_finite(pl_module, lambda: pl_module.training_step(*self._batch))
        self._not_finite_step = self._step
        self._notify_step(
            Step(
                step=self._step,
                cross_entropy=loss,
                top1=math.nan,
                lr=self._lr,
                seconds=time.perf_counter() - self._since,
                culprit=culprit,
            )
        )
        if self._stop and trainer.world_size == 1:
            raise self._stop  # before it gets into the weights

    def _notify(self, notify: Callable[[Observer], None]) -> None:
        """Notify every observer; one that can't write any more is dropped, with a warning."""
        for observer in tuple(self._observers):
            try:
                notify(observer)
            except StoppedByRule as stopped:
                self._stop = stopped
            except (OSError, RecordingError) as error:
                self._observers.remove(observer)
                self._warn(error)

    def _stop_together(self, trainer: Trainer) -> None:
        """End the training if a rule says so; of several processes all at the same step."""
        stop = self._stop is not None
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        if stop:
            raise self._stop or StoppedByRule("a rule of the first process ended the training")

    def _close(self) -> None:
        self._notify(lambda observer: observer.close())
        self._observers.clear()

    def _warn(self, error: Exception) -> None:
        """Log once what ended a record; a full disk ends them all."""
        full = isinstance(error, OSError) and error.errno in DISK_FULL
        reason = "the disk is full" if full else str(error)
        if reason not in self._reported:
            self._reported.add(reason)
            log.warning(
                "warning: %s; the training continues without that record", reason.rstrip(".")
            )
