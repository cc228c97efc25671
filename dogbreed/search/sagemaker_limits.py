"""Check a search on SageMaker against the service's limits, and choose search.jobs."""

from dataclasses import replace

from dogbreed.configuration.schema import AUTO
from dogbreed.configuration.search import (
    FEATURES,
    GRID,
    HYPERBAND,
    MANY,
    ONE,
    PHOTOS,
    LauncherConfig,
    SearchConfig,
    TuneConfig,
)
from dogbreed.errors import ConfigError
from dogbreed.search.runner_limits import (
    check_cached,
    check_local_search,
    check_network,
    check_search,
)
from dogbreed.search.space import Choice, Space, grid_size, read_space

# SageMaker's limits on a tuning job (its developer guide, "Resource limits for automatic model
# tuning", read in November 2026).
MAX_CHOICES = 30
MAX_PARAMETERS = 30
MAX_WARM_STARTS = 5
MAX_NAME_CHARACTERS = 32
MAX_TRIALS = {"bayesian": 750, "random": 10_000, "hyperband": 750, "grid": 750}
MAX_PARALLEL = 100

DEFAULT_PARALLEL_JOBS = 2  # parallel trials can't learn from each other; few quotas allow more


def check_on_sagemaker(config: TuneConfig) -> tuple[SearchConfig, Space]:
    """Check a search on SageMaker; return it with search.parallel resolved, and its space.

    Raises:
        ConfigError: as `check_local_search`, and what SageMaker would reject or silently ignore.
    """
    search = config.search
    if search.name != AUTO and not _is_job_name(search.name):
        raise ConfigError(
            f"search.name={search.name}: SageMaker takes at most {MAX_NAME_CHARACTERS} letters, "
            "digits and single hyphens between them."
        )
    check_network(config.launcher)
    _check_warm_pool(config.launcher)
    if search.jobs == AUTO:
        search = replace(search, jobs=cheaper_jobs(config)[0])
        config = replace(config, search=search)
    if search.jobs == ONE:
        if search.warm_start:
            raise ConfigError(
                "search.warm_start: with search.jobs=one the job can't read earlier searches: "
                "leave it out, or take search.jobs=many."
            )
        return search, check_local_search(config)
    space = read_space(search.space)
    check_search(config, space)
    _check_sagemaker(config, space)
    parallel = DEFAULT_PARALLEL_JOBS if search.parallel == AUTO else int(search.parallel)
    return replace(search, parallel=min(parallel, search.trials)), space


def cheaper_jobs(config: TuneConfig) -> tuple[str, str]:
    """The variant of search.jobs that costs less and can do this search, and the reason."""
    search = config.search
    if search.input == PHOTOS:
        return MANY, "its trials read photos (search.input=photos), which one job's can't"
    if search.warm_start:
        return MANY, "it starts from earlier searches (search.warm_start), which one job can't read"
    try:
        check_local_search(config)
    except ConfigError as error:
        return MANY, f"one job can't do it: {error}"
    return ONE, (
        f"its {search.trials} trials on features take seconds each, and each job of its own is "
        "billed for minutes of starting"
    )


def job_notes(config: TuneConfig) -> list[str]:
    """Sentences for the user on search.jobs, before a search on SageMaker starts."""
    search = config.search
    if search.jobs == AUTO:
        jobs, reason = cheaper_jobs(config)
        return [f"search.jobs=auto: {jobs}, as {reason}."]
    stops = search.strategy == HYPERBAND or search.early_stopping
    if search.jobs == MANY and search.input == FEATURES and stops:
        what = "hyperband" if search.strategy == HYPERBAND else "early stopping"
        return [
            f"{what} can't stop these trials: they take seconds on features, and SageMaker reads "
            "metrics from the log with a delay of tens of seconds. search.jobs=one stops them, and "
            "starts one job instead of "
            f"{search.trials}."
        ]
    return []


def _check_warm_pool(launcher: LauncherConfig) -> None:
    """Raise a ConfigError for a warm pool, which no job of a search would use."""
    if launcher.keep_alive_minutes:
        raise ConfigError(
            f"launcher.keep_alive_minutes={launcher.keep_alive_minutes}: SageMaker takes it for "
            "trainings only (launch/train.py), and a tuning job keeps its instances from trial to "
            "trial by itself: leave it out."
        )


def _is_job_name(name: str) -> bool:
    parts = name.split("-")
    return len(name) <= MAX_NAME_CHARACTERS and all(p.isascii() and p.isalnum() for p in parts)


def _check_sagemaker(config: TuneConfig, space: Space) -> None:
    """Check SageMaker's limits.

    Raises:
        ConfigError: what it would reject or silently ignore.
    """
    search = config.search
    for name, each in space.items():
        if isinstance(each, Choice) and len(each.values) > MAX_CHOICES:
            raise ConfigError(
                f"search.space.{name}: {len(each.values)} choices; SageMaker takes at most "
                f"{MAX_CHOICES}. Leave some out, or search with launcher=local."
            )
    numbers = {
        "parameters": (len(space), MAX_PARAMETERS),
        "search.trials": (search.trials, MAX_TRIALS[search.strategy]),
        "search.warm_start": (len(search.warm_start), MAX_WARM_STARTS),
    }
    if search.parallel != "auto":
        numbers["search.parallel"] = (int(search.parallel), MAX_PARALLEL)
    for name, (value, maximum) in numbers.items():
        if value > maximum:
            raise ConfigError(f"{name}: {value}; SageMaker takes at most {maximum}.")
    for name in search.warm_start:
        if not _is_job_name(name):
            raise ConfigError(f"search.warm_start={name!r}: not a valid name of a tuning job.")
    if search.warm_start and search.strategy in (HYPERBAND, GRID):
        raise ConfigError(
            f"search.warm_start: SageMaker supports it with bayesian and random only, not with "
            f"search.strategy={search.strategy}."
        )
    if search.strategy == GRID:
        size = grid_size(space)
        if search.trials != size:
            raise ConfigError(
                f"search.trials={search.trials}: SageMaker's grid search runs all {size} "
                f"combinations: set search.trials={size}."
            )
    size = grid_size(space)
    if size is not None and search.strategy != GRID and search.trials > size:
        raise ConfigError(
            f"search.trials={search.trials}: the space has {size} combinations, and SageMaker "
            f"runs none twice: set search.trials={size}, or search.strategy=grid."
        )
    if search.input == FEATURES:
        check_cached(config, space)
        if config.artifact.int8:
            raise ConfigError(
                "artifact.int8=true needs photos for calibration, which these trials don't read: "
                "set it in the final training, or set search.input=photos."
            )
