"""Baselines: other heads on the same cached features, and what a run gains over each."""

from collections.abc import Mapping
from pathlib import Path

import torch

from dogbreed.data.batches import CachedPhotos
from dogbreed.data.layouts.splits import TEST, TRAIN, VALID
from dogbreed.evaluation.calibration import fit_temperature
from dogbreed.evaluation.facts import Baseline
from dogbreed.evaluation.linear_head import LinearHead
from dogbreed.evaluation.linear_probe import fit_probe
from dogbreed.evaluation.logistic_regression import fit_logistic_regression
from dogbreed.evaluation.metrics.intervals import Z95
from dogbreed.evaluation.metrics.measuring import measure
from dogbreed.evaluation.metrics.scores import Scores

TRAINED = "trained head"


def fit_heads(
    cached: Mapping[str, CachedPhotos], classes: int, cache: Path | None
) -> tuple[LinearHead, ...]:
    """Logistic regression and linear discriminant analysis, on every view of the training photos.

    `cache` is a folder for coefficients that take long to fit.
    """
    train, valid = cached[TRAIN], cached[VALID]
    return (
        fit_logistic_regression(train, valid, classes, cache),
        fit_probe(train, valid, classes, views=None),
    )


def measure_baseline(
    head: LinearHead | None, scores: Mapping[str, Scores], run: Scores
) -> Baseline:
    """Measure the uncalibrated `scores` of a head, None: of the trained one, against the test
    scores of the run."""
    temperature = fit_temperature(scores[VALID])
    gain = run.right.double() - scores[TEST].right.double()
    return Baseline(
        name=TRAINED if head is None else head.name,
        setting="" if head is None else f"{head.parameter} = {head.strength:g}",
        n_train=len(scores[TRAIN]) if head is None else head.n_train,
        valid=measure(scores[VALID], temperature),
        test=measure(scores[TEST], temperature),
        top1_gain_points=100 * float(gain.mean()),
        top1_gain_ci95=paired_interval(gain),
    )


def paired_interval(gain: torch.Tensor) -> tuple[float, float]:
    """95 % interval, in points, of the mean of gains [n] of -1, 0 and 1 each.

    Wald's with one photo more of either kind, which holds for few photos that differ as well
    (Bonett & Price 2012, Journal of Educational and Behavioral Statistics 37:479).
    """
    more = torch.cat([gain, gain.new_tensor([1, -1])])
    mean = float(more.mean())
    half = Z95 * float(more.std(correction=0)) / len(more) ** 0.5
    return 100 * max(-1.0, mean - half), 100 * min(1.0, mean + half)
