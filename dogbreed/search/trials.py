"""The trials of a search, common to both runners, and trials.csv."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dogbreed.configuration.search import MAXIMIZE
from dogbreed.search.searchable import Value
from dogbreed.utils.files import write_table

# Statuses of SageMaker's training jobs; a pruned trial of a local search is Stopped too.
RUNNING, COMPLETED, STOPPED, FAILED = "InProgress", "Completed", "Stopped", "Failed"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial: its parameters, result, times and costs.

    `objective` is the objective of the epoch whose weights are saved, `ci95` its 95 % interval if
    the runner measures it; `curve` the objective after each epoch if the runner reports it.
    `reason` is why it failed or, while it runs, its current step.
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
        """Whether the trial has ended."""
        return self.status != RUNNING


Show = Callable[[Sequence[Trial]], None]


def best_of(trials: Sequence[Trial], direction: str) -> Trial | None:
    """The completed trial with the best objective; None without any."""
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
    """Each parameter's last word, or its full name if two have the same."""
    last = [name.split(".")[-1] for name in parameters]
    return {
        name: word if last.count(word) == 1 else name
        for name, word in zip(parameters, last, strict=True)
    }


def write_csv(path: Path, trials: Sequence[Trial], parameters: Sequence[str]) -> None:
    """Write trials.csv, a row per trial; columns as in SageMaker's tuning job analytics."""
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
