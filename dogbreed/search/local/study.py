"""The study of a local search: Optuna chooses the trials, and stores them in a database."""

import itertools
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from dogbreed.configuration.search import BAYESIAN, GRID, HYPERBAND, MAXIMIZE, SearchConfig
from dogbreed.errors import SearchError
from dogbreed.search.local.study_file import check_study_file
from dogbreed.search.local.study_trials import check_trial
from dogbreed.search.local.worker import TrialResult
from dogbreed.search.searchable import Value
from dogbreed.search.space import Choice, Space, as_distributions, grid_size, holds
from dogbreed.search.trials import COMPLETED, FAILED, RUNNING, STOPPED, Trial
from dogbreed.utils.documents import DocumentError

STUDY_FILE = "study.db"

# Completed trials that the median pruner needs for a comparison.
TRIALS_BEFORE_PRUNING = 5
# In the first epochs the learning rate still warms up, so the objective isn't comparable.
FRACTION_BEFORE_PRUNING = 0.3
# Hyperband continues one in three trials of each rung (the value of its authors).
REDUCTION = 3


class Study:
    """A search's trials in a database file, which a later process can resume.

    Raises:
        SearchError: the file is damaged, or belongs to a search over other parameters.
    """

    def __init__(self, folder: Path, search: SearchConfig, space: Space, epochs: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        self.space, self._distributions = space, as_distributions(space)
        self.total = min(search.trials, grid_size(space) or search.trials)
        with _readable(folder / STUDY_FILE, "start a new search with another search.name"):
            self._study = optuna.create_study(
                storage=f"sqlite:///{folder / STUDY_FILE}",
                study_name="search",
                direction="maximize" if search.direction == MAXIMIZE else "minimize",
                pruner=_pruner(search, epochs),
                load_if_exists=True,
            )
            for trial in self._study.get_trials(deepcopy=False):
                check_trial(trial, self.space, self._distributions)
            self._requeue_interrupted()
            # With the seed of the earlier process a sampler would propose the same first values.
            self._study.sampler = _sampler(search, search.seed + len(self._trials()))
            if search.strategy == GRID:
                for values in itertools.islice(_grid(space), self.total):
                    self._study.enqueue_trial(values, skip_if_exists=True)

    def _requeue_interrupted(self) -> None:
        """Queue the trials again that a process which died had started."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.requeue(trial.number)

    def add_trials_of(self, other: Path) -> int:
        """Add the completed trials of another search; return how many are in this space.

        Raises:
            SearchError: the other's file is damaged.
        """
        with _readable(other / STUDY_FILE, "leave it out of search.warm_start"):
            loaded = optuna.load_study(
                study_name="search", storage=f"sqlite:///{other / STUDY_FILE}"
            )
            completed = loaded.get_trials(states=(TrialState.COMPLETE,))
            for trial in completed:
                check_trial(trial)
        known = self._study.get_trials(deepcopy=False)
        taken = {trial.user_attrs.get("from") for trial in known}
        added = 0
        for trial in completed:
            origin = f"{other.name}/{trial.number}"
            if origin in taken or not self._is_in_space(trial.params):
                continue
            self._study.add_trial(
                optuna.trial.create_trial(
                    params=trial.params,
                    distributions=self._distributions,
                    value=trial.value,
                    user_attrs={
                        "objective": trial.user_attrs["objective"],
                        "ci95": trial.user_attrs["ci95"],
                        "from": origin,
                    },
                )
            )
            added += 1
        return added

    def _is_in_space(self, values: Mapping[str, Value]) -> bool:
        """Whether these values are in this space."""
        return values.keys() == self.space.keys() and all(
            holds(self.space[name], value) for name, value in values.items()
        )

    def remaining(self) -> int:
        """The number of trials that haven't started."""
        started = [
            t for t in self._trials() if t.state != TrialState.WAITING and not _is_requeued(t)
        ]
        return max(0, self.total - len(started))

    def next_trial(self) -> optuna.Trial | None:
        """The next trial to run; None if none remains.

        Trials are deterministic: values that are proposed again get the known result without a run.
        """
        while self.remaining():
            trial = self._study.ask(self._distributions)
            done = (each for each in self._trials() if each.state == TrialState.COMPLETE)
            same = next((each for each in done if each.params == trial.params), None)
            if same is None:
                return trial
            ci95 = same.user_attrs["ci95"]
            self.record(trial, TrialResult(same.user_attrs["objective"], (ci95[0], ci95[1]), False))
        return None

    def record(self, trial: optuna.Trial, result: TrialResult) -> None:
        """Record the result of a trial."""
        trial.set_user_attr("objective", result.objective)
        trial.set_user_attr("ci95", list(result.ci95))
        state = TrialState.PRUNED if result.pruned else TrialState.COMPLETE
        self._study.tell(trial, None if result.pruned else result.objective, state)

    def record_failure(self, trial: optuna.Trial, reason: str) -> None:
        """Record that a trial failed, and why."""
        trial.set_user_attr("reason", reason)
        self._study.tell(trial, state=TrialState.FAIL)

    def requeue(self, number: int) -> None:
        """End an interrupted trial; its values are the next to be run."""
        self._study.enqueue_trial(self._study.trials[number].params)
        self._study.tell(number, state=TrialState.FAIL)

    def trials(self) -> list[Trial]:
        """All started trials that weren't queued again, in order."""
        started = [
            t for t in self._trials() if t.state != TrialState.WAITING and not _is_requeued(t)
        ]
        return [_trial(trial, number) for number, trial in enumerate(started, 1)]

    def _trials(self) -> list[FrozenTrial]:
        """The trials of this search, without those of `add_trials_of`."""
        return [t for t in self._study.get_trials(deepcopy=False) if "from" not in t.user_attrs]


@contextmanager
def _readable(path: Path, advice: str) -> Iterator[None]:
    """Check a study's database before Optuna opens it; turn Optuna's errors into SearchErrors."""
    try:
        check_study_file(path)
        with warnings.catch_warnings():  # they may quote untrusted values
            warnings.simplefilter("ignore")
            yield
    except DocumentError as error:
        raise SearchError(f"{path} can't be read: {advice} (it {error}).") from error
    # Optuna raises any of these for invalid values in the database.
    except (
        *(optuna.exceptions.OptunaError, SQLAlchemyError, sqlite3.Error, RuntimeError),
        *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError),
    ) as error:
        raise SearchError(f"{path} can't be read: {advice}.") from error


