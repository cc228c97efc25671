"""Top-1 and top-5 accuracy: the share of photos whose class is the likeliest, or among five."""

from functools import partial

from dogbreed.evaluation.metrics.intervals import Interval, wilson
from dogbreed.evaluation.metrics.registry import MAXIMIZE, SHARE, Metric
from dogbreed.evaluation.metrics.scores import Scores


def _compute(scores: Scores, k: int) -> float:
    """Of fewer than `k` classes, all are among the likeliest."""
    from torchmetrics.functional.classification import multiclass_accuracy

    classes = scores.classes
    top_k = min(k, classes)
    return float(
        multiclass_accuracy(scores.log_probabilities, scores.targets, classes, "micro", top_k)
    )


def _interval(scores: Scores, value: float) -> Interval:
    return wilson(round(value * len(scores)), len(scores))


TOP1 = Metric(
    name="top1",
    title="Top-1",
    direction=MAXIMIZE,
    compute=partial(_compute, k=1),
    unit=SHARE,
    interval=_interval,
)
TOP5 = Metric(
    name="top5",
    title="Top-5",
    direction=MAXIMIZE,
    compute=partial(_compute, k=5),
    unit=SHARE,
    interval=_interval,
)
