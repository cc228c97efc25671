"""Training learns, and validation stays where guessing is."""

import math
from dataclasses import dataclass

from dogbreed.configuration.debug import RULES
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Epoch, Step
from dogbreed.debug.rules.base import AT_CHANCE_SHARE, Fault, InARow, Rule, Thresholds


@dataclass(frozen=True, kw_only=True)
class ValidationAtChanceThresholds(Thresholds):
    """The keys of debug.rules.validation_at_chance."""

    distance_share: float = key(
        "distance of validation below ln(classes) that counts as none, as a share of it",
        at_least=0,
        below=1,
        default=AT_CHANCE_SHARE,
    )
    fall_share: float = key(
        "fall of training below ln(classes) that counts as learning, as a share of it",
        above=0,
        below=1,
        default=0.3,
    )
    patience: int = key("epochs in a row of both", at_least=1, default=3)


class ValidationAtChance(Rule[ValidationAtChanceThresholds]):
    """Validation is no better than equal probabilities while training learns.

    It is no overfitting, of which more photos are the cure: validation has never been better.
    """

    thresholds_class = ValidationAtChanceThresholds
    recommendation = (
        "See that the labels of training and validation photos mean the same: class folders that "
        "are mixed up or numbered differently in the splits, or labels that have nothing to do "
        "with the photos."
    )

    def __init__(self, name: str, thresholds: ValidationAtChanceThresholds) -> None:
        super().__init__(name, thresholds)
        self.not_evaluated = "there was no validation loss, or the number of classes isn't known"
        self._chance = math.nan
        self._lowest = math.inf
        self._epochs = InARow()

    def on_step(self, step: Step) -> Fault | None:
        """How many classes there are."""
        if step.classes and step.classes > 1:
            self._chance = math.log(step.classes)
        return None

    def on_epoch(self, epoch: Epoch) -> Fault | None:
        """Once it has lasted; a validation that was better before is another rule's."""
        valid, train, thresholds = (
            epoch.valid_cross_entropy,
            epoch.train_cross_entropy,
            self.thresholds,
        )
        if not math.isfinite(valid) or math.isnan(self._chance):
            return None
        if epoch.epoch >= thresholds.patience:
            self.not_evaluated = ""
        self._lowest = min(self._lowest, valid)
        at_chance = self._lowest > (1 - thresholds.distance_share) * self._chance
        learns = train < (1 - thresholds.fall_share) * self._chance
        if self._epochs.add(at_chance and learns) < thresholds.patience:
            return None
        return Fault(
            message=f"The cross entropy of training has fallen to {train:.3g}, that of validation "
            f"is {valid:.3g}; equally likely classes have {self._chance:.3g}.",
            values={"valid_cross_entropy": valid, "train_cross_entropy": train},
        )


RULES.register("validation_at_chance", ValidationAtChance)
