"""Probabilities that mean what they say: a temperature, and the threshold of "unknown"."""

import math
from dataclasses import dataclass

import torch
from scipy.optimize import minimize_scalar
from torch.nn import functional as F

from dogbreed.evaluation.metrics.calibration_error import BINS
from dogbreed.evaluation.metrics.intervals import Interval, wilson
from dogbreed.evaluation.metrics.scores import Scores

# Wider than any network needs; a split without a wrong answer would send it to 0.
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0


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
    """The temperature whose scores have the lowest cross entropy (Guo et al. 2017).

    It changes no answer, only how sure of it the model says it is: above 1 less, below 1 more.
    """

    def loss(log_temperature: float) -> float:
        scaled = validation.calibrated(math.exp(log_temperature))
        return float(F.nll_loss(scaled.log_probabilities, validation.targets))

    bounds = (math.log(LOWEST_TEMPERATURE), math.log(HIGHEST_TEMPERATURE))
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)


def choose_threshold(validation: Scores, known_share: float) -> float:
    """The probability below which an answer is "unknown", from calibrated validation scores.

    So low that at least `known_share` of the right answers reach it; 0 if there are none.
    """
    confidence = validation.confidence[validation.right]
    if not len(confidence):
        return 0.0
    return float(torch.quantile(confidence.double(), 1 - known_share, interpolation="lower"))


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
