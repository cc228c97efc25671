"""The learning-rate finder: a short run at rising rates suggests the rate of the steepest loss.

Smith 2017, "Cyclical Learning Rates". The slope is taken over the logarithm of the rate; over the
rate itself, as in Lightning's finder, a much too small rate wins (its issue 21141).
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from dogbreed.data.batches import BatchLoader, FeatureBatch
from dogbreed.errors import TrainingError
from dogbreed.evaluation.facts import RateCurve
from dogbreed.model import BreedClassifier
from dogbreed.utils.progress import progress

LOWEST_RATE, HIGHEST_RATE = 1e-6, 10.0
# The best maximum rate decreases with the length of a run, so the finder runs equally long.
MIN_STEPS, MAX_STEPS = 100, 1200
# Fraction of the steps over which the loss is smoothed, symmetrically: a running mean would lag and
# move the steepest point to a rate that is twice as high.
SMOOTHING = 0.02
# The loss counts as diverged at this multiple of its first value.
DIVERGED = 4.0

Doubles = npt.NDArray[np.float64]


def find_rate(model: BreedClassifier, loader: BatchLoader, run_steps: int) -> RateCurve:
    """Train `model`, which is unusable afterwards, at rates from LOWEST_RATE to HIGHEST_RATE.

    Raises:
        TrainingError: the loss never falls, so it suggests no rate.
    """
    steps = min(max(run_steps, MIN_STEPS), MAX_STEPS)
    rates = np.geomspace(LOWEST_RATE, HIGHEST_RATE, steps)
    model.train()
    optimizer = model.build_optimizer()
    scales = [group["lr"] / model.lr for group in optimizer.param_groups]
    batches = _endless(loader)
    losses: list[float] = []
    with progress("learning rate", steps, "steps") as advance:
        for rate in rates:
            for group, scale in zip(optimizer.param_groups, scales, strict=True):
                group["lr"] = float(rate) * scale
            loss = model.loss(next(batches))
            if not loss.item() < DIVERGED * (losses or [math.inf])[0]:
                break
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            advance(1)
    return _curve(rates[: len(losses)], np.array(losses), steps)


def _endless(loader: BatchLoader) -> Iterator[FeatureBatch]:
    """Batches without end, each epoch in another order."""
    for epoch in itertools.count():
        loader.batches.set_epoch(epoch)
        yield from loader


def _curve(rates: Doubles, losses: Doubles, steps: int) -> RateCurve:
    if len(losses) < MIN_STEPS // 2:
        raise TrainingError(
            "lr_finder=true: the loss isn't finite from the first steps on; the cached features "
            "may not be finite: set optim.lr by hand."
        )
    smooth = gaussian_filter1d(losses, max(1.0, SMOOTHING * steps), mode="nearest")
    slope = np.gradient(smooth, np.log(rates))
    if not slope.min() < 0:
        raise TrainingError(
            "lr_finder=true: the loss doesn't fall at any learning rate; set optim.lr by hand."
        )
    return RateCurve(
        lr=tuple(rates.tolist()),
        loss=tuple(smooth.tolist()),
        suggestion=float(f"{rates[slope.argmin()]:.2g}"),
    )
