"""From which epoch on a training counts as overfitted, by epochs that are made up."""

from dogbreed.debug.recording.observations import Epoch
from dogbreed.debug.rules.overfit import Overfit, OverfitThresholds


def fired_in(train: list[float], valid: list[float]) -> list[int]:
    """The epochs, counted from 1, in which the rule fires for these losses."""
    rule = Overfit("overfit", OverfitThresholds(rise_share=0.05, patience=2))
    fired = []
    for number, (of_train, of_valid) in enumerate(zip(train, valid, strict=True), 1):
        epoch = Epoch(
            epoch=number,
            step=10 * number,
            train_cross_entropy=of_train,
            train_top1=0.9,
            valid_cross_entropy=of_valid,
            valid_top1=0.9,
        )
        if rule.on_epoch(epoch):
            fired.append(number)
    return fired


def test_it_fires_after_patience_epochs_of_a_rise_in_a_row() -> None:
    train = [0.5, 0.4, 0.3, 0.2, 0.1, 0.1]
    assert fired_in(train, [1.0, 0.8, 0.9, 0.9, 1.0, 1.0]) == [4, 5, 6]
    assert fired_in(train, [1.0, 0.8, 0.9, 0.8, 0.9, 1.0]) == [6]
    assert fired_in(train, [1.0, 0.8, 0.83, 0.83, 0.83, 0.83]) == [], "by less than 5 %"


def test_a_training_that_rises_too_is_not_overfitted() -> None:
    valid = [1.0, 0.8, 0.9, 0.9, 1.0, 1.0]
    assert fired_in([0.5, 0.4, 0.45, 0.45, 0.5, 0.5], valid) == []
    assert fired_in([1.5, 1.4, 1.3, 1.2, 1.1, 1.1], valid) == [], "above validation's"
