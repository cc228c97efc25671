"""The metrics of a split, each with its 95 % interval."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_f1_score,
)

from dogbreed.runtime.torch_probabilities import calibrated

Interval = tuple[float, float]

BINS = 15  # of equal width, as in Guo et al. 2017, "On Calibration of Modern Neural Networks"
RESAMPLES = 200  # enough for a standard error (Efron & Tibshirani 1993, chapter 6)
Z95 = 1.959964  # of the normal distribution: 95 % lie within so many standard deviations


@dataclass(frozen=True)
class Scores:
    """What a model says of a split: log_probabilities [n, classes] and targets [n], on the CPU."""

    log_probabilities: Tensor
    targets: Tensor

    def calibrated(self, temperature: float) -> "Scores":
        """The same with softmax(log_probabilities / temperature)."""
        return Scores(calibrated(self.log_probabilities, temperature), self.targets)

    @property
    def confidence(self) -> Tensor:
        """The probability [n] of each photo's likeliest class."""
        return self.log_probabilities.amax(-1).exp()

    @property
    def predicted(self) -> Tensor:
        """Each photo's likeliest class [n]."""
        return self.log_probabilities.argmax(-1)

    @property
    def right(self) -> Tensor:
        """Whether that is its class [n]."""
        return self.predicted == self.targets


@dataclass(frozen=True, kw_only=True)
class SplitMetrics:
    """How a model did on one split. Losses and calibration errors: lower is better; shares: higher.

    `loss` is the cross entropy in nats, without label smoothing or class weights, so that runs
    with different settings can be compared. `top5` counts a photo if its class is among the five
    likeliest (all of them, where there are fewer). `macro_f1` is the mean over classes.
    `ece_share` is the expected calibration error: how far the share of right answers lies from the
    probability that was given. The calibrated ones are after the temperature.

    `ci95` has a 95 % interval for each: Wilson's for the shares of photos; for the loss the normal
    one, and for what isn't a mean over photos (macro F1, ECE) the normal one with a bootstrapped
    standard error.
    """

    loss: float
    top1: float
    top5: float
    macro_f1: float
    ece_share: float
    loss_calibrated_nats: float
    ece_calibrated_share: float
    n: int
    ci95: dict[str, Interval]

    def as_dict(self) -> dict[str, Any]:
        """The fields in their order."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class ClassMetrics:
    """How a model did on one class of a split, with Wilson's 95 % intervals.

    `precision`: of the photos that were called this class, the share that is; `recall`: of the
    class's photos, the share that was called it. None where there are no such photos.
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


def wilson(hits: int, n: int) -> Interval:
    """The 95 % interval of a share of `hits` in `n` ≥ 1 (Wilson 1927): sound near 0 and 1 too."""
    share, z2 = hits / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def measure(scores: Scores, temperature: float = 1.0) -> SplitMetrics:
    """All metrics of a split of one photo or more."""
    log_probabilities, targets = scores.log_probabilities, scores.targets
    n, classes = log_probabilities.shape
    after = scores.calibrated(temperature)
    losses = _losses(scores)
    calibrated_losses = _losses(after)
    values = {
        "loss": float(losses.mean()),
        "top1": float(multiclass_accuracy(log_probabilities, targets, classes, "micro")),
        "top5": float(
            multiclass_accuracy(log_probabilities, targets, classes, "micro", min(5, classes))
        ),
        "macro_f1": float(multiclass_f1_score(log_probabilities, targets, classes, "macro")),
        "ece_share": expected_calibration_error(scores),
        "loss_calibrated_nats": float(calibrated_losses.mean()),
        "ece_calibrated_share": expected_calibration_error(after),
    }
    ci95 = {
        "loss": _around_mean(losses),
        "top1": wilson(round(values["top1"] * n), n),
        "top5": wilson(round(values["top5"] * n), n),
        "loss_calibrated_nats": _around_mean(calibrated_losses),
        **_bootstrapped(scores, after, values),
    }
    return SplitMetrics(**values, n=n, ci95={name: ci95[name] for name in values})


def measure_classes(
    scores: Scores, classes: Sequence[str], display_names: Sequence[str]
) -> tuple[ClassMetrics, ...]:
    """The metrics of each class."""
    count = len(classes)
    n = torch.bincount(scores.targets, minlength=count).tolist()
    called = torch.bincount(scores.predicted, minlength=count).tolist()
    hits = torch.bincount(scores.targets[scores.right], minlength=count).tolist()
    return tuple(
        ClassMetrics(
            name=classes[label],
            display_name=display_names[label],
            n=n[label],
            n_predicted=called[label],
            precision=hits[label] / called[label] if called[label] else None,
            precision_ci95=wilson(hits[label], called[label]) if called[label] else None,
            recall=hits[label] / n[label] if n[label] else None,
            recall_ci95=wilson(hits[label], n[label]) if n[label] else None,
        )
        for label in range(count)
    )


def expected_calibration_error(scores: Scores) -> float:
    """The mean distance between confidence and the share of right answers, in BINS bins."""
    probabilities = scores.log_probabilities.exp()
    classes = probabilities.shape[1]
    return float(multiclass_calibration_error(probabilities, scores.targets, classes, BINS, "l1"))


def _losses(scores: Scores) -> Tensor:
    """The cross entropy [n] of each photo, in nats."""
    return -scores.log_probabilities.gather(1, scores.targets[:, None])[:, 0].double()


def _around_mean(values: Tensor) -> Interval:
    mean = float(values.mean())
    half = Z95 * float(values.std(correction=0)) / math.sqrt(len(values))
    return mean - half, mean + half


def _bootstrapped(before: Scores, after: Scores, values: dict[str, float]) -> dict[str, Interval]:
    """Intervals of what isn't a mean over photos, from the spread over resampled splits."""
    targets, predicted = before.targets.numpy(), before.predicted.numpy()
    classes = before.log_probabilities.shape[1]
    right = before.right.numpy()
    random = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {"macro_f1": [], "ece_share": [], "ece_calibrated_share": []}
    confidences = (before.confidence.double().numpy(), after.confidence.double().numpy())
    for _ in range(RESAMPLES):
        taken = random.integers(len(targets), size=len(targets))
        drawn["macro_f1"].append(_macro_f1(targets[taken], predicted[taken], classes))
        drawn["ece_share"].append(_ece(confidences[0][taken], right[taken]))
        drawn["ece_calibrated_share"].append(_ece(confidences[1][taken], right[taken]))
    intervals = {}
    for name, resampled in drawn.items():
        half = Z95 * float(np.std(resampled))
        intervals[name] = (max(0.0, values[name] - half), min(1.0, values[name] + half))
    return intervals


def _macro_f1(
    targets: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: int
) -> float:
    """As torchmetrics has it (classes that are neither there nor predicted don't count)."""
    hits = np.bincount(targets[targets == predicted], minlength=classes)
    either = np.bincount(targets, minlength=classes) + np.bincount(predicted, minlength=classes)
    return float(np.mean(2 * hits[either > 0] / either[either > 0]))


def _ece(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, confidence - right, BINS)
    return float(np.abs(gaps).sum() / len(right))
