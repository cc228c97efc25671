"""The trials of a search, in whichever runner: their table, trials.csv and best.yaml."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from dogbreed.errors import ConfigError, SearchError
from dogbreed.files import write_table, write_text
from dogbreed.runs import yaml_text
from dogbreed.search.config import MAXIMIZE, NEWEST
from dogbreed.search.space import Value

# Where a trial stands, in SageMaker's words; a pruned one of a local search is Stopped too.
RUNNING, COMPLETED, STOPPED, FAILED = "InProgress", "Completed", "Stopped", "Failed"
BEST_FILE = "best.yaml"
SEARCHES = "searches"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial: what it tried, what came of it, when, and for how much.

    `objective` is that of the epoch whose weights it keeps, `ci95` its 95 % interval where the
    runner measures it; `curve` the objective after each epoch, where the runner tells. `reason` is
    why it failed or, while it runs, what it is at.
    """

    name: str
    status: str
    parameters: Mapping[str, Value]
    objective: float | None = None
    ci95: tuple[float, float] | None = None
    started: datetime | None = None
    ended: datetime | None = None
    seconds: float | None = None
    cost_usd: float | None = None
    reason: str = ""
    curve: tuple[float, ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status != RUNNING


Show = Callable[[Sequence[Trial]], None]


@dataclass(frozen=True, kw_only=True)
class Best:
    """What best.yaml says: the best trial of a search, and the configuration it was tried under.

    `settings` are the keys that the search's configuration has otherwise than conf/, by dotted
    name, but for the share of the photos: the training takes all.
    """

    search: str
    trial: str
    metric: str
    direction: str
    objective: float
    ci95: tuple[float, float] | None
    parameters: Mapping[str, Value]
    settings: Mapping[str, Any]


def best_of(trials: Sequence[Trial], direction: str) -> Trial | None:
    """The trial with the best objective among those that ran to their end; None without any."""
    sign = -1.0 if direction == MAXIMIZE else 1.0
    done = [
        (sign * trial.objective, number)
        for number, trial in enumerate(trials)
        if trial.status == COMPLETED
        and trial.objective is not None
        and math.isfinite(trial.objective)
    ]
    return trials[min(done)[1]] if done else None


def short_names(parameters: Sequence[str]) -> dict[str, str]:
    """Each parameter's last word, or its whole name where two have the same."""
    last = [name.split(".")[-1] for name in parameters]
    return {
        name: word if last.count(word) == 1 else name
        for name, word in zip(parameters, last, strict=True)
    }


def write_csv(path: Path, trials: Sequence[Trial], parameters: Sequence[str]) -> None:
    """All trials, a row each, as the seeds of this project listed them."""
    write_table(path, _rows(trials, parameters))


def _rows(trials: Sequence[Trial], parameters: Sequence[str]) -> Iterator[Sequence[object]]:
    yield (
        *parameters,
        "TrainingJobName",
        "TrainingJobStatus",
        "FinalObjectiveValue",
        "FinalObjectiveLow95",
        "FinalObjectiveHigh95",
        "TrainingStartTime",
        "TrainingEndTime",
        "TrainingElapsedTimeSeconds",
        "CostUSD",
        "Reason",
    )
    for trial in trials:
        yield (
            *(trial.parameters.get(name) for name in parameters),
            trial.name,
            trial.status,
            trial.objective,
            *(trial.ci95 or (None, None)),
            trial.started.isoformat(timespec="seconds") if trial.started else None,
            trial.ended.isoformat(timespec="seconds") if trial.ended else None,
            None if trial.seconds is None else round(trial.seconds, 1),
            None if trial.cost_usd is None else round(trial.cost_usd, 4),
            trial.reason or None,
        )


def write_best(path: Path, best: Best) -> None:
    """best.yaml."""
    values = {
        "search": best.search,
        "trial": best.trial,
        "objective": {
            "metric": best.metric,
            "direction": best.direction,
            "value": best.objective,
            "ci95": list(best.ci95) if best.ci95 else None,
        },
        "parameters": dict(best.parameters),
        "settings": dict(best.settings),
    }
    text = yaml_text(values)
    write_text(path, f"# The best of a search; `python launch/train.py` trains it.\n{text}")


def find_best(best: str, output_root: Path) -> Best:
    """What `best` names: a search, a best.yaml or its folder, or the newest search that has one.

    Raises:
        ConfigError: there is none.
        SearchError: the file isn't what write_best writes.
    """
    searches = output_root / SEARCHES
    if best == NEWEST:
        found = sorted(searches.glob(f"*/{BEST_FILE}"), key=lambda path: path.stat().st_mtime)
        if not found:
            raise ConfigError(
                f"There is no search in {searches} whose best could be trained: run "
                "launch/tune.py first, name one (best=NAME), or set best=null to train what the "
                "configuration says."
            )
        return read_best(found[-1])
    for path in (searches / best / BEST_FILE, Path(best) / BEST_FILE, Path(best)):
        if path.is_file():
            return read_best(path)
    folders = [path.parent for path in searches.glob(f"*/{BEST_FILE}")]
    known = sorted(folder.name for folder in folders if not folder.is_symlink())
    listed = f" There are: {', '.join(known[-5:])}." if known else ""
    raise ConfigError(f"best={best}: no search of that name has a {BEST_FILE}.{listed}")


def read_best(path: Path) -> Best:
    """Read best.yaml.

    Raises:
        SearchError: it isn't what write_best writes.
    """
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
        objective = values["objective"]
        return Best(
            search=str(values["search"]),
            trial=str(values["trial"]),
            metric=str(objective["metric"]),
            direction=str(objective["direction"]),
            objective=float(objective["value"]),
            ci95=tuple(objective["ci95"]) if objective["ci95"] else None,
            parameters=dict(values["parameters"]),
            settings=dict(values["settings"] or {}),
        )
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise SearchError(
            f"{path} can't be read as the best of a search: run the search again, or name another."
        ) from error
