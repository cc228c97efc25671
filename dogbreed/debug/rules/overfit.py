"""Validation cross entropy rises while that of training falls."""

import math
from dataclasses import dataclass

from dogbreed.configuration.debug import RULES
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Epoch, Step
from dogbreed.debug.rules.base import AT_CHANCE_SHARE, Fault, InARow, Rule, Thresholds


@dataclass(frozen=True, kw_only=True)
class OverfitThresholds(Thresholds):
    """The keys of debug.rules.overfit."""

    # A healthy head's validation moves by 1 to 2 % once it is level.
    rise_share: float = key(
        "rise of validation over its lowest, as a share of it", above=0, default=0.05
    )
    patience: int = key("epochs in a row of such a rise", at_least=1, default=3)


class Overfit(Rule[OverfitThresholds]):
    """Validation has risen from its lowest while that of training continued to fall."""

    thresholds_class = OverfitThresholds
    recommendation = (
        "More photos, a higher optim.weight_decay or model.dropout, or fewer trainer.epochs; the "
        "weights of the best epoch are saved."
    )

    def __init__(self, name: str, thresholds: OverfitThresholds) -> None:
        super().__init__(name, thresholds)
        self.not_evaluated = "there was no validation loss over enough epochs"
        self._lowest = self._train_at_lowest = math.inf
        self._rising = InARow()
        self._chance = math.inf

    def on_step(self, step: Step) -> Fault | None:
        """How many classes there are, if that is known."""
        if step.classes and step.classes > 1:
            self._chance = math.log(step.classes)
        return None

    def on_epoch(self, epoch: Epoch) -> Fault | None:
        """Once the rise has lasted."""
        valid, train = epoch.valid_cross_entropy, epoch.train_cross_entropy
        if not math.isfinite(valid):
            return None
        if epoch.epoch > self.thresholds.patience:
            self.not_evaluated = ""
        if valid < self._lowest:
            self._lowest, self._train_at_lowest = valid, train
        rises = valid > (1 + self.thresholds.rise_share) * self._lowest
        falls = train < min(valid, self._train_at_lowest)
        # Else it is the fault of the rule validation_at_chance.
        has_learned = self._lowest < (1 - AT_CHANCE_SHARE) * self._chance
        if self._rising.add(rises and falls and has_learned) < self.thresholds.patience:
            return None
        return Fault(
            message=f"Validation cross entropy has risen from {self._lowest:.3g} to {valid:.3g} "
            f"while that of training fell from {self._train_at_lowest:.3g} to {train:.3g}.",
            values={"valid_cross_entropy": valid, "lowest": self._lowest, "train": train},
        )


RULES.register("overfit", Overfit)
