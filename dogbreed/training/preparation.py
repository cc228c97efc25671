"""Everything before the features: photos, their check, the "auto" values, the backbone."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from dogbreed.artifact.export import check_formats
from dogbreed.backbone.architecture import ALL, Backbone, build_backbone, check_name
from dogbreed.backbone.weights import NONE, resolve_weights
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import AUTO
from dogbreed.data.check import SHOWN, Checked, as_lines, check, imbalance
from dogbreed.data.decoding.photos import Preprocessing
from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.splits import OUTSIDE_LINK, SPLITS, TRAIN, UNUSED, VALID, PhotoFolders
from dogbreed.data.sets.samples import SAMPLES, sample_photos
from dogbreed.errors import ConfigError, WeightsError
from dogbreed.features.extraction import split_point_shape
from dogbreed.features.shard import FeatureShard, read_feature_shard
from dogbreed.runtime.engine import EngineChoice, choose_engine
from dogbreed.training.run_folder import log
from dogbreed.utils.clock import SET_UP, Clock
from dogbreed.utils.machine import cores
from dogbreed.utils.user_paths import cache_dir

UNUSED_SHOWN = 5
MIN_EPOCHS = 20
MIN_STEPS = 1000


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that stands before the features: every "auto" is resolved, every photo was checked."""

    config: Config
    backbone: Backbone
    choice: EngineChoice
    checked: Checked
    feature_set: FeatureShard | None


def prepare(config: Config, clock: Clock) -> Prepared:
    """Resolve the configuration, build the backbone, check the photos.

    Raises:
        DogbreedError: what was asked for can't be had, or the photos can't be used.
    """
    given = config.data.feature_set
    with clock.phase(SET_UP):
        feature_set = read_feature_shard(Path(given)) if given is not None else None
        config, backbone, choice = resolve(config, feature_set)
    with clock.phase("check"):
        if feature_set is not None:
            checked = feature_set.checked
            config = _named(config, feature_set.name)
            _tell(checked)
        else:
            root, config = find_photos(config)
            checked = check_photos(root, config)
    check_folds(config, checked.folders)
    config = schedule(config, len(checked.folders.samples[TRAIN]))
    log.info(
        "auto: trainer.epochs=%s, trainer.patience=%s",
        *(config.trainer.epochs, config.trainer.patience),
    )
    return Prepared(
        config=config, backbone=backbone, choice=choice, checked=checked, feature_set=feature_set
    )


def find_photos(config: Config) -> tuple[Path, Config]:
    """The folder of photos (drawn or fetched if the configuration says so), and a name for the run.

    Raises:
        OutputError: the cache can't be used.
        DownloadError: a public set can't be fetched.
    """
    if config.data.root is not None:
        root = Path(config.data.root)
        name = root.resolve().name
    elif config.data.source == SAMPLES:
        root, name = sample_photos(), SAMPLES
    else:
        from dogbreed.data.sets.download import SETS, fetch

        name = config.data.source
        root = fetch(SETS[name], cache_dir() / "data")
    return root, _named(config, name)


def _named(config: Config, name: str) -> Config:
    return replace(config, name=name if config.name == AUTO else config.name)


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
        nested_classes=data.nested_classes,
        links=data.links,
    ).take(data.fraction, data.split_seed)
    workers = cores() if data.workers == AUTO else max(1, int(data.workers))
    checked = check(
        folders, max_bad_share=data.max_bad_share, max_pixels=data.max_pixels, workers=workers
    )
    _tell(checked)
    return checked


