"""What each runner can't do, said before anything starts."""

from dataclasses import replace

from dogbreed.configuration.schema import AUTO
from dogbreed.configuration.search import (
    FEATURES,
    GRID,
    HYPERBAND,
    ONE,
    AccountConfig,
    FinalConfig,
    LaunchConfig,
    SearchConfig,
    TuneConfig,
)
from dogbreed.errors import ConfigError
from dogbreed.evaluation.metrics.registry import objective_metric
from dogbreed.search.space import Choice, Space, grid_size, read_space
from dogbreed.utils.files import MAX_NAME_BYTES, shortened

# Keys that a head's training on stored features reads; the others change the features, what is
# written, or where it runs.
ON_STORED_FEATURES = ("optim.", "model.head", "model.hidden", "model.dropout", "trainer.epochs")
ALSO_ON_STORED_FEATURES = ("data.batch_size", "trainer.patience", "seed")

ALL = "all"  # model.trainable: no part is frozen
MIN_HYPERBAND_EPOCHS = 3  # with its reduction factor of 3, fewer make one rung

# SageMaker's limits on a tuning job (its developer guide, "Resource limits for automatic model
# tuning", read in November 2026).
MAX_CHOICES = 30
MAX_PARAMETERS = 30
MAX_WARM_STARTS = 5
MAX_NAME_CHARACTERS = 32
MAX_TRIALS = {"bayesian": 750, "random": 10_000, "hyperband": 750, "grid": 750}
MAX_PARALLEL = 100

JOBS_AT_A_TIME = 2  # parallel trials know less of each other; few quotas allow many


def check_local(config: LaunchConfig) -> None:
    """Raise a ConfigError for what only a launch in an account can do."""
    if config.dry_run:
        raise ConfigError(
            "dry_run=true shows what would be sent to AWS and what it costs; with launcher=local "
            "nothing is sent and nothing costs: leave dry_run out, or take launcher=sagemaker."
        )
    if config.attach is not None:
        raise ConfigError(
            f"attach={config.attach} takes up a job of SageMaker's; with launcher=local the same "
            "command with search.name=NAME goes on with a search, and resume=auto with a training."
        )
    if isinstance(config, FinalConfig) and config.cloud_debugger:
        raise ConfigError(
            "cloud_debugger=true asks for AWS's own Debugger, which watches SageMaker's jobs only: "
            "leave it out with launcher=local. The report says the same without it."
        )
    if not config.wait:
        raise ConfigError("wait=false: what runs with launcher=local ends with its command.")


def check_local_search(config: TuneConfig) -> Space:
    """The space of a search on this machine, once nothing stands against it.

    Raises:
        ConfigError: a range that is none, a strategy that doesn't fit, a key that can't be varied.
    """
    name = config.search.name
    if name in ("", ".", "..", "latest") or "/" in name:
        raise ConfigError(f"search.name={name}: it names a folder in outputs/searches, so no path.")
    if shortened(name, MAX_NAME_BYTES) != name:
        raise ConfigError(f"search.name={name}: it is too long: {MAX_NAME_BYTES} bytes at most.")
    space = read_space(config.search.space)
    _check_search(config, space)
    _check_stored(config, space)
    return space


def check_on_sagemaker(config: TuneConfig) -> tuple[SearchConfig, Space]:
    """The search with its "auto" resolved and its space, once nothing stands against it.

    Raises:
        ConfigError: as `check_local_search`, and what SageMaker would refuse or silently do
            otherwise.
    """
    search = config.search
    if search.name != AUTO and not _is_job_name(search.name):
        raise ConfigError(
            f"search.name={search.name}: SageMaker takes letters, digits and single hyphens "
            f"between them, {MAX_NAME_CHARACTERS} at most."
        )
    check_network(config.launcher)
    if search.jobs == ONE:
        if search.warm_start:
            raise ConfigError(
                "search.warm_start: with search.jobs=one the job knows no earlier search; leave it "
                "out, or take search.jobs=many."
            )
        return search, check_local_search(config)
    space = read_space(search.space)
    _check_search(config, space)
    _check_sagemaker(config, space)
    parallel = JOBS_AT_A_TIME if search.parallel == AUTO else int(search.parallel)
    return replace(search, parallel=min(parallel, search.trials)), space


def _is_job_name(name: str) -> bool:
    parts = name.split("-")
    return len(name) <= MAX_NAME_CHARACTERS and all(p.isascii() and p.isalnum() for p in parts)


