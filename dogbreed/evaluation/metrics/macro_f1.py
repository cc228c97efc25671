"""Macro F1: the mean over classes of the harmonic mean of precision and recall."""

from __future__ import annotations

import typing

from dogbreed.evaluation.metrics.intervals import Interval, bootstrapped
from dogbreed.evaluation.metrics.registry import MAXIMIZE, SHARE, Metric
from dogbreed.evaluation.metrics.scores import Scores

if typing.TYPE_CHECKING:  # numpy is imported when a metric is computed: --help reads the names
    import numpy as np
    import numpy.typing as npt


# Below it the mean over samples is a point or more under that of many photos, at one photo eight
# points: tests/benchmarks/calibration.py.
FEW_PHOTOS_PER_CLASS = 5


def _compute(scores: Scores) -> float:
    from torchmetrics.functional.classification import multiclass_f1_score

    log_probabilities, targets = scores.log_probabilities, scores.targets
    return float(multiclass_f1_score(log_probabilities, targets, scores.classes, "macro"))


def _interval(scores: Scores, value: float) -> Interval:
    targets, predicted = scores.targets.numpy(), scores.predicted.numpy()
    classes = scores.classes
    return bootstrapped(
        lambda taken: _macro_f1(targets[taken], predicted[taken], classes),
        len(targets),
        value,
        (0.0, 1.0),
    )


def _macro_f1(
    targets: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: int
) -> float:
    """As torchmetrics computes it: classes neither present nor predicted don't count."""
    import numpy as np

    hits = np.bincount(targets[targets == predicted], minlength=classes)
    either = np.bincount(targets, minlength=classes) + np.bincount(predicted, minlength=classes)
    return float(np.mean(2 * hits[either > 0] / either[either > 0]))


def _caveat(scores: Scores) -> str | None:
    per_class = len(scores) / len(scores.targets.unique())
    if per_class >= FEW_PHOTOS_PER_CLASS:
        return None
    return f"too low on average: there are so few photos ({per_class:.2g} of each)"


MACRO_F1 = Metric(
    name="macro_f1",
    title="Macro F1",
    direction=MAXIMIZE,
    compute=_compute,
    unit=SHARE,
    interval=_interval,
    caveat=_caveat,
)
