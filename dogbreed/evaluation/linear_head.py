"""A linear classifier on cached features that takes no training by steps, and its scores."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dogbreed.data.batches import CachedPhotos
from dogbreed.evaluation.calibration import fit_temperature
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.runtime.torch_probabilities import mean_log_probabilities

ROWS_AT_ONCE = 4096
# The logit of a class without a training photo.
NEVER = -100.0


@dataclass(frozen=True, kw_only=True)
class LinearHead:
    """Features [n, features] times weights [classes, features] plus bias [classes], float32.

    `name` is the method's, `parameter` what its regularisation is called and `strength` the value
    that the validation photos selected. It was fitted to `n_train` photos.
    """

    name: str
    parameter: str
    strength: float
    n_train: int
    weights: Tensor
    bias: Tensor

    def logits(self, rows: Tensor) -> Tensor:
        """Features [..., features] to logits [..., classes]."""
        return rows @ self.weights.T + self.bias

    def scores(self, photos: CachedPhotos, views: int | None = None) -> Scores:
        """The scores of photos, the mean over their first `views` views; None: over all."""
        parts = [
            mean_log_probabilities(self.logits(rows)) for rows, _ in feature_batches(photos, views)
        ]
        return Scores(torch.cat(parts), torch.from_numpy(photos.labels))


def feature_batches(
    photos: CachedPhotos, views: int | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Features [n, views, features] of ROWS_AT_ONCE photos or less, and their labels [n]."""
    labels = torch.from_numpy(photos.labels)
    for start in range(0, len(photos), ROWS_AT_ONCE):
        indices = np.arange(start, min(start + ROWS_AT_ONCE, len(photos)))
        rows = pooled(photos.features(indices, views))
        yield torch.from_numpy(rows), labels[start : start + len(indices)]


def pooled(activations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Activations [n, views, *boundary] as features [n, views, channels]: means over the area."""
    means: npt.NDArray[np.float32] = activations.reshape(*activations.shape[:3], -1).mean(-1)
    return means


def calibrated_loss(validation: Scores) -> float:
    """The cross entropy in nats after the temperature: by it heads of any kind are compared."""
    return float(validation.calibrated(fit_temperature(validation)).losses.mean())
