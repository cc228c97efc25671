"""Training proper: the model and the Trainer that a configuration asks for."""

import math
import os
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.profilers import Profiler
from pytorch_lightning.strategies import DDPStrategy

from dogbreed.backbone.architecture import Backbone
from dogbreed.configuration.run import Config
from dogbreed.data.batches import BatchLoader
from dogbreed.data.layouts.splits import TRAIN, PhotoFolders
from dogbreed.data.module import BreedDataModule
from dogbreed.errors import StoppedByRule, TrainingError
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.model import BreedClassifier
from dogbreed.training.callbacks import EpochReport, Patience, SeedEachStep
from dogbreed.training.checkpoints import AtomicCheckpointIO, Checkpoints, StopOnSignal
from dogbreed.training.run_folder import BEST_CHECKPOINT, RUN_FOLDER_VARIABLE, RunFolder, log
from dogbreed.utils.progress import is_main_process, progress


def fit(
    model: BreedClassifier,
    module: BreedDataModule,
    config: Config,
    run: RunFolder,
    checkpoint: Path | None,
    watching: Sequence[pl.Callback] = (),
    profiler: Profiler | None = None,
) -> list[dict[str, float]]:
    """Train; leave the best epoch's weights in `model`; the metrics of each epoch.

    Raises:
        Stopped: a signal came; last.ckpt is there to continue from.
        TrainingError: no epoch had a finite validation loss.
        StoppedByRule: one of `watching` ended it before any epoch had.
    """
    report = EpochReport()
    # A process that joins a distributed training runs this same command: it must find the folder.
    os.environ[RUN_FOLDER_VARIABLE] = str(run.path.resolve())
    try:
        with warnings.catch_warnings():
            # Lightning's advice on worker processes and logging is for other kinds of loaders.
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            trainer = _trainer(config, run, report, watching, profiler)
            trainer.fit(model, module, ckpt_path=checkpoint, weights_only=True)
    except StoppedByRule as stopped:
        if not _has_finite_epoch(report):
            raise
        log.warning("warning: %s The best epoch's weights so far are kept.", stopped)
    finally:
        os.environ.pop(RUN_FOLDER_VARIABLE, None)
    if not _has_finite_epoch(report):
        raise TrainingError(_why_not_finite(model, config))
    if is_main_process():  # the others' machines may not have it, and nothing is left for them
        best = torch.load(run.path / BEST_CHECKPOINT, map_location="cpu", weights_only=True)
        model.load_state_dict(best["state_dict"], strict=False)
    return report.history


def _why_not_finite(model: BreedClassifier, config: Config) -> str:
    """The sentence for a loss that isn't finite; features from the cache always are."""
    for name, tensor in model.backbone.trunk.state_dict().items():
        if not torch.isfinite(tensor).all():
            return (
                f"The loss isn't finite, as the frozen weights {name} aren't: "
                f"model.weights={config.model.weights} is damaged, use others."
            )
    return (
        f"The loss isn't finite: optim.lr={config.optim.lr:g} is too high for these features. Try "
        "a tenth of it."
    )


def _has_finite_epoch(report: EpochReport) -> bool:
    return any(math.isfinite(epoch["valid_loss"]) for epoch in report.history)


def score(model: BreedClassifier, loader: BatchLoader, what: str = "") -> Scores:
    """What `model` says of a whole split, in this process alone; `what` names it on the bar."""
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
    config: Config,
    run: RunFolder,
    report: EpochReport,
    watching: Sequence[pl.Callback],
    profiler: Profiler | None,
) -> pl.Trainer:
    checkpoints = Checkpoints(run.path, report, config.trainer.checkpoint_minutes)
    callbacks: list[pl.Callback] = [
        SeedEachStep(config.seed),
        report,
        *watching,
        checkpoints,
        StopOnSignal(checkpoints),
    ]
    several = config.trainer.strategy == "ddp"
    return bare_trainer(
        config,
        [*callbacks, *patience(config)],
        devices=config.trainer.devices,
        # Nothing in the frozen part changes, so its buffers needn't be sent around at each step.
        strategy=DDPStrategy(broadcast_buffers=False) if several else "auto",
        plugins=[AtomicCheckpointIO()],
        # torchrun says on how many machines; Lightning's own launcher knows one.
        num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", "1")),
        num_sanity_val_steps=0,
        default_root_dir=run.path,
        profiler=profiler,
    )


def patience(config: Config) -> list[pl.Callback]:
    """What ends a training whose validation loss no longer falls, if the configuration says so."""
    if not config.trainer.patience:
        return []
    return [Patience("valid_loss", patience=int(config.trainer.patience))]


def bare_trainer(config: Config, callbacks: list[pl.Callback], **settings: Any) -> pl.Trainer:
    """A Trainer for so many epochs with nothing of Lightning's own around it."""
    return pl.Trainer(
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        max_epochs=int(config.trainer.epochs),
        callbacks=callbacks,
        use_distributed_sampler=False,  # the loaders share the batches out themselves
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )


def build_model(config: Config, folders: PhotoFolders, backbone: Backbone) -> BreedClassifier:
    """The untrained classifier that the configuration asks for."""
    torch.manual_seed(config.seed)  # the head's first weights
    counts = folders.counts(TRAIN)
    balanced = [sum(counts) / (len(counts) * count) for count in counts]
    return BreedClassifier(
        folders.classes,
        backbone=backbone,
        head=config.model.head,
        hidden=config.model.hidden,
        dropout=config.model.dropout,
        optimizer=config.optim.name,
        lr=config.optim.lr,
        eps=config.optim.eps,
        weight_decay=config.optim.weight_decay,
        momentum=config.optim.momentum,
        backbone_lr_scale=config.optim.backbone_lr_scale,
        scheduler=config.optim.scheduler,
        label_smoothing=config.optim.label_smoothing,
        class_weights=balanced if config.optim.class_weights == "balanced" else None,
    )
