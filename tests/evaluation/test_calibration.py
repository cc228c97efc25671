"""The temperature, the threshold of "unknown", and the reliability diagram."""

import pytest
import torch
from helpers.made_facts import random_scores

from dogbreed.evaluation.calibration import choose_threshold, fit_temperature, reliability
from dogbreed.evaluation.metrics.calibration_error import expected_calibration_error
from dogbreed.evaluation.metrics.measuring import measure
from dogbreed.evaluation.metrics.scores import Scores


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_the_temperature_undoes_what_was_done_to_the_logits(scale: float) -> None:
    validation = random_scores(5000, 10, seed=1, scale=scale)
    temperature = fit_temperature(validation)
    assert temperature == pytest.approx(1 / scale, rel=0.08)
    test = random_scores(5000, 10, seed=2, scale=scale)
    metrics = measure(test, temperature)
    assert metrics["ece_calibrated_share"] < 0.03
    assert metrics["ece_calibrated_share"] == pytest.approx(
        expected_calibration_error(test.calibrated(temperature))
    )
    assert metrics["loss_calibrated_nats"] <= metrics["loss"] + 1e-3
    # It changes no answer.
    assert torch.equal(test.calibrated(temperature).predicted, test.predicted)


def test_a_split_without_a_wrong_answer_has_a_finite_temperature() -> None:
    perfect = Scores(torch.eye(3).log_softmax(-1), torch.arange(3))
    assert 0.01 < fit_temperature(perfect) < 1


def test_the_threshold_keeps_the_share_that_was_asked_for() -> None:
    validation = random_scores(2000, 5)
    threshold = choose_threshold(validation, 0.9)
    right = validation.confidence[validation.right]
    assert float((right >= threshold).float().mean()) == pytest.approx(0.9, abs=0.01)
    for count in (1, 5, 12, 19):  # of few answers no more may be lost than were allowed
        few = random_scores(count, 5)
        kept = few.confidence[few.right].double() >= choose_threshold(few, 0.95)
        assert int(kept.sum()) >= 0.95 * len(kept)
    never_right = Scores(torch.tensor([[0.9, 0.1]]).log(), torch.tensor([1]))
    assert choose_threshold(never_right, 0.9) == 0.0


def test_the_bins_hold_every_photo() -> None:
    scores = random_scores(500, 5)
    bins = reliability(scores)
    assert sum(each.n for each in bins) == 500
    assert sum(each.n * each.accuracy for each in bins) == pytest.approx(int(scores.right.sum()))
    gap = sum(each.n * abs(each.accuracy - each.confidence) for each in bins) / 500
    assert gap == pytest.approx(expected_calibration_error(scores), abs=1e-6)
    for each in bins:
        assert each.lower <= each.confidence <= each.upper
        assert each.accuracy_ci95[0] <= each.accuracy <= each.accuracy_ci95[1]
