"""From logits to calibrated probabilities: the mean over a photo's views, then the temperature.

In numpy and float64: what serves a model loads without torch. Training computes the same in torch:
see `torch_probabilities`; a test compares both.
"""

import numpy as np
import numpy.typing as npt

from dogbreed.runtime.runner import Floats

Doubles = npt.NDArray[np.float64]


def mean_log_probabilities(logits: Floats) -> Doubles:
    """Logits [n, views, classes] to logarithms [n, classes] of the views' mean probabilities."""
    by_view = _log_softmax(logits.astype(np.float64))
    averaged: Doubles = np.logaddexp.reduce(by_view, axis=1) - np.log(by_view.shape[1])
    return averaged


def mean_features(features: Floats) -> Floats:
    """Features [n, views, features] to the mean [n, features] over the views."""
    averaged: Floats = features.mean(1, dtype=np.float32)
    return averaged


def calibrated(log_probabilities: Doubles, temperature: float) -> Doubles:
    """The probabilities softmax(log_probabilities / temperature), [n, classes]."""
    # Less the highest first: divided by a tiny temperature they would all be infinite.
    below = log_probabilities - log_probabilities.max(-1, keepdims=True)
    with np.errstate(over="ignore"):
        probabilities: Doubles = np.exp(_log_softmax(below / temperature))
    return probabilities


def _log_softmax(scores: Doubles) -> Doubles:
    """Over the last axis."""
    shifted: Doubles = scores - scores.max(-1, keepdims=True)
    logarithms: Doubles = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return logarithms
