"""The worker process of a local search: trains one trial after the other."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from dogbreed.backbone.architecture import build_backbone
from dogbreed.configuration.run import Config
from dogbreed.data.batches import CachedPhotos
from dogbreed.data.check import Checked
from dogbreed.data.layouts.splits import TRAIN, VALID
from dogbreed.data_module import BreedDataModule
from dogbreed.errors import DogbreedError
from dogbreed.evaluation.metrics.measuring import measure
from dogbreed.evaluation.metrics.registry import Metric, objective_metric, register_missing
from dogbreed.model import BreedClassifier
from dogbreed.search.space import apply
from dogbreed.training.callbacks import SeedEachStep
from dogbreed.training.fit import bare_trainer, build_model, patience, score
from dogbreed.training.preparation import schedule
from dogbreed.training.run_folder import log_to_terminal


@dataclass(frozen=True, kw_only=True)
class Work:
    """What all trials of a search share; trainer.epochs and patience of `config` may be "auto".

    `metrics` are the registered ones: a new process has only those of this package.
    """

    config: Config
    checked: Checked
    cached: Mapping[str, CachedPhotos]
    metric: str
    threads: int
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class Epoch:
    """Message to the main process: the objective after an epoch; the reply: whether to stop."""

    number: int
    objective: float


@dataclass(frozen=True)
class TrialResult:
    """The end of a trial: the objective of its best epoch, with its 95 % interval."""

    objective: float
    ci95: tuple[float, float]
    pruned: bool


@dataclass(frozen=True)
class TrialFailed:
    """The end of a trial that failed, and why."""

    reason: str


def run_trials(connection: Connection, work: Work) -> None:
    """Train with each set of values received, until the main process closes the connection."""
    log_to_terminal()
    register_missing(work.metrics)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    torch.set_num_threads(work.threads)
    model = work.config.model
    backbone = build_backbone(model.backbone, model.weights, model.trainable)
    initial_state = {name: tensor.clone() for name, tensor in backbone.tail.state_dict().items()}
    try:
        while True:
            values = connection.recv()
            backbone.tail.load_state_dict(initial_state)
            # An "auto" number of epochs depends on the batch size, which may be searched.
            config = schedule(apply(work.config, values), len(work.cached[TRAIN]))
            try:
                connection.send(_train(connection, work, config, backbone))
            except DogbreedError as error:
                connection.send(TrialFailed(str(error)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _train(
    connection: Connection, work: Work, config: Config, backbone: Any
) -> TrialResult | TrialFailed:
    """Run one trial, as a training with the same configuration."""
    module = BreedDataModule(
        work.checked,
        batch_size=config.data.batch_size,
        views=config.eval_views,
        cached=work.cached,
        seed=config.seed,
    )
    model = build_model(config, work.checked.folders, backbone)
    best = _BestEpoch(connection, work.metric)
    callbacks: list[pl.Callback] = [SeedEachStep(config.seed), best, *patience(config)]
    trainer = bare_trainer(
        config, callbacks, devices=1, enable_checkpointing=False, num_sanity_val_steps=0
    )
    trainer.fit(model, module)
    if not best.state:
        return TrialFailed(f"the loss isn't finite at optim.lr={config.optim.lr:.12g}")
    model.load_state_dict(best.state, strict=False)
    metrics = measure(score(model, module.eval_dataloader(VALID)))
    name = objective_metric(work.metric).name
    return TrialResult(metrics[name], metrics.ci95[name], best.stopped)


class _BestEpoch(pl.Callback):
    """Stores the weights of the lowest validation loss, and reports each epoch."""

    def __init__(self, connection: Connection, metric: str) -> None:
        self._connection, self._metric = connection, metric
        self._lowest = math.inf
        self.state: dict[str, Tensor] = {}
        self.stopped = False

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Store the weights, report the objective, and stop if the reply says so."""
        loss = float(trainer.callback_metrics["valid_loss"])
        if loss < self._lowest:
            self._lowest = loss
            assert isinstance(pl_module, BreedClassifier)
            self.state = {
                name: tensor.clone() for name, tensor in pl_module.trained_state().items()
            }
        objective = float(trainer.callback_metrics[self._metric])
        self._connection.send(Epoch(trainer.current_epoch + 1, objective))
        if self._connection.recv():
            self.stopped = trainer.should_stop = True
