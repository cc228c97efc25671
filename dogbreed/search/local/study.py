"""A search's trials on this machine: Optuna chooses them, and keeps them in a file."""

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
from dogbreed.search.local.worker import Kept
from dogbreed.search.searchable import Value
from dogbreed.search.space import Choice, Space, as_distributions, grid_size, holds
from dogbreed.search.trials import COMPLETED, FAILED, RUNNING, STOPPED, Trial
from dogbreed.utils.documents import DocumentError

STUDY_FILE = "study.db"

# Before so many trials have ended nothing is known that a trial could be worse than.
TRIALS_BEFORE_PRUNING = 5
# A schedule's first epochs say little: the learning rate is still rising.
SHARE_BEFORE_PRUNING = 0.3
# Hyperband's first rung, as a share of all epochs, and how many of a rung go on (its authors' 3).
REDUCTION = 3


class Study:
    """A search's trials in a file that outlives the process.

    Raises:
        SearchError: the file is damaged, or of a search over other parameters.
    """

    def __init__(self, folder: Path, search: SearchConfig, space: Space, epochs: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        self._space, self._distributions = space, as_distributions(space)
        self.wanted = min(search.trials, grid_size(space) or search.trials)
        with _readable(folder / STUDY_FILE, "start anew under another search.name"):
            self._study = optuna.create_study(
                storage=f"sqlite:///{folder / STUDY_FILE}",
                study_name="search",
                direction="maximize" if search.direction == MAXIMIZE else "minimize",
                pruner=_pruner(search, epochs),
                load_if_exists=True,
            )
            for trial in self._study.get_trials(deepcopy=False):
                check_trial(trial, self._space, self._distributions)
            self._take_up()
            # A sampler doesn't know how far another process came: with the same seed it would
            # begin with the same values.
            self._study.sampler = _sampler(search, search.seed + len(self._own()))
            if search.strategy == GRID:
                for values in itertools.islice(_grid(space), self.wanted):
                    self._study.enqueue_trial(values, skip_if_exists=True)

    def _take_up(self) -> None:
        """Try again what a process that died had begun."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.put_back(trial.number)

    def learn_from(self, other: Path) -> int:
        """Take over the ended trials of another search; how many fit into this space.

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
            if origin in taken or not self._has_room_for(trial.params):
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

    def _has_room_for(self, values: Mapping[str, Value]) -> bool:
        """Whether these are values of this space."""
        return values.keys() == self._space.keys() and all(
            holds(self._space[name], value) for name, value in values.items()
        )

    def missing(self) -> int:
        """How many trials are still to be begun."""
        begun = [t for t in self._own() if t.state != TrialState.WAITING and not _put_back(t)]
        return max(0, self.wanted - len(begun))

    def ask(self) -> optuna.Trial | None:
        """The next trial whose outcome isn't known yet; None once there are enough.

        Trials are the same for the same values, so a choice that comes again needs no training.
        """
        while self.missing():
            trial = self._study.ask(self._distributions)
            done = (each for each in self._own() if each.state == TrialState.COMPLETE)
            same = next((each for each in done if each.params == trial.params), None)
            if same is None:
                return trial
            ci95 = same.user_attrs["ci95"]
            self.tell(trial, Kept(same.user_attrs["objective"], (ci95[0], ci95[1]), False))
        return None

    def tell(self, trial: optuna.Trial, kept: Kept) -> None:
        """Note what a trial came to."""
        trial.set_user_attr("objective", kept.objective)
        trial.set_user_attr("ci95", list(kept.ci95))
        state = TrialState.PRUNED if kept.pruned else TrialState.COMPLETE
        self._study.tell(trial, None if kept.pruned else kept.objective, state)

    def give_up(self, trial: optuna.Trial, reason: str) -> None:
        """Note that a trial failed, and why."""
        trial.set_user_attr("reason", reason)
        self._study.tell(trial, state=TrialState.FAIL)

    def put_back(self, number: int) -> None:
        """End a trial that was interrupted; its values are the next to be tried."""
        self._study.enqueue_trial(self._study.trials[number].params)
        self._study.tell(number, state=TrialState.FAIL)

    def trials(self) -> list[Trial]:
        """Every trial that was begun here and not put back, in its order."""
        own = [t for t in self._own() if t.state != TrialState.WAITING and not _put_back(t)]
        return [_trial(trial, number) for number, trial in enumerate(own, 1)]

    def _own(self) -> list[FrozenTrial]:
        return [t for t in self._study.get_trials(deepcopy=False) if "from" not in t.user_attrs]


@contextmanager
def _readable(path: Path, advice: str) -> Iterator[None]:
    """Look at a study's database before Optuna opens it; turn what it then says into an error."""
    try:
        check_study_file(path)
        with warnings.catch_warnings():  # they quote what they were read from
            warnings.simplefilter("ignore")
            yield
    except DocumentError as error:
        raise SearchError(f"{path} can't be read: {advice} (it {error}).") from error
    # What Optuna makes of a database with odd values in it is any of these.
    except (
        *(optuna.exceptions.OptunaError, SQLAlchemyError, sqlite3.Error, RuntimeError),
        *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError),
    ) as error:
        raise SearchError(f"{path} can't be read: {advice}.") from error


def _put_back(trial: FrozenTrial) -> bool:
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
        # Parameters together, and trials that run as if they would do badly: several at a time
        # would else crowd around one point.
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
            n_warmup_steps=int(SHARE_BEFORE_PRUNING * epochs),
        )
    return optuna.pruners.NopPruner()
