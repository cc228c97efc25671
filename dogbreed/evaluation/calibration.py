"""Probabilities that mean what they say: a temperature, and the threshold of "unknown"."""

import math
from dataclasses import dataclass

from scipy.optimize import minimize_scalar
from torch.nn import functional as F

from dogbreed.evaluation.metrics.calibration_error import BINS
from dogbreed.evaluation.metrics.intervals import Interval, wilson
from dogbreed.evaluation.metrics.scores import Scores

# Wider than any network needs.
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
# Standard deviation of the normal prior on log T around T = 1: weightless where there are hundreds
# of photos, it decides where there are few. tests/benchmarks/calibration.py shows both.
PRIOR_SD = 0.5


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Photos with a confidence of `lower` to `upper`: mean confidence, share of right ones."""

    lower: float
    upper: float
    n: int
    confidence: float
    accuracy: float
    accuracy_ci95: Interval


def fit_temperature(validation: Scores) -> float:
    """The temperature of the lowest cross entropy (Guo et al. 2017) under a prior around 1.

    It changes no answer, only how sure of it the model says it is: above 1 less, below 1 more. The
    prior is needed for few photos: if none of six is classified wrongly, the likeliest temperature
    is 0, which claims certainty for every answer.
    """

    def loss(log_temperature: float) -> float:
        scaled = validation.calibrated(math.exp(log_temperature))
        prior = (log_temperature / PRIOR_SD) ** 2 / 2 / len(validation)
        return float(F.nll_loss(scaled.log_probabilities, validation.targets)) + prior

    bounds = (math.log(LOWEST_TEMPERATURE), math.log(HIGHEST_TEMPERATURE))
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)


def choose_threshold(validation: Scores, known_share: float) -> float:
    """The probability below which an answer is "unknown", from calibrated validation scores.

    At least `known_share` of the right answers on new photos are expected to reach it: it is the
    confidence of rank floor((n + 1) (1 - known_share)) among the n right answers, as in split
    conformal prediction (Lei et al. 2018). 0 where that rank is 0: so few right answers determine
    no threshold.
    """
    confidence = validation.confidence[validation.right].sort().values
    # Of 19 and 0.95 the product is 1, and less by rounding alone.
    rank = math.floor((len(confidence) + 1) * (1 - known_share) + 1e-9)
    return float(confidence[rank - 1]) if rank else 0.0


def reliability(scores: Scores) -> tuple[ReliabilityBin, ...]:
    """The bins of the reliability diagram that have photos."""
    confidence, right = scores.confidence.double(), scores.right
    numbers = (confidence * BINS).long().clamp(max=BINS - 1)
    bins = []
    for number in range(BINS):
        inside = numbers == number
        n, hits = int(inside.sum()), int(right[inside].sum())
        if n:
            bins.append(
                ReliabilityBin(
                    lower=number / BINS,
                    upper=(number + 1) / BINS,
                    n=n,
                    confidence=float(confidence[inside].mean()),
                    accuracy=hits / n,
                    accuracy_ci95=wilson(hits, n),
                )
            )
    return tuple(bins)
