"""Training continues although validation has long been as good as it gets."""

import math
from dataclasses import dataclass

from dogbreed.configuration.debug import RULES
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Epoch, Start
from dogbreed.debug.rules.base import Fault, Rule, Thresholds


@dataclass(frozen=True, kw_only=True)
class OvertrainingThresholds(Thresholds):
    """The keys of debug.rules.overtraining."""

    fall_share: float = key(
        "fall of validation's lowest that counts as better", at_least=0, default=0.005
    )
    # Above that it is overfitting.
    level_share: float = key(
        "distance from its lowest at which it still counts as level", above=0, default=0.05
    )
    # With early stopping, that of early stopping if it is more: it ends the training by itself.
    patience: int = key("epochs without a better one", at_least=1, default=15)
    # At the end of a schedule small steps change little: that is no fault of its length.
    patience_share: float = key(
        "such epochs as a fraction of all so far", at_least=0, at_most=1, default=0.5
    )


class Overtraining(Rule[OvertrainingThresholds]):
    """Validation is level, and has been for many epochs."""

    thresholds_class = OvertrainingThresholds
    recommendation = (
        "Fewer trainer.epochs, or early stopping by trainer.patience: what is learned now shows "
        "in no validation photo."
    )

    def __init__(self, name: str, thresholds: OvertrainingThresholds) -> None:
        super().__init__(name, thresholds)
        self.not_evaluated = "there was no validation loss over enough epochs"
        self._at_start: float | None = None
        self._lowest = math.inf
        self._since = 0
        self._patience = thresholds.patience

    def on_start(self, start: Start) -> None:
        """Leave to early stopping what it ends."""
        if start.patience is not None:
            self._patience = max(self._patience, start.patience + 1)

    def on_epoch(self, epoch: Epoch) -> Fault | None:
        """Once it has been level for too long; a rise is another rule's."""
        valid, thresholds = epoch.valid_cross_entropy, self.thresholds
        if not math.isfinite(valid):
            return None
        if self._at_start is None:
            self._at_start = valid
        if valid < (1 - thresholds.fall_share) * self._lowest:
            self._lowest, self._since = valid, epoch.epoch
        level_for = epoch.epoch - self._since
        if epoch.epoch > self._patience:
            self.not_evaluated = ""
        level = valid <= (1 + thresholds.level_share) * self._lowest
        has_learned = self._lowest < (1 - thresholds.level_share) * self._at_start
        long = level_for >= max(self._patience, thresholds.patience_share * epoch.epoch)
        if not (long and level and has_learned):
            return None
        return Fault(
            message=f"Validation cross entropy is {valid:.3g}; {level_for} epochs before "
            f"it was {self._lowest:.3g}.",
            values={"valid_cross_entropy": valid, "lowest": self._lowest, "epochs": level_for},
        )


RULES.register("overtraining", Overtraining)
