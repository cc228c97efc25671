"""The main job in its order: photos, check, features, fit, evaluation, results."""

import math
import os
import platform
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy

from dogbreed import __version__
from dogbreed.backbone.architecture import ALL, NONE, Backbone, build_backbone, resolve_weights
from dogbreed.backbone.engine import EngineChoice, choose_engine
from dogbreed.backbone.extraction import Request, fill_stores, open_stores
from dogbreed.backbone.features import FeatureStore
from dogbreed.callbacks import EpochReport, SeedEachStep, StopOnSignal, WholeCheckpoints
from dogbreed.config import AUTO, Config
from dogbreed.data import photos
from dogbreed.data.batches import StoredPhotos
from dogbreed.data.check import SHOWN, Checked, as_lines, check, imbalance
from dogbreed.data.folders import SPLITS, TRAIN, PhotoFolders, read_folders
from dogbreed.data.module import BreedDataModule
from dogbreed.data.photos import Preprocessing
from dogbreed.errors import WeightsError
from dogbreed.evaluation.metrics import SplitMeter, SplitMetrics
from dogbreed.files import cache_dir
from dogbreed.model import BreedClassifier
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

SAMPLES = "samples"

FEWEST_EPOCHS = 20
FEWEST_STEPS = 1000


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
    with clock.phase("check"):
        root, config = find_photos(config)
        checked = check_photos(root, config)
    config, backbone, choice = resolve(config, len(checked.folders.samples[TRAIN]))
    run, checkpoint = open_run(config)
    try:
        _write_inputs(run, config, checked)
        with clock.phase("features"):
            stored = _stored_features(config, checked, backbone, choice)
        module = BreedDataModule(
            checked,
            batch_size=config.data.batch_size,
            preprocessing=_preprocessing(config),
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


def find_photos(config: Config) -> tuple[Path, Config]:
    """The folder of photos (drawn or fetched if the configuration says so), and a name for the run.

    Raises:
        DownloadError: a public set can't be fetched.
    """
    if config.data.root is not None:
        root = Path(config.data.root).expanduser()
        name = root.resolve().name
    elif config.data.source == SAMPLES:
        from dogbreed.data.samples import draw_samples

        root, name = draw_samples(cache_dir() / SAMPLES), SAMPLES
    else:
        from dogbreed.data.download import SETS, fetch

        name = config.data.source
        root = fetch(SETS[name], cache_dir() / "data")
    return root, replace(config, name=name if config.name == AUTO else config.name)


def check_photos(root: Path, config: Config) -> Checked:
    """Read the folders, check every photo, say what was found.

    Raises:
        DataError: the folders aren't classes of photos, or too many of them are bad.
    """
    data = config.data
    folders = read_folders(
        root,
        valid_share=data.valid_share,
        test_share=data.test_share,
        split_seed=data.split_seed,
    ).take(data.fraction, data.split_seed)
    workers = _cores() if data.workers == AUTO else max(1, int(data.workers))
    checked = check(
        folders, max_bad_share=data.max_bad_share, max_pixels=data.max_pixels, workers=workers
    )
    _tell(checked)
    return checked


def resolve(config: Config, train_photos: int) -> tuple[Config, Backbone, EngineChoice]:
    """Replace every "auto" by what it stands for here, and say so; build the backbone.

    Raises:
        WeightsError, ConfigError, EngineError: what was asked for can't be had.
    """
    weights = resolve_weights(config.model.backbone, config.model.weights)
    drawn = config.data.root is None and config.data.source == SAMPLES
    try:
        backbone = build_backbone(config.model.backbone, weights, config.model.trainable)
    except WeightsError:
        if not (drawn and config.model.weights == AUTO):
            raise
        log.info(
            "ImageNet weights can't be fetched: the drawn breeds go on with a random backbone."
        )
        weights = NONE
        backbone = build_backbone(config.model.backbone, weights, config.model.trainable)
    choice = choose_engine(config.engine)
    store = config.features.store and config.model.trainable != ALL
    if config.features.store and not store:
        log.info("features.store is ignored: with model.trainable=all no part is frozen.")
    workers = _cores() if config.data.workers == AUTO else config.data.workers
    epochs, patience = schedule(config, train_photos)
    log.info(
        "auto: model.weights=%s, engine=%s (%s: %s), data.workers=%s, trainer.epochs=%d, "
        "trainer.patience=%d",
        *(weights, choice.name, choice.precision, choice.reason, workers, epochs, patience),
    )
    resolved = replace(
        config,
        engine=choice.name,
        data=replace(config.data, workers=workers),
        model=replace(config.model, weights=weights),
        trainer=replace(config.trainer, epochs=epochs, patience=patience),
        features=replace(config.features, store=store),
    )
    return resolved, backbone, choice


def schedule(config: Config, train_photos: int) -> tuple[int, int]:
    """Epochs and patience: what is set, or what suits so many photos.

    A head needs a number of steps more than a number of passes (Big Transfer's rule, Kolesnikov et
    al. 2020, sets steps by the size of the set too), and steps from the store cost next to
    nothing. Live photos cost as much in each pass, so there it stays at FEWEST_EPOCHS.
    """
    epochs, patience = config.trainer.epochs, config.trainer.patience
    if epochs == AUTO:
        steps_per_epoch = math.ceil(train_photos / config.data.batch_size)
        wanted = math.ceil(FEWEST_STEPS / steps_per_epoch) if config.features.store else 0
        epochs = max(FEWEST_EPOCHS, wanted)
    return int(epochs), max(5, int(epochs) // 4) if patience == AUTO else int(patience)


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
            batch = type(batch)(*(tensor.to(device) for tensor in batch))
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


def _stored_features(
    config: Config, checked: Checked, backbone: Backbone, choice: EngineChoice
) -> dict[str, StoredPhotos] | None:
    """Each split's features, computed where the store lacks them; None to train on live photos."""
    if not config.features.store:
        return None
    views = photos.view_names(config.features.views)
    views_of = {
        split: views if split == TRAIN or config.features.average else views[:1] for split in SPLITS
    }
    root = Path(config.features.root or cache_dir() / "features").expanduser()
    preprocessing = _preprocessing(config)
    stores = open_stores(root, backbone, preprocessing, choice, views, config.features.dtype)
    requests = [
        Request(path=s.path, digest=checked.digests[s.path], views=views_of[s.split])
        for s in checked.folders.all_samples()
    ]
    started = time.monotonic()
    computed = fill_stores(
        stores,
        requests,
        backbone,
        preprocessing,
        choice,
        workers=max(1, int(config.data.workers)),
        max_pixels=config.data.max_pixels,
    )
    seconds = time.monotonic() - started
    rate = f" at {computed / seconds:.1f} a second" if computed else ""
    total = sum(len(request.views) for request in requests)
    log.info("features: %d views of photos, %d computed now%s", total, computed, rate)
    return {
        split: _read_split(checked, split, [stores[view] for view in views_of[split]])
        for split in SPLITS
    }


def _read_split(checked: Checked, split: str, stores: list[FeatureStore]) -> StoredPhotos:
    samples = checked.folders.samples[split]
    digests = [checked.digests[sample.path] for sample in samples]
    return StoredPhotos(
        [store.reader() for store in stores],
        [store.rows(digests) for store in stores],
        [sample.label for sample in samples],
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


def _preprocessing(config: Config) -> Preprocessing:
    return Preprocessing(size_px=config.data.size_px, crop_share=config.data.crop_share)


def _cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell(checked: Checked) -> None:
    """What the check found, in a few lines."""
    folders = checked.folders
    sizes = ", ".join(f"{len(folders.samples[split])} {split}" for split in SPLITS)
    log.info("photos: %s, %d classes (%s)", folders.root, len(folders.classes), sizes)
    if folders.split_here:
        log.info("%s drawn from the training photos", " and ".join(folders.split_here))
    counts = folders.counts(TRAIN)
    log.info(
        "classes have %d to %d training photos (imbalance %.1f)",
        *(min(counts), max(counts), imbalance(counts)),
    )
    bad = sum(finding.photos for finding in checked.findings if finding.bad)
    if bad:
        log.warning("warning: %d bad photos are left out", bad)
    for line in as_lines(checked.findings, SHOWN):
        log.info("  %s", line)


def _write_inputs(run: RunFolder, config: Config, checked: Checked) -> None:
    """What the run starts from: configuration, splits, findings."""
    if not is_main_process():
        return
    run.write_config(config)
    folders = checked.folders
    run.write_lines(
        "splits.tsv",
        [
            f"{sample.split}\t{folders.classes[sample.label]}\t{sample.path}"
            for sample in folders.all_samples()
        ],
    )
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
            "preprocessing": _preprocessing(config).describe(),
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
