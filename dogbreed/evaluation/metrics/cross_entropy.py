"""The loss: cross entropy without label smoothing or class weights, before and after calibration.

Runs with different settings can be compared by it.
"""

from dogbreed.evaluation.metrics.intervals import Interval, interval_of_mean
from dogbreed.evaluation.metrics.registry import MINIMIZE, Metric
from dogbreed.evaluation.metrics.scores import Scores


def _compute(scores: Scores) -> float:
    return float(scores.losses.mean())


def _interval(scores: Scores, value: float) -> Interval:
    return interval_of_mean(scores.losses)


LOSS = Metric(
    name="loss",
    title="Loss (nats)",
    direction=MINIMIZE,
    compute=_compute,
    interval=_interval,
)
LOSS_CALIBRATED = Metric(
    name="loss_calibrated_nats",
    title="Loss (nats), calibrated",
    direction=MINIMIZE,
    compute=_compute,
    interval=_interval,
    calibrated=True,
)
