"""95 % intervals: of shares, of means, and of what isn't a mean over photos."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable
from typing import Any

if typing.TYPE_CHECKING:  # importing the registry, as --help does, takes no numpy
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

Interval = tuple[float, float]

RESAMPLES = 200  # enough for a standard error (Efron & Tibshirani 1993, chapter 6)
Z95 = 1.959964  # of the normal distribution: 95 % lie within so many standard deviations


def wilson(hits: int, n: int) -> Interval:
    """The 95 % interval of a share of `hits` in `n` ≥ 1 (Wilson 1927): sound near 0 and 1 too."""
    share, z2 = hits / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def interval_of_mean(values: Tensor) -> Interval:
    """The normal 95 % interval of the mean of `values` [n]."""
    mean = float(values.mean())
    half = Z95 * float(values.std(correction=0)) / math.sqrt(len(values))
    return mean - half, mean + half


def bootstrapped(
    statistic: Callable[[npt.NDArray[np.int64]], Any],
    n: int,
    value: float,
    bounds: Interval = (-math.inf, math.inf),
) -> Interval:
    """The normal 95 % interval of `value` with a bootstrapped standard error.

    `statistic` computes it from the photos of the indices [n] that are resampled with replacement.
    """
    import numpy as np

    random = np.random.default_rng(0)
    resampled = [float(statistic(random.integers(n, size=n))) for _ in range(RESAMPLES)]
    half = Z95 * float(np.std(resampled))
    return max(bounds[0], value - half), min(bounds[1], value + half)
