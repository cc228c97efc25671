"""A linear probe: how well a linear classifier tells the classes apart from cached features.

It is linear discriminant analysis with a shrunk covariance (Friedman 1989): one pass over the
features and one solve for each strength of the shrinkage, no epochs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dogbreed.data.batches import CachedPhotos
from dogbreed.evaluation.linear_head import NEVER, LinearHead, feature_batches
from dogbreed.runtime.torch_probabilities import mean_log_probabilities

# From the classes' common covariance alone to none of it: the nearest mean.
SHRINKAGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
# Of the features' mean square: less variance within classes is rounding. The second is for features
# that are all 0.
_MIN_VARIANCE_SHARE, _MIN_VARIANCE = 1e-10, 1e-30


@dataclass(frozen=True)
class _Statistics:
    """Of training rows, in float64: mean [features], class means [classes, features] less it, log
    priors [classes], and the covariance within classes [features, features]."""

    mean: Tensor
    class_means: Tensor
    log_priors: Tensor
    within: Tensor


def fit_probe(
    train: CachedPhotos, valid: CachedPhotos, classes: int, views: int | None = 1
) -> LinearHead:
    """Fit the probe to the first `views` views of the training photos, None: to all of them; the
    shrinkage is the best one of `SHRINKAGES` on the validation photos by top-1, of equal ones the
    strongest."""
    statistics = _statistics(train, classes, views)
    probes = [_probe(statistics, shrinkage, len(train)) for shrinkage in SHRINKAGES]
    hits = [0] * len(probes)
    for rows, labels in feature_batches(valid, views):
        for number, probe in enumerate(probes):
            answers = mean_log_probabilities(probe.logits(rows)).argmax(-1)
            hits[number] += int((answers == labels).sum())
    return probes[max(range(len(probes)), key=lambda number: (hits[number], number))]


def _statistics(train: CachedPhotos, classes: int, views: int | None) -> _Statistics:
    """Sums over the rows in batches: memory doesn't grow with the number of photos."""
    counts = torch.zeros(classes, dtype=torch.float64)
    sums = products = torch.zeros(0)
    for photos, photo_labels in feature_batches(train, views):
        rows, labels = photos.flatten(0, 1), photo_labels.repeat_interleave(photos.shape[1])
        counts += torch.bincount(labels, minlength=classes)
        if not len(sums):
            features = rows.shape[1]
            sums = torch.zeros(classes, features, dtype=torch.float64)
            products = torch.zeros(features, features, dtype=torch.float64)
        exact = rows.double()
        sums.index_add_(0, labels, exact)
        products.addmm_(exact.T, exact)
    mean = sums.sum(0) / counts.sum()
    class_means = sums / counts.clamp(min=1)[:, None]
    between = (class_means * counts[:, None]).T @ class_means
    within = (products - between) / counts.sum()
    mean_square = products.diagonal().mean() / counts.sum()
    within.diagonal().add_(_MIN_VARIANCE_SHARE * mean_square + _MIN_VARIANCE)
    return _Statistics(
        mean=mean,
        class_means=class_means - mean,
        log_priors=(counts / counts.sum()).log().clamp(min=NEVER),
        within=within,
    )


def _probe(statistics: _Statistics, shrinkage: float, n_train: int) -> LinearHead:
    """The classifier whose covariance is (1 - shrinkage) of the classes' common one, and shrinkage
    of a sphere of the same mean variance."""
    shrunk = (1 - shrinkage) * statistics.within
    shrunk.diagonal().add_(shrinkage * statistics.within.diagonal().mean())
    means = statistics.class_means
    weights = torch.cholesky_solve(means.T, torch.linalg.cholesky(shrunk)).T
    bias = statistics.log_priors - (weights * means).sum(1) / 2 - weights @ statistics.mean
    return LinearHead(
        name="linear discriminant analysis",
        parameter="shrinkage",
        strength=shrinkage,
        n_train=n_train,
        weights=weights.float(),
        bias=bias.float(),
    )
