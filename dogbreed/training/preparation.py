"""What precedes the features: "auto" values, the backbone, photos and their check."""

import math
from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path

from dogbreed.artifact.export import check_formats
from dogbreed.backbone.architecture import ALL, Backbone, build_backbone, preprocessing_of
from dogbreed.backbone.licences import is_non_commercial, licence_of
from dogbreed.backbone.providers.base import provider_of
from dogbreed.backbone.weights import NONE, resolve_weights
from dogbreed.configuration.run import ArtifactConfig, Config
from dogbreed.configuration.schema import AUTO
from dogbreed.data.check import SHOWN, Checked, as_lines, check, imbalance
from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.splits import OUTSIDE_LINK, SPLITS, TRAIN, UNUSED, VALID, PhotoFolders
from dogbreed.data.roots import local_root, root_name
from dogbreed.data.sets.samples import SAMPLES, sample_photos
from dogbreed.errors import ConfigError, WeightsError
from dogbreed.features.engines import converts_to_openvino, frozen_engine
from dogbreed.features.extraction import split_point_shape
from dogbreed.features.shard import FeatureShard, read_feature_shard
from dogbreed.features.shard_backbone import read_backbone
from dogbreed.runtime.engine import EngineChoice
from dogbreed.training.run_folder import log
from dogbreed.utils.clock import SET_UP, Clock
from dogbreed.utils.machine import worker_count
from dogbreed.utils.user_paths import cache_dir

# A core dependency of this package has its pretrained weights.
INSTALLED_BACKBONE = "efficientnet_lite2"
UNUSED_SHOWN = 5
MIN_EPOCHS = 20
MIN_STEPS = 1000


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A configuration with every "auto" resolved, its backbone, and its checked photos.

    `choice` is what runs the frozen part; `feature_shard` has its output, where a job computed it.
    """

    config: Config
    backbone: Backbone
    choice: EngineChoice
    checked: Checked
    feature_shard: FeatureShard | None


def prepare(config: Config, clock: Clock, *, trial: bool = False) -> Prepared:
    """Resolve the configuration, build the backbone, check the photos.

    A `trial` on a feature shard needs no weights of the frozen part: the shard has all others.

    Raises:
        DogbreedError: something that the configuration requests isn't available, or the photos
            can't be used.
    """
    folder = config.data.feature_set
    with clock.phase(SET_UP):
        shard = read_feature_shard(Path(folder)) if folder is not None else None
        config, backbone, choice = resolve(config, shard, trial=trial)
    with clock.phase("check"):
        if shard is not None:
            checked = shard.checked
            config = _named(config, shard.name)
            _log_checked(checked)
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
        config=config, backbone=backbone, choice=choice, checked=checked, feature_shard=shard
    )


def find_photos(config: Config) -> tuple[Path, Config]:
    """The folder of photos (generated, downloaded or extracted where necessary), and a run's name.

    Raises:
        OutputError: the cache can't be used.
        DownloadError: a public data set can't be downloaded.
        DogbreedError: as `local_root`.
    """
    if config.data.root is not None:
        root, name = local_root(config.data.root), root_name(config.data.root)
    elif config.data.source == SAMPLES:
        root, name = sample_photos(), SAMPLES
    else:
        from dogbreed.data.sets.download import SETS, fetch

        name = config.data.source
        root = fetch(SETS[name], cache_dir() / "data")
    return root, _named(config, name)


def _named(config: Config, name: str) -> Config:
    return replace(config, name=name if config.name == AUTO else config.name)


def check_photos(root: Path, config: Config, known: Container[str] = ()) -> Checked:
    """Read the folders, check every photo, log the findings; `known` as in `data.check.check`.

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
    checked = check(
        folders,
        max_bad_share=data.max_bad_share,
        max_pixels=data.max_pixels,
        workers=data.workers,
        known=known,
    )
    _log_checked(checked)
    return checked


def resolve(
    config: Config, feature_shard: FeatureShard | None, *, trial: bool = False
) -> tuple[Config, Backbone, EngineChoice]:
    """Replace every "auto" that doesn't depend on the photos; build the backbone.

    The engine is the one that computed the feature shard, if there is one. `trial` as in `prepare`.

    Raises:
        WeightsError, ConfigError, EngineError: something requested isn't available.
    """
    if trial and feature_shard is not None:
        config, backbone = _trained_part(config, feature_shard.folder)
    else:
        config, backbone = _backbone(config)
    check_formats(config.artifact.formats)
    converts = converts_to_openvino(backbone)
    choice = (
        feature_shard.choice
        if feature_shard
        else frozen_engine(backbone, config.engine, config.precision, converts=converts)
    )
    split_point_shape(backbone)  # raises if the network can't take the size
    store = config.features.store and config.model.trainable != ALL
    if config.features.store and not store:
        log.info("features.store is ignored: with model.trainable=all no part is frozen.")
    _check_cache_is_used(config, store)
    workers = worker_count(config.data.workers)
    log.info(
        "auto: model.weights=%s, engine=%s (%s: %s), data.workers=%s",
        *(config.model.weights, choice.name, choice.precision, choice.reason, workers),
    )
    resolved = replace(
        config,
        engine=choice.name,
        precision=choice.precision,
        data=replace(
            config.data,
            workers=workers,
            size_px=backbone.preprocessing.size_px,
            crop_share=backbone.preprocessing.crop_share,
        ),
        artifact=config.artifact if converts else _without_openvino(config.artifact),
        features=replace(config.features, store=store),
    )
    return resolved, backbone, choice