def _is_requeued(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and "reason" not in trial.user_attrs


def _trial(trial: FrozenTrial, number: int) -> Trial:
    statuses = {
        TrialState.COMPLETE: COMPLETED,
        TrialState.PRUNED: STOPPED,
        TrialState.FAIL: FAILED,
    }
    started, ended = trial.datetime_start, trial.datetime_complete
    ci95 = trial.user_attrs.get("ci95")
    return Trial(
        name=f"trial-{number:03}",
        status=statuses.get(trial.state, RUNNING),
        parameters=trial.params,
        objective=trial.user_attrs.get("objective"),
        ci95=(ci95[0], ci95[1]) if ci95 else None,
        started=started.astimezone(UTC) if started else None,
        ended=ended.astimezone(UTC) if ended else None,
        seconds=(ended - started).total_seconds() if started and ended else None,
        reason=trial.user_attrs.get("reason", ""),
        curve=tuple(value for _, value in sorted(trial.intermediate_values.items())),
    )


def _grid(space: Space) -> Iterator[dict[str, Value]]:
    """Every combination of the choices."""
    lists = [each.values for each in space.values() if isinstance(each, Choice)]
    for values in itertools.product(*lists):
        yield dict(zip(space, values, strict=True))


def _sampler(search: SearchConfig, seed: int) -> BaseSampler:
    if search.strategy == BAYESIAN:
        # Multivariate: models dependencies between parameters. Constant liar: counts running trials
        # as bad, so that parallel trials don't all sample near the same point.
        return TPESampler(multivariate=True, constant_liar=True, seed=seed)
    return RandomSampler(seed=seed)


def _pruner(search: SearchConfig, epochs: int) -> optuna.pruners.BasePruner:
    if search.strategy == HYPERBAND:
        return optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=epochs, reduction_factor=REDUCTION
        )
    if search.early_stopping:
        return optuna.pruners.MedianPruner(
            n_startup_trials=TRIALS_BEFORE_PRUNING,
            n_warmup_steps=int(FRACTION_BEFORE_PRUNING * epochs),
        )
    return optuna.pruners.NopPruner()
