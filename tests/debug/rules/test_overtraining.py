"""From which epoch on a training counts as overtrained, by epochs that are made up."""

from typing import Any

import pytest

from dogbreed.debug.recording.observations import Epoch, Start
from dogbreed.debug.rules.overtraining import Overtraining, OvertrainingThresholds


def fired_in(
    losses: list[float], early_stopping: int | None = None, **thresholds: Any
) -> list[int]:
    """The epochs, counted from 1, in which the rule fires for these validation losses."""
    thresholds = {"patience_share": 0.0, **thresholds}
    rule = Overtraining("overtraining", OvertrainingThresholds(**thresholds))
    start = Start(
        layers=(), sizes=(), first_step=0, weighted_classes=False, patience=early_stopping
    )
    rule.on_start(start)
    figures: dict[str, Any] = {"train_cross_entropy": 0.1, "train_top1": 0.9, "valid_top1": 0.9}
    epochs = [
        Epoch(epoch=number, step=10 * number, valid_cross_entropy=loss, **figures)
        for number, loss in enumerate(losses, 1)
    ]
    return [each.epoch for each in epochs if rule.on_epoch(each)]


def test_it_fires_after_patience_epochs_without_a_better_one() -> None:
    level = [1.0, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert fired_in(level, patience=3) == [5, 6]  # three and four epochs after the second
    assert fired_in(level, patience=4) == [6]
    assert fired_in(level, patience=5) == []


def test_early_stopping_ends_a_training_before_it_counts_as_overtrained() -> None:
    level = [1.0, *[0.5] * 9]
    assert fired_in(level, patience=3) == [5, 6, 7, 8, 9, 10]
    assert fired_in(level, early_stopping=2, patience=3) == [5, 6, 7, 8, 9, 10]
    assert fired_in(level, early_stopping=5, patience=3) == [8, 9, 10]  # which it never reaches
    assert fired_in(level, early_stopping=8, patience=3) == []


@pytest.mark.parametrize(
    "losses",
    [
        [1.0, 0.5, 0.5, 0.49, 0.49, 0.49],  # better once more
        [1.0, 0.5, 0.6, 0.6, 0.6, 0.6],  # it has risen: overfitting
        [1.0, 0.99, 0.99, 0.99, 0.99, 0.99],  # it has learned nothing
    ],
)
def test_other_trainings_are_not_overtrained(losses: list[float]) -> None:
    assert fired_in(losses, patience=3) == []


def test_a_fall_that_is_too_small_is_no_better_epoch() -> None:
    losses = [1.0, 0.5, 0.499, 0.498, 0.4979, 0.4979]  # less than 0.5 % below 0.5
    assert fired_in(losses, patience=3) == [5, 6]


def test_the_level_end_of_a_long_schedule_is_no_fault() -> None:
    losses = [1.0, *(1.0 - 0.05 * epoch for epoch in range(11)), *[0.5] * 11]
    assert losses.index(0.5) == 11
    assert fired_in(losses, patience=3, patience_share=0.5) == []  # 11 of 23 epochs
    assert fired_in([*losses, 0.5, 0.5], patience=3, patience_share=0.5) == [24, 25]
