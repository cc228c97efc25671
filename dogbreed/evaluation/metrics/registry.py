"""The registered metrics: metrics.json, pages, terminal, search and recording iterate over them.

`register` adds one. Of each metric that needs no temperature the value on the validation photos is
logged after every epoch as `valid_<name>`, and a search can optimise it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dogbreed.errors import ConfigError
from dogbreed.evaluation.metrics.intervals import Interval, bootstrapped
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.utils.registry import Registry

MINIMIZE, MAXIMIZE = "minimize", "maximize"
SHARE, NUMBER = "share", "number"
VALID_PREFIX = "valid_"

_RESERVED = ("n", "ci95")  # other keys of a split in metrics.json
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number that says how good a model's scores on a split are.

    Args:
        name: its key in metrics.json; lower case, with its unit at the end if it has one.
        title: what tables and pages call it.
        direction: MINIMIZE or MAXIMIZE, whichever is better.
        compute: from the scores of a split of one photo or more to the value.
        unit: SHARE (0 to 1, written as a percentage) or NUMBER.
        interval: from scores and value to the 95 % interval; None: the normal one with a
            bootstrapped standard error, which computes the metric 200 times.
        calibrated: computed from the scores after the temperature. Such a metric is known once
            the training has ended.
        caveat: from scores to a clause that says why their value misleads, None where it doesn't.
    """

    name: str
    title: str
    direction: str
    compute: Callable[[Scores], float]
    unit: str = NUMBER
    interval: Callable[[Scores, float], Interval] | None = None
    calibrated: bool = False
    caveat: Callable[[Scores], str | None] | None = None

    def interval_of(self, scores: Scores, value: float) -> Interval:
        """The 95 % interval of `value`, the metric of these scores."""
        if self.interval is not None:
            return self.interval(scores, value)
        log_probabilities, targets = scores.log_probabilities, scores.targets
        return bootstrapped(
            lambda taken: self.compute(Scores(log_probabilities[taken], targets[taken])),
            len(scores),
            value,
            (0.0, 1.0) if self.unit == SHARE else (-math.inf, math.inf),
        )


METRICS: Registry[Metric] = Registry("metric", "dogbreed.evaluation.metrics")


def register(metric: Metric) -> Metric:
    """Add a metric, after those that are registered already.

    Raises:
        ConfigError: the name is taken or isn't one, or direction or unit is none of the known.
    """
    if not _NAME.fullmatch(metric.name) or metric.name in _RESERVED:
        raise ConfigError(
            f"Metric {metric.name!r}: a name is up to 32 of a-z, 0-9 and _, begins with a letter, "
            f"and is none of {', '.join(_RESERVED)}."
        )
    for value, known in ((metric.direction, (MINIMIZE, MAXIMIZE)), (metric.unit, (SHARE, NUMBER))):
        if value not in known:
            raise ConfigError(f"Metric {metric.name}: {value!r} must be one of {', '.join(known)}.")
    return METRICS.register(metric.name, metric)


def register_missing(others: Iterable[Metric]) -> None:
    """Register those of `others`, the metrics of another process, that this one lacks."""
    for metric in others:
        if metric.name not in METRICS.names():
            register(metric)


def metrics() -> tuple[Metric, ...]:
    """All metrics, in the order of their registration."""
    return METRICS.values()


def epoch_metrics() -> tuple[Metric, ...]:
    """The metrics that are known after each epoch: those that need no temperature."""
    return tuple(metric for metric in metrics() if not metric.calibrated)


def objectives() -> tuple[str, ...]:
    """What a search can optimise: `valid_<name>` of each metric that is known after each epoch."""
    return tuple(f"{VALID_PREFIX}{metric.name}" for metric in epoch_metrics())


def objective_metric(objective: str) -> Metric:
    """The metric of an objective, `valid_<name>`.

    Raises:
        KeyError: there is no such metric.
    """
    return METRICS[objective.removeprefix(VALID_PREFIX)]
