"""Top-1 and top-5 accuracy: the share of photos whose class is the likeliest, or among five."""

from functools import partial

from dogbreed.evaluation.metrics.intervals import Interval, wilson
from dogbreed.evaluation.metrics.registry import MAXIMIZE, SHARE, Metric
from dogbreed.evaluation.metrics.scores import Scores


def _compute(scores: Scores, k: int) -> float:
    """Of fewer than `k` classes, all are among the likeliest.

    The number of torchmetrics' multiclass_accuracy without its one-hot tensors [n, classes]: every
    epoch on cached features computes this, and takes no longer itself.
    """
    likeliest = scores.log_probabilities.topk(min(k, scores.classes)).indices
    hits = (likeliest == scores.targets[:, None]).any(1).sum()
    return float(hits.float() / len(scores))


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
