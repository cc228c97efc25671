"""Cross-validation of the head over the cached features of training and validation photos."""

import time
import warnings
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
from torch import Tensor

from dogbreed.backbone.architecture import Backbone
from dogbreed.configuration.run import Config
from dogbreed.data.batches import BatchLoader, CachedPhotos, EvalBatches, TrainBatches
from dogbreed.data.layouts.splits import TRAIN, VALID, PhotoFolders
from dogbreed.evaluation.facts import Folds
from dogbreed.evaluation.metrics.measuring import measure
from dogbreed.training.callbacks import SeedEachStep
from dogbreed.training.fit import bare_trainer, build_model, score
from dogbreed.utils.progress import progress


def cross_validate(
    config: Config,
    folders: PhotoFolders,
    backbone: Backbone,
    initial_state: Mapping[str, Tensor],
    cached: Mapping[str, CachedPhotos],
) -> Folds:
    """Train on all folds but one and measure on that one, for each fold, without the test photos.

    `initial_state` is the state of the backbone's tail before any training; each fold starts from
    it. Nothing is selected on the measured fold: each model is the last of its schedule.
    """
    started = time.monotonic()
    photos = cached[TRAIN].joined(cached[VALID])
    fold_of = sample_folds(photos.labels, config.evaluate.folds, config.seed)
    top1, loss = [], []
    with progress("cross-validation", config.evaluate.folds, "folds") as advance:
        for fold in range(config.evaluate.folds):
            backbone.tail.load_state_dict(initial_state)
            model = build_model(config, folders, backbone)
            _fit(model, photos.subset(np.flatnonzero(fold_of != fold)), config)
            held_out = photos.subset(np.flatnonzero(fold_of == fold))
            batches = EvalBatches(len(held_out), config.data.batch_size)
            metrics = measure(score(model, BatchLoader(held_out, batches)))
            top1.append(metrics["top1"])
            loss.append(metrics["loss"])
            advance(1)
    return Folds(
        top1=tuple(top1),
        loss=tuple(loss),
        top1_mean=float(np.mean(top1)),
        top1_sd=float(np.std(top1, ddof=1)),
        loss_mean=float(np.mean(loss)),
        loss_sd=float(np.std(loss, ddof=1)),
        seconds=round(time.monotonic() - started, 3),
    )


def sample_folds(labels: npt.NDArray[np.int64], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """The fold [n] of each photo: each class is spread evenly over the folds."""
    random = np.random.default_rng(seed)
    fold_of = np.empty(len(labels), np.int64)
    assigned = 0
    for label in np.unique(labels):
        photos = random.permutation(np.flatnonzero(labels == label))
        fold_of[photos] = (assigned + np.arange(len(photos))) % folds
        assigned += len(photos)  # the next class continues there, so folds have equal sizes
    return fold_of


def _fit(model: pl.LightningModule, photos: CachedPhotos, config: Config) -> None:
    batches = TrainBatches(len(photos), photos.views, config.data.batch_size, config.seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        callbacks: list[pl.Callback] = [SeedEachStep(config.seed)]
        trainer = bare_trainer(config, callbacks, devices=1, enable_checkpointing=False)
        trainer.fit(model, BatchLoader(photos, batches))
