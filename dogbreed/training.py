"""The main job in its order: photos, check, features, fit, evaluation, results."""

import math
import os
import platform
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy

from dogbreed import __version__
from dogbreed.backbone.architecture import Backbone
from dogbreed.callbacks import EpochReport, SeedEachStep, StopOnSignal, WholeCheckpoints
from dogbreed.config import Config
from dogbreed.data.check import Checked, as_lines
from dogbreed.data.module import BreedDataModule
from dogbreed.data.splits import SPLITS, TRAIN, PhotoFolders
from dogbreed.errors import TrainingError
from dogbreed.evaluation.metrics import SplitMeter, SplitMetrics
from dogbreed.model import BreedClassifier
from dogbreed.preparation import (
    check_photos,
    find_photos,
    preprocessing_of,
    resolve,
    schedule,
    stored_features,
)
from dogbreed.progress import is_main_process, progress
from dogbreed.runs import (
    BEST_CHECKPOINT,
    LAST_CHECKPOINT,
    RUN_FOLDER_VARIABLE,
    RunFolder,
    check_writable,
    log,
    log_to_terminal,
    open_run,
)


@dataclass
class Clock:
    """Seconds of each phase, and of all since it was made."""

    started: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the block to `name`."""
        start = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start

    def as_dict(self) -> dict[str, float]:
        """The phases, then the total."""
        total = time.monotonic() - self.started
        return {name: round(s, 3) for name, s in {**self.seconds, "total": total}.items()}


def train(config: Config) -> Path:
    """Run the whole job; returns the run's folder.

    Raises:
        DogbreedError: what the user can mend, in one sentence; `Stopped` after a signal.
    """
    clock = Clock()
    log_to_terminal()
    check_writable(Path(config.output_root))
    config, backbone, choice = resolve(config)
    with clock.phase("check"):
        root, config = find_photos(config)
        checked = check_photos(root, config)
    config = schedule(config, len(checked.folders.samples[TRAIN]))
    run, checkpoint = open_run(config)
    try:
        _write_inputs(run, config, checked)
        with clock.phase("features"):
            stored = stored_features(config, checked, backbone, choice)
        module = BreedDataModule(
            checked,
            batch_size=config.data.batch_size,
            preprocessing=preprocessing_of(config),
            views=config.features.views if config.features.average else 1,
            stored=stored,
            workers=int(config.data.workers),
            seed=config.seed,
            max_pixels=config.data.max_pixels,
        )
        model = _build_model(config, checked.folders, backbone)
        with clock.phase("fit"):
            history = fit(model, module, config, run, checkpoint)
        if is_main_process():
            with clock.phase("evaluate"):
                metrics = {split: evaluate(model, module, split) for split in SPLITS}
            _write_results(run, config, checked, model, metrics, history, clock)
    finally:
        run.close()
    return run.path


def fit(
    model: BreedClassifier,
    module: BreedDataModule,
    config: Config,
    run: RunFolder,
    checkpoint: Path | None,
) -> list[dict[str, float]]:
    """Train; leave the best epoch's weights in `model`; the metrics of each epoch.

    Raises:
        Stopped: a signal came; last.ckpt is there to go on from.
        TrainingError: no epoch had a finite validation loss.
    """
    report = EpochReport()
    # A process that joins a distributed training runs this same command: it must find the folder.
    os.environ[RUN_FOLDER_VARIABLE] = str(run.path.resolve())
    try:
        with warnings.catch_warnings():
            # Lightning's advice on worker processes and logging is for other kinds of loaders.
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            trainer = _trainer(config, run, report)
            trainer.fit(model, module, ckpt_path=checkpoint, weights_only=True)
    finally:
        os.environ.pop(RUN_FOLDER_VARIABLE, None)
    if not any(math.isfinite(epoch["valid_loss"]) for epoch in report.history):
        raise TrainingError(
            f"The loss isn't finite: optim.lr={config.optim.lr:g} is too high for these features, "
            "or the photos' features aren't finite. Try a tenth of it."
        )
    best = torch.load(run.path / BEST_CHECKPOINT, map_location="cpu", weights_only=True)
    model.load_state_dict(best["state_dict"], strict=False)
    return report.history


def evaluate(model: BreedClassifier, module: BreedDataModule, split: str) -> SplitMetrics:
    """The metrics of `model` over a whole split, in this process alone."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device).eval()
    meter = SplitMeter(len(model.classes))
    loader = module.eval_dataloader(split)
    with torch.inference_mode(), progress(f"evaluating {split}", len(loader), "batches") as advance:
        for batch in loader:
            batch = model.transfer_batch_to_device(batch, device, 0)
            log_probabilities, targets = model.log_probabilities(batch)
            meter.update(log_probabilities.float().cpu(), targets.cpu())
            advance(1)
    return meter.compute()