def check_network(launcher: AccountConfig) -> None:
    """Raise a ConfigError for half a VPC, which would be ignored or refused."""
    if bool(launcher.subnets) != bool(launcher.security_groups):
        raise ConfigError(
            "launcher.subnets and launcher.security_groups go together: a VPC needs both, the open "
            "network neither."
        )


def _check_search(config: TuneConfig, space: Space) -> None:
    """Raise a ConfigError for what makes no sense wherever a search runs."""
    search = config.search
    right = objective_metric(search.objective).direction
    if search.direction != right:
        raise ConfigError(
            f"search.direction={search.direction}: of {search.objective} the best is found with "
            f"search.direction={right}."
        )
    if config.lr_finder:
        raise ConfigError(
            "lr_finder=true finds the rate of one training, a search tries rates by itself: leave "
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


def _check_epochs(config: TuneConfig, space: Space) -> None:
    """Raise a ConfigError if hyperband has no number of epochs to give and to save."""
    epochs = config.trainer.epochs
    if "trainer.epochs" in space:
        raise ConfigError(
            "search.space.trainer.epochs: hyperband itself chooses how many epochs a trial gets; "
            "take it out of the space, or take another search.strategy."
        )
    if not isinstance(epochs, int) or epochs < MIN_HYPERBAND_EPOCHS:
        raise ConfigError(
            "search.strategy=hyperband gives few epochs to many trials and all to a few: set "
            f"trainer.epochs to their number, at least {MIN_HYPERBAND_EPOCHS} (it is {epochs})."
        )


def _check_stored(config: TuneConfig, space: Space) -> None:
    """Raise a ConfigError for what trials over stored features can't do."""
    if config.model.trainable == ALL or not config.features.store:
        raise ConfigError(
            "The trials train heads on stored features: that needs features.store=true and a "
            "frozen part (model.trainable=head or last_stage). Trials of SageMaker can read photos "
            "instead (search.input=photos)."
        )
    for name in space:
        if not name.startswith(ON_STORED_FEATURES) and name not in ALSO_ON_STORED_FEATURES:
            raise ConfigError(
                f"search.space.{name}: the trials share one set of stored features, which {name} "
                "isn't a matter of or would change. Run a search for each of its values, or let "
                "every trial of SageMaker read photos (search.input=photos)."
            )


def _check_sagemaker(config: TuneConfig, space: Space) -> None:
    """SageMaker's own limits.

    Raises:
        ConfigError: what it would refuse, or silently do otherwise.
    """
    search = config.search
    for name, each in space.items():
        if isinstance(each, Choice) and len(each.values) > MAX_CHOICES:
            raise ConfigError(
                f"search.space.{name}: {len(each.values)} choices; SageMaker takes "
                f"{MAX_CHOICES} at most. Leave some out, or search with launcher=local."
            )
    numbers = {
        "parameters": (len(space), MAX_PARAMETERS),
        "search.trials": (search.trials, MAX_TRIALS[search.strategy]),
        "search.warm_start": (len(search.warm_start), MAX_WARM_STARTS),
    }
    if search.parallel != "auto":
        numbers["search.parallel"] = (int(search.parallel), MAX_PARALLEL)
    for name, (value, most) in numbers.items():
        if value > most:
            raise ConfigError(f"{name}: {value}; SageMaker takes {most} at most.")
    for name in search.warm_start:
        if not _is_job_name(name):
            raise ConfigError(f"search.warm_start={name!r}: no tuning job can have that name.")
    if search.warm_start and search.strategy in (HYPERBAND, GRID):
        raise ConfigError(
            f"search.warm_start: SageMaker knows it with bayesian and random only, not with "
            f"search.strategy={search.strategy}."
        )
    if search.strategy == GRID:
        size = grid_size(space)
        if search.trials != size:
            raise ConfigError(
                f"search.trials={search.trials}: SageMaker's grid tries all {size} combinations: "
                f"set search.trials={size}."
            )
    size = grid_size(space)
    if size is not None and search.strategy != GRID and search.trials > size:
        raise ConfigError(
            f"search.trials={search.trials}: the space has {size} combinations, and SageMaker "
            f"tries none twice: set search.trials={size}, or search.strategy=grid."
        )
    if search.input == FEATURES:
        _check_stored(config, space)
        if config.artifact.int8:
            raise ConfigError(
                "artifact.int8=true is calibrated on photos, which these trials don't read: leave "
                "it to the training that follows, or set search.input=photos."
            )
