"""Check what a search can't do, locally or at all, before anything starts."""

from dogbreed.configuration.run import CROP, check_fit
from dogbreed.configuration.search import (
    GRID,
    HYPERBAND,
    AccountConfig,
    FinalConfig,
    LaunchConfig,
    TuneConfig,
)
from dogbreed.errors import ConfigError
from dogbreed.evaluation.metrics.registry import objective_metric
from dogbreed.search.space import Choice, Space, read_space
from dogbreed.utils.files import MAX_NAME_BYTES, shortened

# Keys that affect the training of a head on cached features; others change the features, the
# output, or where it runs.
ON_CACHED_FEATURES = ("optim.", "model.head", "model.hidden", "model.dropout", "trainer.epochs")
ALSO_ON_CACHED_FEATURES = ("data.batch_size", "trainer.patience", "seed")

ALL = "all"  # model.trainable: no part is frozen
MIN_HYPERBAND_EPOCHS = 3  # with its reduction factor of 3, fewer make one rung


def check_local(config: LaunchConfig) -> None:
    """Raise a ConfigError for keys that need launcher=sagemaker."""
    if config.dry_run:
        raise ConfigError(
            "dry_run=true shows what would be sent to AWS and its costs; with launcher=local "
            "nothing is sent: leave dry_run out, or take launcher=sagemaker."
        )
    if config.attach is not None:
        raise ConfigError(
            f"attach={config.attach} waits for a SageMaker job; with launcher=local the same "
            "command with search.name=NAME resumes a search, and with resume=auto a training."
        )
    if isinstance(config, FinalConfig) and config.cloud_debugger:
        raise ConfigError(
            "cloud_debugger=true is for SageMaker jobs only: leave it out with launcher=local. The "
            "report has the same findings."
        )
    if not config.wait:
        raise ConfigError(
            "wait=false: not with launcher=local, which runs in this command: leave it out."
        )


def check_local_search(config: TuneConfig) -> Space:
    """Check a search on this machine; return its space.

    Raises:
        ConfigError: a malformed range, an unsuitable strategy, or a key that can't be searched.
    """
    name = config.search.name
    if name in ("", ".", "..", "latest") or "/" in name:
        raise ConfigError(
            f"search.name={name}: it must be the name of a folder in outputs/searches, not a path."
        )
    if shortened(name, MAX_NAME_BYTES) != name:
        raise ConfigError(f"search.name={name}: it is too long: at most {MAX_NAME_BYTES} bytes.")
    space = read_space(config.search.space)
    check_search(config, space)
    check_cached(config, space)
    return space


def check_network(launcher: AccountConfig) -> None:
    """Raise a ConfigError for an incomplete VPC, which would be ignored or rejected."""
    if bool(launcher.subnets) != bool(launcher.security_groups):
        raise ConfigError(
            "launcher.subnets and launcher.security_groups go together: set both for a VPC, or "
            "neither."
        )


def check_search(config: TuneConfig, space: Space) -> None:
    """Raise a ConfigError for what is invalid in both runners."""
    search = config.search
    right = objective_metric(search.objective).direction
    if search.direction != right:
        raise ConfigError(
            f"search.direction={search.direction}: of {search.objective} the best is found with "
            f"search.direction={right}."
        )
    if config.lr_finder:
        raise ConfigError(
            "lr_finder=true sets the learning rate of one training, and a search varies it: leave "
            "one of the two out."
        )
    if search.strategy == GRID:
        ranges = [name for name, each in space.items() if not isinstance(each, Choice)]
        if ranges:
            raise ConfigError(
                f"search.strategy=grid tries lists of values: make {', '.join(ranges)} a choice, "
                "or take random or bayesian."
            )
    if search.strategy == HYPERBAND:
        _check_epochs(config, space)
    _check_fits(config, space)


def _check_epochs(config: TuneConfig, space: Space) -> None:
    """Raise a ConfigError if hyperband has no fixed number of epochs to distribute."""
    epochs = config.trainer.epochs
    if "trainer.epochs" in space:
        raise ConfigError(
            "search.space.trainer.epochs: hyperband chooses the number of epochs of each trial; "
            "remove it from the space, or take another search.strategy."
        )
    if not isinstance(epochs, int) or epochs < MIN_HYPERBAND_EPOCHS:
        raise ConfigError(
            "search.strategy=hyperband gives few epochs to many trials and all to a few: set "
            f"trainer.epochs to their number, at least {MIN_HYPERBAND_EPOCHS} (it is {epochs})."
        )


def _check_fits(config: TuneConfig, space: Space) -> None:
    """Raise a ConfigError if a trial would have a share of the photo and a fit that has none."""
    searched = space.get("data.fit")
    fits = searched.values if isinstance(searched, Choice) else (config.data.fit,)
    if "data.crop_share" in space and set(fits) != {CROP}:
        raise ConfigError(
            "search.space.data.crop_share: only data.fit=crop shows a share of the photo: remove "
            "the one or the other from the space."
        )
    for fit in fits:
        check_fit(str(fit), config.data.crop_share)


def check_cached(config: TuneConfig, space: Space) -> None:
    """Raise a ConfigError for what trials on cached features can't do."""
    if config.model.trainable == ALL or not config.features.store:
        raise ConfigError(
            "The trials train heads on cached features: this needs features.store=true and a "
            "frozen part (model.trainable=head or last_stage). Trials on SageMaker can read photos "
            "instead (search.input=photos)."
        )
    for name in space:
        if not name.startswith(ON_CACHED_FEATURES) and name not in ALSO_ON_CACHED_FEATURES:
            raise ConfigError(
                f"search.space.{name}: {name} would change the cached features that the trials "
                "share, or has no effect on a trial. Run a search for each of its values, or let "
                "the trials on SageMaker read photos (search.input=photos)."
            )
