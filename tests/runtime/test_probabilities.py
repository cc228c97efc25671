"""The mean over views, then the temperature: by hand, and the same in numpy as in torch."""

import numpy as np
import pytest
import torch

from dogbreed.evaluation.metrics.scores import calibrated
from dogbreed.runtime import probabilities, torch_probabilities

LOGITS = np.random.default_rng(0).normal(0, 3, (5, 4, 7)).astype(np.float32)


def test_probabilities_of_the_views_are_averaged_not_their_logits() -> None:
    logits = np.log(np.array([[[0.9, 0.1], [0.2, 0.8]]], np.float32))
    averaged = np.exp(probabilities.mean_log_probabilities(logits))
    np.testing.assert_allclose(averaged, [[0.55, 0.45]], rtol=1e-6)
    # At temperature 2 the odds are their square roots.
    odds = (0.55 / 0.45) ** 0.5
    found = probabilities.calibrated(np.log(averaged), 2.0)
    np.testing.assert_allclose(found, [[odds / (1 + odds), 1 / (1 + odds)]], rtol=1e-6)
    features = np.array([[[1.0, 2.0], [3.0, 6.0]]], np.float32)
    assert probabilities.mean_features(features).tolist() == [[2.0, 4.0]]


@pytest.mark.parametrize("temperature", [0.05, 1.0, 1.7, 20.0])
@pytest.mark.parametrize("views", [1, 2, 4])
def test_numpy_and_torch_agree(views: int, temperature: float) -> None:
    logits = LOGITS[:, :views]
    averaged = probabilities.mean_log_probabilities(logits)
    in_torch = torch_probabilities.mean_log_probabilities(torch.from_numpy(logits))
    np.testing.assert_allclose(in_torch, averaged, atol=1e-5)
    np.testing.assert_allclose(
        calibrated(in_torch, temperature).exp(),
        probabilities.calibrated(averaged, temperature),
        atol=1e-4,
    )


def test_extreme_logits_and_temperatures_give_probabilities() -> None:
    logits = np.array([[[1e4, -1e4, 0.0]], [[-3e38, 0.0, 1.0]]], np.float32)
    averaged = probabilities.mean_log_probabilities(logits)
    for temperature in (5e-324, 1.0, 1e300):
        found = probabilities.calibrated(averaged, temperature)
        np.testing.assert_allclose(found.sum(-1), 1)
