"""launcher=sagemaker: run a hyperparameter search in the account and write its results."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from dogbreed.cloud.aws.account import Account, sign_in
from dogbreed.cloud.aws.account_keys import check_attach, checked_keys
from dogbreed.cloud.aws.dry_account import dry_run_account, dry_run_copy
from dogbreed.cloud.container.entry_point import TRAIN, TUNE, WEIGHTS
from dogbreed.cloud.jobs.attach import search_of
from dogbreed.cloud.jobs.capacity import start_within_quotas
from dogbreed.cloud.jobs.costs import Use
from dogbreed.cloud.jobs.dry_run import log_costs, log_plan
from dogbreed.cloud.jobs.feature_job import extract
from dogbreed.cloud.jobs.inputs import (
    JobInputs,
    job_name,
    job_on_inputs,
    plan_inputs,
    upload_inputs,
)
from dogbreed.cloud.jobs.requests import training_request, tuning_request
from dogbreed.cloud.jobs.results import SEARCH_OUTPUTS, check_no_local_results, fetch_outputs
from dogbreed.cloud.jobs.start import (
    start_training,
    start_tuning,
    training_exists,
    tuning_exists,
)
from dogbreed.cloud.jobs.wait import (
    check_completed,
    wait_for_training,
    wait_for_tuning,
)
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.schema import AUTO
from dogbreed.configuration.search import FEATURES, MANY, ONE, SearchConfig, TuneConfig
from dogbreed.errors import CloudError, ConfigError
from dogbreed.search.best import BEST_FILE, SEARCHES, read_best
from dogbreed.search.final import settings_of
from dogbreed.search.hyperparameters import changed
from dogbreed.search.sagemaker_limits import check_on_sagemaker, job_notes
from dogbreed.search.space import Space
from dogbreed.search.table import live_table
from dogbreed.search.trials import COMPLETED
from dogbreed.search.user_settings import load_settings, save_settings
from dogbreed.training.run_folder import check_writable, log, log_to_terminal


def search_on_sagemaker(config: TuneConfig) -> None:
    """Start a search, or attach to one; wait for it, and write its results to outputs/searches.

    Raises:
        DogbreedError: one sentence with the reason and the remedy; `Stopped` after Ctrl-C names
            the job that still runs.
    """
    log_to_terminal()
    check_writable(Path(config.output_root) / SEARCHES)
    if config.attach is not None:
        check_attach(config.attach, dry_run=config.dry_run)
        _attach(sign_in(checked_keys(config.launcher)), config, config.attach)
        return
    search, space = check_on_sagemaker(config)
    for line in job_notes(config):
        log.info("%s", line)
    config = replace(config, search=search, launcher=checked_keys(config.launcher))
    account = dry_run_account(config.launcher) if config.dry_run else sign_in(config.launcher)
    name = job_name() if search.name == AUTO else search.name
    if not account.dry and (tuning_exists(account, name) or training_exists(account, name)):
        raise ConfigError(
            f"search.name={name}: the account has a job of that name, and job names can't be "
            f"reused: attach={name} waits for it, another search.name starts a new search."
        )
    check_no_local_results(_folder(config, name), name)
    launcher = config.launcher
    for parent in search.warm_start:
        if not account.dry and not tuning_exists(account, parent):
            raise ConfigError(
                f"search.warm_start={parent}: there is no tuning job of that name in "
                f"{account.region}."
            )
    types = launcher.instance_type
    if search.jobs == MANY and search.input == FEATURES:
        types = launcher.extract_instance_type + types
    inputs = plan_inputs(account, config, types)
    if not account.dry:
        planned = _start(dry_run_copy(account), config, inputs, name, space)
        log_costs(account, inputs, planned)
        upload_inputs(account, config, inputs)
        save_settings(_folder(config, name), settings_of(config))
    uses = _start(account, config, inputs, name, space)
    if account.dry:
        log_plan(account, inputs, uses, _validations(config, space))
        return
    log.info("started %s (region %s)", name, account.region)
    if not config.wait:
        log.info(
            "it runs and costs until it ends: attach=%s waits for it and writes its results", name
        )
        return
    if search.jobs == ONE:
        _finish_one(account, config, name)
    else:
        _finish_many(account, config, name, search, space)


def _start(
    account: Account, config: TuneConfig, inputs: JobInputs, name: str, space: Space
) -> list[Use]:
    """Start the search's jobs; return their maximum use, for the costs."""
    if config.search.jobs == ONE:
        return [_search_in_one_job(account, config, inputs, name)]
    return _search_in_many_jobs(account, config, inputs, name, space)


