"""Negative log-likelihood: minus the mean logarithm of the probability given to the right class.

It is the proper scoring rule by which probabilities of models of any kind are compared (Gneiting &
Raftery 2007). For a classifier that is trained by plain cross entropy it equals `loss`.
"""

from dogbreed.evaluation.metrics.intervals import Interval, interval_of_mean
from dogbreed.evaluation.metrics.registry import MINIMIZE, Metric
from dogbreed.evaluation.metrics.scores import Scores


def _compute(scores: Scores) -> float:
    return float(scores.losses.mean())


def _interval(scores: Scores, value: float) -> Interval:
    return interval_of_mean(scores.losses)


NEGATIVE_LOG_LIKELIHOOD = Metric(
    name="nll_nats",
    title="Negative log-likelihood (nats)",
    direction=MINIMIZE,
    compute=_compute,
    interval=_interval,
)