def resolve(
    config: Config, feature_set: FeatureShard | None
) -> tuple[Config, Backbone, EngineChoice]:
    """Replace every "auto" that doesn't depend on the photos; build the backbone.

    What runs the frozen part is what ran it for the feature set, if there is one.

    Raises:
        WeightsError, ConfigError, EngineError: what was asked for can't be had.
    """
    choice = feature_set.choice if feature_set else choose_engine(config.engine, config.precision)
    check_name(config.model.backbone)
    weights = resolve_weights(config.model.backbone, config.model.weights)
    drawn = config.data.root is None and config.data.source == SAMPLES
    try:
        backbone = build_backbone(config.model.backbone, weights, config.model.trainable)
    except WeightsError:
        if not (drawn and config.model.weights == AUTO):
            raise
        log.info(
            "ImageNet weights can't be fetched: training on the built-in photos uses a random "
            "backbone."
        )
        weights = NONE
        backbone = build_backbone(config.model.backbone, weights, config.model.trainable)
    split_point_shape(backbone, config.data.size_px)  # an error if the size doesn't fit the network
    store = config.features.store and config.model.trainable != ALL
    if config.features.store and not store:
        log.info("features.store is ignored: with model.trainable=all no part is frozen.")
    _check_what_needs_the_store(config, store)
    check_formats(config.artifact.forms)
    workers = cores() if config.data.workers == AUTO else config.data.workers
    log.info(
        "auto: model.weights=%s, engine=%s (%s: %s), data.workers=%s",
        *(weights, choice.name, choice.precision, choice.reason, workers),
    )
    resolved = replace(
        config,
        engine=choice.name,
        precision=choice.precision,
        data=replace(config.data, workers=workers),
        model=replace(config.model, weights=weights),
        features=replace(config.features, store=store),
    )
    return resolved, backbone, choice


def _check_what_needs_the_store(config: Config, store: bool) -> None:
    asked = {
        "lr_finder=true": config.lr_finder,
        f"evaluate.folds={config.evaluate.folds}": config.evaluate.folds > 0,
    }
    for name, wanted in asked.items():
        if wanted and not store:
            raise ConfigError(
                f"{name} works on stored features: it needs features.store=true and a frozen part "
                "(model.trainable=head or last_stage)."
            )
    if config.evaluate.folds == 1:
        raise ConfigError("evaluate.folds=1: must be 0 (none) or at least 2.")


def check_folds(config: Config, folders: PhotoFolders) -> None:
    """Raise a ConfigError if there are more folds than photos to deal out."""
    photos = len(folders.samples[TRAIN]) + len(folders.samples[VALID])
    if config.evaluate.folds > photos:
        raise ConfigError(
            f"evaluate.folds={config.evaluate.folds}: there are {photos} photos for training and "
            "validation; take fewer folds than that."
        )


def schedule(config: Config, train_photos: int) -> Config:
    """Replace "auto" in epochs and patience by what suits so many photos.

    A head needs a number of steps more than a number of passes (Big Transfer's rule, Kolesnikov et
    al. 2020, sets steps by the size of the set too), and steps from the store cost next to
    nothing. Live photos cost as much in each pass, so there it stays at MIN_EPOCHS.
    """
    epochs, patience = config.trainer.epochs, config.trainer.patience
    if epochs == AUTO:
        steps_per_epoch = math.ceil(train_photos / config.data.batch_size)
        wanted = math.ceil(MIN_STEPS / steps_per_epoch) if config.features.store else 0
        epochs = max(MIN_EPOCHS, wanted)
    if patience == AUTO:
        patience = max(5, int(epochs) // 4)
    return replace(config, trainer=replace(config.trainer, epochs=epochs, patience=patience))


def preprocessing_of(config: Config) -> Preprocessing:
    """How this configuration turns a photo into pixels."""
    return Preprocessing(size_px=config.data.size_px, crop_share=config.data.crop_share)


def _tell(checked: Checked) -> None:
    """What the check found, in a few lines."""
    folders = checked.folders
    sizes = ", ".join(f"{len(folders.samples[split])} {split}" for split in SPLITS)
    log.info("photos: %s, %d classes (%s)", folders.root, len(folders.classes), sizes)
    if folders.split_locally:
        log.info("%s drawn from the training photos", " and ".join(folders.split_locally))
    counts = folders.counts(TRAIN)
    log.info(
        "classes have %d to %d training photos (imbalance %.1f)",
        *(min(counts), max(counts), imbalance(counts)),
    )
    bad = sum(finding.photos for finding in checked.findings if finding.bad)
    if bad:
        log.warning("warning: %d bad photos are left out", bad)
    for finding in checked.findings:
        if finding.reason == OUTSIDE_LINK and finding.path == folders.root:
            log.warning("warning: %s", finding.message)
    unused = [finding.path.name for finding in checked.findings if finding.reason == UNUSED]
    if unused:
        log.warning(
            "warning: %d folders with photos are not used: %s",
            *(len(unused), ", ".join(f"{name}/" for name in unused[:UNUSED_SHOWN])),
        )
    for line in as_lines(checked.findings, SHOWN):
        log.info("  %s", line)
