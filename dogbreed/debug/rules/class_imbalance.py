"""Some classes have many times the photos of others, and the loss doesn't weigh them."""

from dataclasses import dataclass

from dogbreed.configuration.debug import RULES
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Epoch, Start
from dogbreed.debug.rules.base import Fault, Rule, Thresholds


@dataclass(frozen=True, kw_only=True)
class ClassImbalanceThresholds(Thresholds):
    """The keys of debug.rules.class_imbalance."""

    ratio_above: float = key(
        "photos of the largest class over those of the smallest", at_least=1, default=10.0
    )


class ClassImbalance(Rule[ClassImbalanceThresholds]):
    """Some classes have many times the photos of others."""

    thresholds_class = ClassImbalanceThresholds
    recommendation = "optim.class_weights=balanced, or more photos of the small classes."

    def __init__(self, name: str, thresholds: ClassImbalanceThresholds) -> None:
        super().__init__(name, thresholds)
        self.not_evaluated = "the targets of no complete epoch are known"
        self._weighted = False

    def on_start(self, start: Start) -> None:
        """A loss that weighs the classes is what is recommended."""
        self._weighted = start.weighted_classes
        if self._weighted:
            self.not_evaluated = "the loss weighs the classes"

    def on_epoch(self, epoch: Epoch) -> Fault | None:
        """The photos that an epoch trained on."""
        if self._weighted or not epoch.class_counts:
            return None
        self.not_evaluated = ""
        most, fewest = max(epoch.class_counts), min(epoch.class_counts)
        if most <= self.thresholds.ratio_above * max(1, fewest):
            return None
        return Fault(
            message=f"The largest class has {most} training photos, the smallest {fewest}.",
            values={"most": most, "fewest": fewest},
        )


RULES.register("class_imbalance", ClassImbalance)
