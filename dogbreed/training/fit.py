"""Training proper: the model and the Trainer of a configuration."""

import logging
import math
import os
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.profilers import Profiler
from pytorch_lightning.strategies import DDPStrategy

from dogbreed.backbone.architecture import Backbone
from dogbreed.configuration.run import Config
from dogbreed.data.batches import BatchLoader
from dogbreed.data.layouts.splits import TRAIN, PhotoFolders
from dogbreed.data_module import BreedDataModule
from dogbreed.errors import StoppedByRule, TrainingError
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.model import BreedClassifier
from dogbreed.training.callbacks import EpochReport, Patience, SeedEachStep
from dogbreed.training.checkpoints import AtomicCheckpointIO, Checkpoints, StopOnSignal
from dogbreed.training.context import RunContext
from dogbreed.training.run_folder import BEST_CHECKPOINT, RUN_FOLDER_VARIABLE, log
from dogbreed.training.run_loggers import LogEpochs, RunLoggers
from dogbreed.utils.progress import is_main_process, progress

# Of the section model: a backbone that is built has them already.
BACKBONE_KEYS = ("backbone", "weights", "trainable")


def fit(
    context: RunContext,
    model: BreedClassifier,
    module: BreedDataModule,
    observers: Sequence[pl.Callback] = (),
    profiler: Profiler | None = None,
    loggers: RunLoggers | None = None,
) -> list[dict[str, float]]:
    """Train; leave the best epoch's weights in `model`; returns the metrics of each epoch.

    Raises:
        Stopped: after a signal; the run can be resumed from last.ckpt.
        TrainingError: no epoch had a finite validation loss.
        StoppedByRule: one of `observers` ended the training before such an epoch.
    """
    report, run = EpochReport(), context.run
    if loggers is not None:
        observers = (*observers, LogEpochs(loggers, report))
    # A process that joins a distributed training runs the same command and must find the folder.
    os.environ[RUN_FOLDER_VARIABLE] = str(run.path.resolve())
    try:
        with warnings.catch_warnings():
            # Lightning's warnings on worker processes and logging are for other kinds of loaders.
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            trainer = _trainer(context, report, observers, profiler)
            trainer.fit(model, module, ckpt_path=context.checkpoint, weights_only=True)
    except StoppedByRule as stopped:
        if not _has_finite_epoch(report):
            raise
        log.warning("warning: %s The weights of the best epoch so far are used.", stopped)
    finally:
        os.environ.pop(RUN_FOLDER_VARIABLE, None)
    if not _has_finite_epoch(report):
        raise TrainingError(_why_not_finite(model, context.config))
    if is_main_process():  # other machines may not have the file, and their processes end here
        best = torch.load(run.path / BEST_CHECKPOINT, map_location="cpu", weights_only=True)
        model.load_state_dict(best["state_dict"], strict=False)
    return report.history


def _why_not_finite(model: BreedClassifier, config: Config) -> str:
    """The message for a loss that isn't finite; cached features always are."""
    for name, tensor in model.backbone.trunk.state_dict().items():
        if not torch.isfinite(tensor).all():
            return (
                f"The loss isn't finite because the frozen weights {name} aren't: "
                f"model.weights={config.model.weights} is damaged, use other weights."
            )
    return (
        f"The loss isn't finite: optim.lr={config.optim.lr} is too high for these features. Try "
        "a tenth of it."
    )


def _has_finite_epoch(report: EpochReport) -> bool:
    return any(math.isfinite(epoch["valid_loss"]) for epoch in report.history)


def score(model: BreedClassifier, loader: BatchLoader, what: str = "") -> Scores:
    """The model's uncalibrated scores for a split, computed in this process alone.

    `what` names the work on the progress bar; empty: no bar.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device).eval()
    log_probabilities, targets = [], []
    with torch.inference_mode(), ExitStack() as stack:
        advance = stack.enter_context(progress(what, len(loader), "batches")) if what else None
        for batch in loader:
            batch = model.transfer_batch_to_device(batch, device, 0)
            scored, expected = model.log_probabilities(batch)
            log_probabilities.append(scored.float().cpu())
            targets.append(expected.cpu())
            if advance:
                advance(1)
    return Scores(torch.cat(log_probabilities), torch.cat(targets))


def _trainer(
    context: RunContext,
    report: EpochReport,
    observers: Sequence[pl.Callback],
    profiler: Profiler | None,
) -> pl.Trainer:
    config, folder = context.config, context.run.path
    checkpoints = Checkpoints(folder, report, config.trainer.checkpoint_minutes)
    callbacks: list[pl.Callback] = [
        SeedEachStep(config.seed),
        report,
        *observers,
        checkpoints,
        StopOnSignal(checkpoints),
    ]
    several = config.trainer.strategy == "ddp"
    return bare_trainer(
        config,
        [*callbacks, *patience(config)],
        devices=config.trainer.devices,
        # The frozen part's buffers never change, so they needn't be sent at each step.
        strategy=DDPStrategy(broadcast_buffers=False) if several else "auto",
        plugins=[AtomicCheckpointIO()],
        # torchrun sets the number of machines; Lightning's own launcher uses one.
        num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", "1")),
        num_sanity_val_steps=0,
        default_root_dir=folder,
        profiler=profiler,
    )


def patience(config: Config) -> list[pl.Callback]:
    """Early stopping by the validation loss, unless trainer.patience is 0."""
    if not config.trainer.patience:
        return []
    return [Patience("valid_loss", patience=int(config.trainer.patience))]


def bare_trainer(config: Config, callbacks: list[pl.Callback], **settings: Any) -> pl.Trainer:
    """A Trainer for trainer.epochs without Lightning's own logger, bar and samplers."""
    # It logs devices, loaders and an advertisement; its import has set the level.
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    return pl.Trainer(
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        max_epochs=int(config.trainer.epochs),
        callbacks=callbacks,
        use_distributed_sampler=False,  # the loaders split the batches themselves
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )


def build_model(config: Config, folders: PhotoFolders, backbone: Backbone) -> BreedClassifier:
    """The classifier of the configuration, in its initial state, on a backbone that is built."""
    torch.manual_seed(config.seed)  # of the head's initial weights
    counts = folders.counts(TRAIN)
    balanced = [sum(counts) / (len(counts) * count) for count in counts]
    # The sections' keys are the classifier's arguments, but for these.
    head, optim = asdict(config.model), asdict(config.optim)
    for key in BACKBONE_KEYS:
        del head[key]
    optimizer, weighting = optim.pop("name"), optim.pop("class_weights")
    return BreedClassifier(
        folders.classes,
        backbone=backbone,
        optimizer=optimizer,
        class_weights=balanced if weighting == "balanced" else None,
        **head,
        **optim,
    )