def _trainer(config: Config, run: RunFolder, report: EpochReport) -> pl.Trainer:
    checkpoints = ModelCheckpoint(
        dirpath=run.path / "checkpoints",
        filename=BEST_CHECKPOINT.stem,
        monitor="valid_loss",
        save_last=True,
        enable_version_counter=False,
    )
    callbacks: list[pl.Callback] = [
        SeedEachStep(config.seed),
        report,
        checkpoints,
        StopOnSignal(run.path / LAST_CHECKPOINT),
    ]
    if config.trainer.patience:
        callbacks.append(EarlyStopping("valid_loss", patience=int(config.trainer.patience)))
    several = config.trainer.strategy == "ddp"
    return pl.Trainer(
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        devices=config.trainer.devices,
        # Nothing in the frozen part changes, so its buffers needn't be sent around at each step.
        strategy=DDPStrategy(broadcast_buffers=False) if several else "auto",
        max_epochs=int(config.trainer.epochs),
        callbacks=callbacks,
        plugins=[WholeCheckpoints()],
        use_distributed_sampler=False,  # the loaders share the batches out themselves
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run.path,
    )


def _build_model(config: Config, folders: PhotoFolders, backbone: Backbone) -> BreedClassifier:
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


def _write_inputs(run: RunFolder, config: Config, checked: Checked) -> None:
    """What the run starts from: configuration, splits, findings."""
    if not is_main_process():
        return
    run.write_config(config)
    folders = checked.folders
    rows = [(s.split, folders.classes[s.label], s.path) for s in folders.all_samples()]
    run.write_table("splits.csv", [("split", "class", "path"), *rows])
    run.write_lines("findings.txt", as_lines(checked.findings))


def _write_results(
    run: RunFolder,
    config: Config,
    checked: Checked,
    model: BreedClassifier,
    metrics: dict[str, SplitMetrics],
    history: list[dict[str, float]],
    clock: Clock,
) -> None:
    model.save(
        run.path / "model",
        {
            "display_names": list(checked.folders.display_names),
            "preprocessing": preprocessing_of(config).describe(),
            "views": config.features.views if config.features.average else 1,
            "metrics": {split: values.as_dict() for split, values in metrics.items()},
            "versions": {
                "dogbreed": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        },
    )
    results: dict[str, Any] = {split: values.as_dict() for split, values in metrics.items()}
    run.write_json("metrics.json", {**results, "seconds": clock.as_dict(), "epochs": history})
    run.finish()
    log.info("\n%-6s %8s %7s %7s %9s %7s", "", "loss", "top-1", "top-5", "macro F1", "photos")
    for split, values in metrics.items():
        log.info(
            "%-6s %8.4f %6.1f%% %6.1f%% %8.1f%% %7d",
            *(split, values.loss, 100 * values.top1, 100 * values.top5, 100 * values.macro_f1),
            values.n,
        )
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in clock.as_dict().items())
    log.info("\n%s\nresults: %s", spent, run.path)
