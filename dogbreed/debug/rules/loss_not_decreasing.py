"""The training cross entropy doesn't fall below its value at the start."""

import math
from dataclasses import dataclass

from dogbreed.configuration.debug import RULES
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Step
from dogbreed.debug.rules.base import Fault, Rule, Thresholds


@dataclass(frozen=True, kw_only=True)
class LossNotDecreasingThresholds(Thresholds):
    """The keys of debug.rules.loss_not_decreasing."""

    # The mean of 50 batches moves by about 1 % by chance.
    steps: int = key("steps per window; the first window is the start", at_least=1, default=50)
    patience: int = key("windows before it may fire", at_least=1, default=3)
    fall_share: float = key(
        "share of the start by which a window's mean has to be lower",
        at_least=0,
        below=1,
        default=0.02,
    )


class LossNotDecreasing(Rule[LossNotDecreasingThresholds]):
    """The mean over a window of steps isn't lower than over the first."""

    thresholds_class = LossNotDecreasingThresholds
    recommendation = (
        "Try another optim.lr: a tenth if the loss has risen, ten times if it hasn't moved "
        "(lr_finder=true finds one); then see that class folders and labels belong together."
    )

    def __init__(self, name: str, thresholds: LossNotDecreasingThresholds) -> None:
        super().__init__(name, thresholds)
        self._sum, self._count, self._windows = 0.0, 0, 0
        self._start = math.inf

    def on_step(self, step: Step) -> Fault | None:
        """At the end of each window."""
        self._sum += step.cross_entropy
        self._count += 1
        if self._count < self.thresholds.steps:
            return None
        mean, self._sum, self._count = self._sum / self._count, 0.0, 0
        self._windows += 1
        if self._windows == 1:
            self._start = mean
        if self._windows <= self.thresholds.patience or not math.isfinite(mean):
            return None
        self.not_evaluated = ""
        if mean < (1 - self.thresholds.fall_share) * self._start:
            return None
        return Fault(
            message=f"The mean training cross entropy of {self.thresholds.steps} steps was "
            f"{mean:.3g}, that of the first {self._start:.3g}.",
            values={"cross_entropy": mean, "at_start": self._start},
        )


RULES.register("loss_not_decreasing", LossNotDecreasing)
