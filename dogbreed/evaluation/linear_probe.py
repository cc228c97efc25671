"""A linear probe: how well a linear classifier tells the classes apart from cached features.

It is linear discriminant analysis with a shrunk covariance (Friedman 1989): one pass over the
features and one solve for each strength of the shrinkage, no epochs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dogbreed.data.batches import CachedPhotos
from dogbreed.evaluation.baseline import pooled
from dogbreed.evaluation.metrics.scores import Scores

# From the classes' common covariance alone to none of it: the nearest mean.
SHRINKAGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
ROWS_AT_ONCE = 4096
# Of the features' mean square: less variance within classes is rounding. The second is for features
# that are all 0.
_MIN_VARIANCE_SHARE, _MIN_VARIANCE = 1e-10, 1e-30


@dataclass(frozen=True, kw_only=True)
class LinearProbe:
    """The linear classifier: weights [classes, features] and bias [classes], float32."""

    shrinkage: float
    weights: Tensor
    bias: Tensor

    def logits(self, rows: Tensor) -> Tensor:
        """Features [n, features] to logits [n, classes]."""
        return rows @ self.weights.T + self.bias

    def scores(self, photos: CachedPhotos) -> Scores:
        """Scores of the photos in their first view."""
        parts = [self.logits(rows).log_softmax(-1) for rows, _ in _batches(photos)]
        return Scores(torch.cat(parts), torch.from_numpy(photos.labels))


@dataclass(frozen=True)
class _Statistics:
    """Of training rows, in float64: mean [features], class means [classes, features] less it, log
    priors [classes], and the covariance within classes [features, features]."""

    mean: Tensor
    class_means: Tensor
    log_priors: Tensor
    within: Tensor


def fit_probe(train: CachedPhotos, valid: CachedPhotos, classes: int) -> LinearProbe:
    """Fit the probe to the training photos; the shrinkage is the best one of `SHRINKAGES` on the
    validation photos by top-1, of equal ones the strongest."""
    statistics = _statistics(train, classes)
    probes = [_probe(statistics, shrinkage) for shrinkage in SHRINKAGES]
    hits = [0] * len(probes)
    for rows, labels in _batches(valid):
        for number, probe in enumerate(probes):
            hits[number] += int((probe.logits(rows).argmax(-1) == labels).sum())
    return probes[max(range(len(probes)), key=lambda number: (hits[number], number))]


def _batches(photos: CachedPhotos) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows [n, features] of the first view, float32, and their labels [n]."""
    labels = torch.from_numpy(photos.labels)
    for start in range(0, len(photos), ROWS_AT_ONCE):
        indices = np.arange(start, min(start + ROWS_AT_ONCE, len(photos)))
        rows = pooled(photos.features(indices, views=1))[:, 0]
        yield torch.from_numpy(rows), labels[start : start + len(indices)]


def _statistics(train: CachedPhotos, classes: int) -> _Statistics:
    """Sums over the rows in batches: memory doesn't grow with the number of photos."""
    counts = torch.bincount(torch.from_numpy(train.labels), minlength=classes).double()
    sums = products = torch.zeros(0)
    for rows, labels in _batches(train):
        if not len(sums):
            features = rows.shape[1]
            sums = torch.zeros(classes, features, dtype=torch.float64)
            products = torch.zeros(features, features, dtype=torch.float64)
        exact = rows.double()
        sums.index_add_(0, labels, exact)
        products.addmm_(exact.T, exact)
    mean = sums.sum(0) / counts.sum()
    class_means = sums / counts[:, None]
    between = (class_means * counts[:, None]).T @ class_means
    within = (products - between) / counts.sum()
    mean_square = products.diagonal().mean() / counts.sum()
    within.diagonal().add_(_MIN_VARIANCE_SHARE * mean_square + _MIN_VARIANCE)
    return _Statistics(
        mean=mean,
        class_means=class_means - mean,
        log_priors=(counts / counts.sum()).log(),
        within=within,
    )


def _probe(statistics: _Statistics, shrinkage: float) -> LinearProbe:
    """The classifier whose covariance is (1 - shrinkage) of the classes' common one, and shrinkage
    of a sphere of the same mean variance."""
    shrunk = (1 - shrinkage) * statistics.within
    shrunk.diagonal().add_(shrinkage * statistics.within.diagonal().mean())
    means = statistics.class_means
    weights = torch.cholesky_solve(means.T, torch.linalg.cholesky(shrunk)).T
    bias = statistics.log_priors - (weights * means).sum(1) / 2 - weights @ statistics.mean
    return LinearProbe(shrinkage=shrinkage, weights=weights.float(), bias=bias.float())
