"""The expected calibration error: how far probabilities lie from the shares that are right."""

from __future__ import annotations

import typing
from dataclasses import asdict, dataclass

from dogbreed.evaluation.metrics.intervals import Interval, bootstrapped
from dogbreed.evaluation.metrics.registry import MINIMIZE, SHARE, Metric
from dogbreed.evaluation.metrics.scores import Scores

if typing.TYPE_CHECKING:  # numpy is imported when a metric is computed: --help reads the names
    import numpy as np
    import numpy.typing as npt

BINS = 15  # of equal width, as in Guo et al. 2017, "On Calibration of Modern Neural Networks"
SIMULATIONS = 1000  # of a p-value of 0.05, the standard error is 0.007


@dataclass(frozen=True, kw_only=True)
class CalibrationTest:
    """An expected calibration error beside that of a perfectly calibrated model.

    `floor_share` is the mean error that a model of the same confidences shows on as many photos if
    every confidence is the probability of being right: noise, which bins can't tell from an error.
    `p_value` is how often it shows at least the measured one; below 0.05 the model's confidences
    are wrong. Source: Widmann et al. 2019, "Calibration tests in multi-class classification".
    """

    ece_share: float
    floor_share: float
    p_value: float

    def as_dict(self) -> dict[str, float]:
        """The fields in their order."""
        return asdict(self)


def against_perfect_calibration(scores: Scores) -> CalibrationTest:
    """Simulate right and wrong answers of a perfectly calibrated model on the photos of `scores`,
    one or more."""
    import numpy as np

    confidence, right = scores.confidence.double().numpy(), scores.right.numpy()
    measured = _error(confidence, right)
    random = np.random.default_rng(0)
    simulated = np.array(
        [_error(confidence, random.random(len(right)) < confidence) for _ in range(SIMULATIONS)]
    )
    reached = int((simulated >= measured - 1e-12).sum())
    return CalibrationTest(
        ece_share=measured,
        floor_share=float(simulated.mean()),
        p_value=(1 + reached) / (1 + SIMULATIONS),
    )


def expected_calibration_error(scores: Scores) -> float:
    """The mean distance between confidence and the share of right answers, in BINS bins."""
    from torchmetrics.functional.classification import multiclass_calibration_error

    probabilities = scores.log_probabilities.exp()
    classes = scores.classes
    return float(multiclass_calibration_error(probabilities, scores.targets, classes, BINS, "l1"))


def _interval(scores: Scores, value: float) -> Interval:
    confidence, right = scores.confidence.double().numpy(), scores.right.numpy()
    return bootstrapped(
        lambda taken: _error(confidence[taken], right[taken]), len(right), value, (0.0, 1.0)
    )


def _error(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    import numpy as np

    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, confidence - right, BINS)
    return float(np.abs(gaps).sum() / len(right))


ECE = Metric(
    name="ece_share",
    title="ECE",
    direction=MINIMIZE,
    compute=expected_calibration_error,
    unit=SHARE,
    interval=_interval,
)
ECE_CALIBRATED = Metric(
    name="ece_calibrated_share",
    title="ECE, calibrated",
    direction=MINIMIZE,
    compute=expected_calibration_error,
    unit=SHARE,
    interval=_interval,
    calibrated=True,
)
