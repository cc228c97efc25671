"""The data of a search's page: the trials, and how they are drawn and formatted."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from dogbreed.configuration.search import MAXIMIZE
from dogbreed.evaluation.metrics.intervals import Interval
from dogbreed.evaluation.metrics.registry import SHARE, objective_metric
from dogbreed.report.charts import finite, labels
from dogbreed.report.formatting import NOTHING, decimal, percent
from dogbreed.report.line_charts import cuts
from dogbreed.search.space import Space
from dogbreed.search.table import shown_value
from dogbreed.search.trials import COMPLETED, STOPPED, Trial, best_of, short_names

# Charts end at this multiple of the distance from the best objective to the third quartile, so that
# a diverged trial doesn't compress all others.
AXIS_FACTOR = 3
CROWDED_ABOVE = 100  # trials; more are drawn with finer marks
HOVER_PARAMETERS = 8
# More trials are slow to draw, and hide each other.
MAX_DRAWN = 1000


@dataclass(frozen=True, kw_only=True)
class SearchFacts:
    """A search; `trials` in the order of their start.

    An objective that isn't finite counts as missing, see `finite_facts`.
    """

    name: str
    trials: tuple[Trial, ...]
    parameters: tuple[str, ...]
    space: Space
    metric: str
    direction: str
    settings: Mapping[str, object]

    @cached_property
    def completed(self) -> list[Trial]:
        """The completed trials that have an objective."""
        return [t for t in self.trials if t.status == COMPLETED and t.objective is not None]

    @cached_property
    def scored(self) -> list[Trial]:
        """The trials that have an objective: the completed ones and those stopped early."""
        return [trial for trial in self.trials if _is_scored(trial)]

    @cached_property
    def drawn(self) -> list[tuple[int, Trial]]:
        """The trials in the charts with their numbers from 1: all, or `MAX_DRAWN` and the best.

        Evenly spaced in the order of their start.
        """
        chosen = set(cuts(len(self.trials), MAX_DRAWN)[:-1].tolist())
        return [
            (n, trial)
            for n, trial in enumerate(self.trials, 1)
            if n - 1 in chosen or trial is self.best
        ]

    @cached_property
    def drawn_scored(self) -> list[Trial]:
        """The trials in the charts that have an objective."""
        return [trial for _, trial in self.drawn if _is_scored(trial)]

    @cached_property
    def best(self) -> Trial | None:
        """The completed trial with the best objective."""
        return best_of(self.trials, self.direction)

    @property
    def sign(self) -> int:
        """The factor with which a greater objective is worse: -1 to maximize, 1 to minimize."""
        return -1 if self.direction == MAXIMIZE else 1

    @cached_property
    def short(self) -> dict[str, str]:
        """The parameters' last words."""
        return short_names(self.parameters)

    @cached_property
    def edge(self) -> float | None:
        """The objective at which the charts end; None if they show all."""
        return edge([t.objective for t in self.scored if t.objective is not None], self.sign)

    def clipped(self, objective: float) -> float:
        """The objective, clipped to the charts' edge."""
        if self.edge is None:
            return objective
        return self.sign * min(self.sign * objective, self.sign * self.edge)

    @property
    def crowded(self) -> bool:
        """Whether there are too many trials for large marks."""
        return len(self.trials) > CROWDED_ABOVE

    @property
    def is_share(self) -> bool:
        """Whether the objective is a share, which is written in per cent."""
        return objective_metric(self.metric).unit == SHARE

    @property
    def tick_format(self) -> str:
        return ".1~%" if self.is_share else ""

    @property
    def hover_format(self) -> str:
        return ".2%" if self.is_share else ".4f"

    def written(self, objective: float | None, ci95: Interval | None = None) -> str:
        """0.7741 [0.7021, 0.8462], or 77.12 % [74.61, 79.43]."""
        if self.is_share:
            return percent(objective, ci95, digits=2)
        return decimal(objective, ci95, digits=4)

    def hover(self, trial: Trial) -> str:
        """The hover text of a trial."""
        values = [
            f"{self.short[name]} {shown_value(trial.parameters.get(name)) or NOTHING}"
            for name in self.parameters[:HOVER_PARAMETERS]
        ]
        result = f"{self.metric} {self.written(trial.objective, trial.ci95)}"
        why = [trial.reason] if trial.reason else []
        lines = (trial.name, trial.status, result, *values, *why)
        return "<br>".join(label(line) for line in lines)


def finite_facts(facts: SearchFacts) -> SearchFacts:
    """The facts without objectives and intervals that aren't finite."""
    return replace(facts, trials=tuple(_finite(trial) for trial in facts.trials))


def _is_scored(trial: Trial) -> bool:
    return trial.status in (COMPLETED, STOPPED) and trial.objective is not None


def _finite(trial: Trial) -> Trial:
    (objective,) = finite([trial.objective])
    known = trial.ci95 is not None and all(map(math.isfinite, trial.ci95))
    return replace(trial, objective=objective, ci95=trial.ci95 if known else None)


def edge(values: Sequence[float], sign: int) -> float | None:
    """Where an axis ends so that a few much worse values don't compress the others."""
    if len(values) < 4:
        return None
    losses = sorted(sign * value for value in values)
    best, worst = losses[0], losses[-1]
    end = best + AXIS_FACTOR * (statistics.quantiles(losses, method="inclusive")[2] - best)
    return sign * end if best < end < worst else None


def label(text: str) -> str:
    """A text escaped for Plotly, shortened if it is long."""
    return labels([text])[0]
