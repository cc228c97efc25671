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
    # The first step is one batch.
    rise_share: float = key(
        "rise over the first step at the end of a training of fewer windows, as a share of it",
        above=0,
        default=0.5,
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
        self._few: list[float] = []  # of a training that ends before the rule may fire

    def on_step(self, step: Step) -> Fault | None:
        """At the end of each window."""
        if self.not_evaluated:
            self._few.append(step.cross_entropy)
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
        self.not_evaluated, self._few = "", []
        if mean < (1 - self.thresholds.fall_share) * self._start:
            return None
        return self._fault(mean, self._start, self.thresholds.steps)

    def on_end(self) -> Fault | None:
        """Of a shorter training, whether it has risen: so few steps needn't lower it.

        The last quarter of its steps is compared with the first step, before which nothing is
        learned.
        """
        steps = len(self._few) // 4
        if not self.not_evaluated or not steps:
            return None
        mean, at_start = sum(self._few[-steps:]) / steps, self._few[0]
        if not math.isfinite(mean):
            return None
        self.not_evaluated = ""
        has_risen = mean > (1 + self.thresholds.rise_share) * at_start
        return self._fault(mean, at_start, steps) if has_risen else None

    def _fault(self, mean: float, at_start: float, steps: int) -> Fault:
        return Fault(
            message=f"The mean training cross entropy of {steps} steps was {mean:.3g}, that of the "
            f"first {at_start:.3g}.",
            values={"cross_entropy": mean, "at_start": at_start},
        )


RULES.register("loss_not_decreasing", LossNotDecreasing)
