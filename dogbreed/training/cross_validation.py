"""Cross-validation of the head over the cached features of training and validation photos."""

import time
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence

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
    samples = (*folders.samples[TRAIN], *folders.samples[VALID])
    units = [folders.unit(sample.path) for sample in samples]
    fold_of = sample_folds(photos.labels, units, config.evaluate.folds, config.seed)
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


def sample_folds(
    labels: npt.NDArray[np.int64], units: Sequence[bytes], folds: int, seed: int
) -> npt.NDArray[np.int64]:
    """The fold [n] of each photo: each class is spread evenly over the folds.

    Photos of the same unit (a group of data.group, or a photo) are in one fold. The largest units
    are placed first, each where fewest photos of its classes are, and then fewest of all.
    """
    random = np.random.default_rng(seed)
    members: dict[bytes, list[int]] = defaultdict(list)
    for photo in random.permutation(len(labels)):
        members[units[photo]].append(photo)
    fold_of = np.empty(len(labels), np.int64)
    counts = np.zeros((folds, labels.max() + 1), np.int64)
    for photos in sorted(members.values(), key=len, reverse=True):
        of_class = np.bincount(labels[photos], minlength=counts.shape[1])
        fold = np.lexsort((counts.sum(1), counts @ of_class))[0]
        fold_of[photos] = fold
        counts[fold] += of_class
    return fold_of


def _fit(model: pl.LightningModule, photos: CachedPhotos, config: Config) -> None:
    batches = TrainBatches(len(photos), photos.views, config.data.batch_size, config.seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        callbacks: list[pl.Callback] = [SeedEachStep(config.seed)]
        trainer = bare_trainer(config, callbacks, devices=1, enable_checkpointing=False)
        trainer.fit(model, BatchLoader(photos, batches))