def _backbone(config: Config) -> tuple[Config, Backbone]:
    """Build the backbone; the configuration has the name of its weights.

    Where the sample photos are to be trained on and the weights can't be fetched, it is one whose
    weights are installed.

    Raises:
        WeightsError: the weights can't be had; for the user's own photos it says what else can.
        ConfigError: no such network, or one that takes no photos of data.size_px.
    """
    model = config.model
    weights = resolve_weights(model.backbone, model.weights)
    pixels = replace(preprocessing_of(model.backbone), **config.pixels)
    try:
        backbone = build_backbone(model.backbone, weights, model.trainable, pixels)
    except WeightsError as error:
        if model.weights != AUTO or not provider_of(model.backbone).downloads:
            raise
        if config.data.root is not None or config.data.source != SAMPLES:
            raise WeightsError(
                f"The weights of model.backbone={model.backbone} can't be fetched here. Write "
                f"model.backbone={INSTALLED_BACKBONE}, whose weights are installed; or "
                "model.weights=FILE; or connect to a network. model.weights=none starts from "
                "random weights, which recognise little."
            ) from error
        log.info(
            "The weights of %s can't be fetched: the sample photos are trained on %s, whose "
            "weights are installed.",
            *(model.backbone, INSTALLED_BACKBONE),
        )
        return _backbone(replace(config, model=replace(model, backbone=INSTALLED_BACKBONE)))
    if weights != NONE:
        _report_licence(model.backbone)
    return replace(config, model=replace(model, weights=weights)), backbone


def _trained_part(config: Config, shard: Path) -> tuple[Config, Backbone]:
    """The backbone of a feature shard, without the weights of its frozen part."""
    model = config.model
    pixels = replace(preprocessing_of(model.backbone), **config.pixels)
    backbone, weights = read_backbone(shard, model.backbone, model.trainable, pixels)
    return replace(config, model=replace(model, weights=weights)), backbone


def _report_licence(name: str) -> None:
    """Warn of pretrained weights that may not be used commercially."""
    licence = licence_of(name)
    if is_non_commercial(licence):
        log.warning(
            "warning: the weights of %s are licensed for non-commercial use only (%s)",
            *(name, licence),
        )


def _without_openvino(artifact: ArtifactConfig) -> ArtifactConfig:
    """The export formats of a network that OpenVINO can't convert."""
    if artifact.openvino or artifact.int8:
        log.info("The model is stored without OpenVINO's formats: it can't convert this network.")
    return replace(artifact, openvino=False, int8=False)


def _check_cache_is_used(config: Config, store: bool) -> None:
    """Raise a ConfigError where an option that reads cached features can't."""
    needs_cache = {
        "lr_finder=true": config.lr_finder,
        f"evaluate.folds={config.evaluate.folds}": config.evaluate.folds > 0,
    }
    for name, requested in needs_cache.items():
        if requested and not store:
            raise ConfigError(
                f"{name} works on cached features: it needs features.store=true and a frozen part "
                "(model.trainable=head or last_stage)."
            )
    if config.evaluate.folds == 1:
        raise ConfigError("evaluate.folds=1: must be 0 (none) or at least 2.")


def check_folds(config: Config, folders: PhotoFolders) -> None:
    """Raise a ConfigError if there are more folds than photos."""
    photos = len(folders.samples[TRAIN]) + len(folders.samples[VALID])
    if config.evaluate.folds > photos:
        raise ConfigError(
            f"evaluate.folds={config.evaluate.folds}: there are {photos} photos for training and "
            "validation; take fewer folds than that."
        )


def schedule(config: Config, train_photos: int) -> Config:
    """Replace "auto" in epochs and patience by values for this number of photos.

    A head needs a number of steps rather than of passes (Big Transfer's rule, Kolesnikov et al.
    2020, also sets steps by the size of the set), and steps on cached features are cheap. With live
    photos each pass costs the same, so "auto" is MIN_EPOCHS there.
    """
    epochs, patience = config.trainer.epochs, config.trainer.patience
    if epochs == AUTO:
        steps_per_epoch = math.ceil(train_photos / config.data.batch_size)
        needed = math.ceil(MIN_STEPS / steps_per_epoch) if config.features.store else 0
        epochs = max(MIN_EPOCHS, needed)
    if patience == AUTO:
        patience = max(5, int(epochs) // 4)
    return replace(config, trainer=replace(config.trainer, epochs=epochs, patience=patience))


def _log_checked(checked: Checked) -> None:
    """Log the photos' numbers, and the check's findings in a few lines."""
    folders = checked.folders
    sizes = ", ".join(f"{len(folders.samples[split])} {split}" for split in SPLITS)
    log.info("photos: %s, %d classes (%s)", folders.root, len(folders.classes), sizes)
    if folders.split_locally:
        log.info("%s split off from the training photos", " and ".join(folders.split_locally))
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
