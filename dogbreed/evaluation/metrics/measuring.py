"""The metrics of a split and of each of its classes, each with its 95 % interval."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from dogbreed.evaluation.metrics.intervals import Interval, wilson
from dogbreed.evaluation.metrics.registry import metrics
from dogbreed.evaluation.metrics.scores import Scores


@dataclass(frozen=True, kw_only=True)
class SplitMetrics:
    """The values of all registered metrics on a split of `n` photos, with their 95 % intervals.

    `metrics["top1"]` is the value of a metric, `metrics.ci95["top1"]` its interval. `caveats` are
    clauses on metrics that mislead on so few photos, by name.
    """

    values: Mapping[str, float]
    n: int
    ci95: Mapping[str, Interval]
    caveats: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def as_dict(self) -> dict[str, Any]:
        """The metrics by name, then n and ci95: a split of metrics.json."""
        return {**self.values, "n": self.n, "ci95": dict(self.ci95)}


@dataclass(frozen=True, kw_only=True)
class ClassMetrics:
    """How good a model is on one class of a split, with Wilson's 95 % intervals.

    `precision`: of the photos predicted as this class, the share that is right; `recall`: of the
    class's photos, the share predicted as it. None where there are no such photos.
    """

    name: str
    display_name: str
    n: int
    n_predicted: int
    precision: float | None
    precision_ci95: Interval | None
    recall: float | None
    recall_ci95: Interval | None

    def as_dict(self) -> dict[str, Any]:
        """The fields in their order."""
        return asdict(self)


def measure(scores: Scores, temperature: float = 1.0) -> SplitMetrics:
    """All registered metrics of a split of one photo or more."""
    calibrated = scores.calibrated(temperature)
    values: dict[str, float] = {}
    ci95: dict[str, Interval] = {}
    caveats: dict[str, str] = {}
    for metric in metrics():
        measured = calibrated if metric.calibrated else scores
        values[metric.name] = metric.compute(measured)
        ci95[metric.name] = metric.interval_of(measured, values[metric.name])
        if metric.caveat is not None and (clause := metric.caveat(measured)):
            caveats[metric.name] = clause
    return SplitMetrics(values=values, n=len(scores), ci95=ci95, caveats=caveats)


def measure_classes(
    scores: Scores, classes: Sequence[str], display_names: Sequence[str]
) -> tuple[ClassMetrics, ...]:
    """The metrics of each class."""
    count = len(classes)
    n = torch.bincount(scores.targets, minlength=count).tolist()
    predicted = torch.bincount(scores.predicted, minlength=count).tolist()
    hits = torch.bincount(scores.targets[scores.right], minlength=count).tolist()
    return tuple(
        ClassMetrics(
            name=classes[label],
            display_name=display_names[label],
            n=n[label],
            n_predicted=predicted[label],
            precision=hits[label] / predicted[label] if predicted[label] else None,
            precision_ci95=wilson(hits[label], predicted[label]) if predicted[label] else None,
            recall=hits[label] / n[label] if n[label] else None,
            recall_ci95=wilson(hits[label], n[label]) if n[label] else None,
        )
        for label in range(count)
    )