def _validations(config: TuneConfig, space: Space) -> list[str]:
    search = config.search
    return [
        f"{len(space)} searched keys and their ranges",
        f"{search.strategy} can do {search.trials} trials, {search.parallel} at a time",
        f"{search.direction} is right for {search.objective}",
        "every request fits the service's model",
    ]


def _search_in_one_job(account: Account, config: TuneConfig, inputs: JobInputs, name: str) -> Use:
    settings = changed(config, compose_as(TuneConfig, "tune", []))
    search = {key: value for key, value in settings.items() if key.startswith("search.")}
    search |= {"search.name": name, "search.jobs": MANY}
    job = job_on_inputs(
        *(account, config.launcher, inputs, name, TUNE, {**inputs.settings, **search}),
        instance_count=1,
    )

    def start(types: tuple[str, ...]) -> None:
        request = training_request(account, config.launcher, replace(job, types=types))
        start_training(account, request)

    start_within_quotas(job.types, start)
    return Use.of(job, config.launcher, jobs=1)


def _search_in_many_jobs(
    account: Account, config: TuneConfig, inputs: JobInputs, name: str, space: Space
) -> list[Use]:
    settings = {key: value for key, value in inputs.settings.items() if key not in space}
    uses: list[Use] = []
    fields: dict[str, Any] = {}
    if config.search.input == FEATURES:
        features, extraction = extract(account, config, inputs)
        uses.append(extraction)
        fields["channels"] = {FEATURES: features} | {
            key: uri for key, uri in inputs.channels.items() if key == WEIGHTS
        }
        settings.pop("data.fraction", None)  # the features are those of the fraction already
        # Trials are short, and those of a tuning job could share a prefix: no checkpoints.
        fields["checkpoints_uri"] = None
    job = job_on_inputs(account, config.launcher, inputs, name, TRAIN, settings, **fields)
    more = (config.search, space, config.trainer.epochs)

    def start(types: tuple[str, ...]) -> None:
        definition = replace(job, types=types)
        start_tuning(account, tuning_request(account, config.launcher, definition, *more))

    start_within_quotas(job.types, start)
    return [*uses, Use.of(job, config.launcher, jobs=config.search.trials)]


def _attach(account: Account, config: TuneConfig, name: str) -> None:
    """Wait for an existing search, a tuning job or a training job with search.jobs=one."""
    check_no_local_results(_folder(config, name), name)
    if tuning_exists(account, name):
        _finish_many(account, config, name, *search_of(account, name, config.search))
    elif training_exists(account, name):
        _finish_one(account, config, name)
    else:
        raise CloudError(f"attach={name}: there is no job of that name in {account.region}.")


def _finish_many(
    account: Account, config: TuneConfig, name: str, search: SearchConfig, space: Space
) -> None:
    """Wait for a tuning job, and write its results."""
    # Imports torch, which takes seconds that a dry run doesn't need.
    from dogbreed.search.report.outcome import finish_search

    with live_table(list(space), search.objective, search.direction, search.trials) as show:
        tuning = wait_for_tuning(account, name, search.objective, show)
    folder = _folder(config, name)
    best = finish_search(folder, tuning.trials, search, space, _settings(config, folder))
    log.info("results: %s", folder)
    if best is None:
        reason = next((trial.reason for trial in tuning.trials if trial.reason), tuning.reason)
        raise CloudError(
            f"{name}: {tuning.status}, and none of its {len(tuning.trials)} trials completed. "
            f"{reason}"
        )
    if tuning.status != COMPLETED:
        log.warning("warning: %s was %s: its completed trials count", name, tuning.status.lower())


def _finish_one(account: Account, config: TuneConfig, name: str) -> None:
    """Wait for a search with search.jobs=one, and download its results."""
    search, folder = config.search, _folder(config, name)
    with live_table([], search.objective, search.direction, 1) as show:
        trial = wait_for_training(account, name, search.objective, show)
    check_completed(trial)
    fetch_outputs(account, name, folder, SEARCH_OUTPUTS)
    if not (folder / BEST_FILE).is_file():
        raise CloudError(f"{name} is no search: it has no {BEST_FILE}.")
    best = read_best(folder / BEST_FILE)
    _settings(config, folder)  # saves them for the final training
    log.info("best: %s, %s %.4f\nresults: %s", best.trial, best.metric, best.objective, folder)


def _folder(config: TuneConfig, name: str) -> Path:
    return Path(config.output_root) / SEARCHES / name


def _settings(config: TuneConfig, folder: Path) -> dict[str, Any]:
    """The saved settings of this search, or else those of the current command."""
    settings = load_settings(folder)
    if settings is None:
        settings = settings_of(config)
        save_settings(folder, settings)
    return settings
