"""Numbers from few photos, simulated: what is fitted and reported, beside the plain estimators.

python tests/benchmarks/calibration.py

The plain ones are the likeliest temperature without a prior, the quantile of the validation photos
as threshold, and the calibration error alone. The models are perfectly calibrated, so the true
temperature is 1; no photos are needed, and it takes two minutes.
"""

import math
from collections.abc import Iterable

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn import functional as F

from dogbreed.evaluation.calibration import (
    HIGHEST_TEMPERATURE,
    LOWEST_TEMPERATURE,
    choose_threshold,
    fit_temperature,
)
from dogbreed.evaluation.metrics.calibration_error import against_perfect_calibration
from dogbreed.evaluation.metrics.macro_f1 import MACRO_F1
from dogbreed.evaluation.metrics.scores import Scores

DRAWS = 300
KNOWN_SHARE = 0.95


def draw(n: int, classes: int, seed: int, spread: float = 2.0) -> Scores:
    """Scores whose targets are drawn from their own probabilities."""
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(n, classes, generator=generator)
    targets = logits.softmax(-1).multinomial(1, generator=generator)[:, 0]
    return Scores(logits.log_softmax(-1), targets)


def likeliest_temperature(validation: Scores) -> float:
    """Without a prior."""
    bounds = (math.log(LOWEST_TEMPERATURE), math.log(HIGHEST_TEMPERATURE))
    fitted = minimize_scalar(
        lambda log: float(
            F.nll_loss(validation.calibrated(math.exp(log)).log_probabilities, validation.targets)
        ),
        bounds=bounds,
        method="bounded",
    )
    return math.exp(fitted.x)


def quantile_threshold(validation: Scores) -> float:
    """The quantile of the validation photos' right answers."""
    confidence = validation.confidence[validation.right].double()
    if not len(confidence):
        return 0.0
    return float(torch.quantile(confidence, 1 - KNOWN_SHARE, interpolation="lower"))


def title(text: str) -> None:
    """The head of a table."""
    print(f"\n{text}", flush=True)


def row(*cells: str) -> None:
    """A line of a table."""
    print("".join(f"{cell:<24}" for cell in cells).rstrip(), flush=True)


def mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


def temperatures() -> None:
    """Test loss after temperatures that were fitted on few validation photos."""
    title("temperature: mean test loss (nats), and the lowest temperature; the true one is 1")
    test = draw(5000, 6, seed=10**6)
    row("validation photos", "true", "likeliest", "with prior")
    for n in (6, 12, 50, 200, 1000):
        drawn = [draw(n, 6, seed) for seed in range(DRAWS)]
        cells = [f"{float(test.losses.mean()):.3f}"]
        for fit in (likeliest_temperature, fit_temperature):
            fitted = [fit(validation) for validation in drawn]
            loss = mean(float(test.calibrated(each).losses.mean()) for each in fitted)
            cells.append(f"{loss:.3f} ({min(fitted):.2f})")
        row(f"{n:,}", *cells)


def thresholds() -> None:
    """The share of right answers on new photos that reach the threshold."""
    title(f"threshold: share of right answers on new photos that reach it ({KNOWN_SHARE:.0%} due)")
    test = draw(20_000, 6, seed=10**6)
    right = test.confidence[test.right]
    row("validation photos", "quantile", "conservative rank")
    for n in (15, 20, 30, 100, 1000):
        drawn = [draw(n, 6, seed) for seed in range(DRAWS)]
        chosen = [
            [quantile_threshold(validation) for validation in drawn],
            [choose_threshold(validation, KNOWN_SHARE) for validation in drawn],
        ]
        row(
            f"{n:,}", *(f"{mean(_reaching(right, each) for each in found):.1%}" for found in chosen)
        )


def _reaching(right: Tensor, threshold: float) -> float:
    return float((right >= threshold).double().mean())


def calibration_errors() -> None:
    """The calibration error of a perfectly calibrated model, and how often it is called wrong."""
    title(
        "calibration error of a perfectly calibrated model, and of one that is too sure (T = 0.7)"
    )
    row("test photos", "ECE", "floor", "p < 0.05", "too sure: p < 0.05")
    for n in (100, 300, 1200, 10_000):
        drawn = [draw(n, 20, seed) for seed in range(DRAWS // 3)]
        perfect = [against_perfect_calibration(scores) for scores in drawn]
        too_sure = [against_perfect_calibration(scores.calibrated(0.7)) for scores in drawn]
        row(
            f"{n:,}",
            f"{mean(each.ece_share for each in perfect):.1%}",
            f"{mean(each.floor_share for each in perfect):.1%}",
            f"{mean(each.p_value < 0.05 for each in perfect):.0%}",
            f"{mean(each.p_value < 0.05 for each in too_sure):.0%}",
        )


def macro_f1() -> None:
    """Macro F1 of few photos per class beside that of 1,000 per class."""
    title("macro F1 of 120 classes by test photos per class")
    classes = 120
    truth = MACRO_F1.compute(_balanced(classes, 1000, seed=0))
    row("test photos per class", "macro F1", f"of 1,000 per class: {truth:.1%}")
    for per_class in (1, 2, 3, 5, 10, 20, 50):
        found = [MACRO_F1.compute(_balanced(classes, per_class, seed)) for seed in range(1, 31)]
        row(f"{per_class}", f"{mean(found):.1%}", f"{100 * (mean(found) - truth):+.1f} points")


def _balanced(classes: int, per_class: int, seed: int) -> Scores:
    """Each answer is the right class with a probability of 0.52, else any of the others."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(classes).repeat_interleave(per_class)
    wrong = (targets + torch.randint(1, classes, targets.shape, generator=generator)) % classes
    answers = torch.where(torch.rand(targets.shape, generator=generator) < 0.52, targets, wrong)
    return Scores(torch.eye(classes)[answers].mul(5).log_softmax(-1), targets)


if __name__ == "__main__":
    temperatures()
    thresholds()
    calibration_errors()
    macro_f1()
