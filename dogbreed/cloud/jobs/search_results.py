"""Wait for a search on SageMaker, and write its results."""

from pathlib import Path
from typing import Any

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.jobs.failures import with_hint
from dogbreed.cloud.jobs.results import SEARCH_OUTPUTS, fetch_outputs
from dogbreed.cloud.jobs.wait import check_completed, wait_for_training, wait_for_tuning
from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import CloudError
from dogbreed.search.best import BEST_FILE, read_best
from dogbreed.search.final import settings_of
from dogbreed.search.space import Space
from dogbreed.search.table import live_table
from dogbreed.search.trials import COMPLETED
from dogbreed.search.user_settings import load_settings, save_settings
from dogbreed.training.run_folder import log


def finish_many(
    account: Account, config: TuneConfig, name: str, folder: Path, space: Space
) -> None:
    """Wait for a tuning job, and write its results to `folder`.

    Raises:
        CloudError: no trial completed, or AWS refuses.
        Stopped: Ctrl-C; the message names the job that still runs.
    """
    search = config.search
    with live_table(list(space), search.objective, search.direction, search.trials) as show:
        tuning = wait_for_tuning(account, name, search.objective, show)
    # Imports torch, which takes seconds; only `wait_for_tuning` names the running job at Ctrl-C.
    from dogbreed.search.report.outcome import finish_search

    best = finish_search(folder, tuning.trials, search, space, _settings(config, folder))
    log.info("results: %s", folder)
    if best is None:
        reason = next((trial.reason for trial in tuning.trials if trial.reason), tuning.reason)
        raise CloudError(
            f"{name}: {tuning.status}, and none of its {len(tuning.trials)} trials completed. "
            f"{with_hint(reason)}"
        )
    if tuning.status != COMPLETED:
        log.warning("warning: %s was %s: its completed trials count", name, tuning.status.lower())


def finish_one(account: Account, config: TuneConfig, name: str, folder: Path) -> None:
    """Wait for a search with search.jobs=one, and download its results to `folder`.

    Raises:
        CloudError, Stopped: as `finish_many`.
    """
    search = config.search
    with live_table([], search.objective, search.direction, 1) as show:
        trial = wait_for_training(account, name, search.objective, show)
    check_completed(trial)
    fetch_outputs(account, name, folder, SEARCH_OUTPUTS)
    if not (folder / BEST_FILE).is_file():
        raise CloudError(f"{name} is no search: it has no {BEST_FILE}.")
    best = read_best(folder / BEST_FILE)
    _settings(config, folder)  # saves them for the final training
    log.info("best: %s, %s %.4f\nresults: %s", best.trial, best.metric, best.objective, folder)


def _settings(config: TuneConfig, folder: Path) -> dict[str, Any]:
    """The saved settings of this search, or else those of the current command."""
    settings = load_settings(folder)
    if settings is None:
        settings = settings_of(config)
        save_settings(folder, settings)
    return settings
