"""The loss is infinite or not a number."""

import math
from dataclasses import dataclass

from dogbreed.configuration.debug import RULES, STOP
from dogbreed.debug.recording.observations import Step
from dogbreed.debug.rules.base import Fault, Rule, Thresholds, action_key


@dataclass(frozen=True, kw_only=True)
class LossNotFiniteThresholds(Thresholds):
    """The keys of debug.rules.loss_not_finite."""

    action: str = action_key(default=STOP)  # nothing recovers a network whose weights are NaN


class LossNotFinite(Rule[LossNotFiniteThresholds]):
    """The loss is infinite or not a number."""

    thresholds_class = LossNotFiniteThresholds
    recommendation = (
        "Lower optim.lr, by a factor of ten to begin with; where the inputs themselves aren't "
        "finite, look at the photos or features named."
    )

    def on_step(self, step: Step) -> Fault | None:
        """Any step whose loss isn't finite."""
        self.not_evaluated = ""
        if math.isfinite(step.cross_entropy):
            return None
        where = step.culprit or "the loss itself"
        return Fault(
            message=f"The loss wasn't finite at a learning rate of {step.lr:.3g}; the first that "
            f"isn't is {where}.",
            values={"cross_entropy": step.cross_entropy, "where": where, "lr": step.lr},
        )


RULES.register("loss_not_finite", LossNotFinite)
