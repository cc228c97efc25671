"""The first loss is far from that of a network that has learned nothing."""

import math
from dataclasses import dataclass

from dogbreed.configuration.debug import RULES
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Start, Step
from dogbreed.debug.rules.base import Fault, Rule, Thresholds


@dataclass(frozen=True, kw_only=True)
class PoorStartThresholds(Thresholds):
    """The keys of debug.rules.poor_start."""

    off_share: float = key(
        "distance of the first loss from ln(classes), as a share of it", above=0, default=0.5
    )


class PoorStart(Rule[PoorStartThresholds]):
    """The first loss is far from ln(classes), that of equal probabilities."""

    thresholds_class = PoorStartThresholds
    recommendation = (
        "Above it the head's first weights or its inputs are too large: start it at zero, or "
        "normalise; below it the network has seen these photos or their labels already."
    )

    def __init__(self, name: str, thresholds: PoorStartThresholds) -> None:
        super().__init__(name, thresholds)
        self.not_evaluated = "how many classes there are isn't known"

    def on_start(self, start: Start) -> None:
        """A training that is resumed has no first step."""
        if start.first_step:
            self.not_evaluated = "the training was resumed from a checkpoint"

    def on_step(self, step: Step) -> Fault | None:
        """The first step alone."""
        if step.step or not step.classes or step.classes < 2:
            return None
        self.not_evaluated = ""
        expected = math.log(step.classes)
        if abs(step.cross_entropy - expected) <= self.thresholds.off_share * expected:
            return None
        return Fault(
            message=f"The first cross entropy was {step.cross_entropy:.3g}; that of {step.classes} "
            f"equally likely classes is {expected:.3g}.",
            values={"cross_entropy": step.cross_entropy, "ln_classes": expected},
        )


RULES.register("poor_start", PoorStart)
