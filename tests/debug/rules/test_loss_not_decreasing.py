"""When a loss counts as not decreasing, by steps that are made up."""

import math
from collections.abc import Sequence

import pytest

from dogbreed.debug.recording.observations import Step
from dogbreed.debug.rules.loss_not_decreasing import LossNotDecreasing, LossNotDecreasingThresholds
from dogbreed.debug.rules.verdicts import FINE, NOT_APPLICABLE


def rule_after(losses: Sequence[float]) -> tuple[LossNotDecreasing, list[int]]:
    """The rule, and the steps in which it has fired."""
    rule = LossNotDecreasing(
        "loss_not_decreasing", LossNotDecreasingThresholds(steps=10, patience=2)
    )
    fired = [
        number
        for number, loss in enumerate(losses)
        if rule.on_step(Step(step=number, cross_entropy=loss, top1=0.5, lr=0.1, seconds=0.1))
    ]
    return rule, fired


def test_a_long_training_is_evaluated_in_windows() -> None:
    rule, fired = rule_after([1.0] * 45)
    assert fired == [29, 39]
    assert rule.on_end() is None  # it was evaluated
    rule, fired = rule_after([1.0] * 10 + [0.5] * 30)
    assert fired == []
    assert rule.verdict().state == FINE


def test_a_training_that_ends_early_is_evaluated_at_its_end() -> None:
    rule, fired = rule_after([1.79, 500.0, 900.0, 1719.0])
    assert fired == []
    fault = rule.on_end()
    assert fault is not None
    assert "of 1 steps was 1.72e+03, that of the first 1.79." in fault.message


@pytest.mark.parametrize("losses", [[1.0, 0.9, 0.8, 0.7, 0.6], [1.0] * 29])
def test_a_short_training_that_does_not_rise_is_fine(losses: list[float]) -> None:
    rule, _ = rule_after(losses)
    assert rule.on_end() is None
    assert rule.verdict().state == FINE


@pytest.mark.parametrize("losses", [[], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0, math.inf]])
def test_what_is_too_short_or_not_finite_is_not_evaluated(losses: list[float]) -> None:
    rule, _ = rule_after(losses)
    assert rule.on_end() is None
    assert rule.verdict().state == NOT_APPLICABLE
