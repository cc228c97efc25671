"""Rules about the losses, and about steps that don't come."""

import math
import time

from dogbreed.configuration.debug import (
    NotDecreasingLimits,
    NotFiniteLimits,
    OverfitLimits,
    OvertrainingLimits,
    PoorStartLimits,
    StalledLimits,
)
from dogbreed.debug.recording.observations import Epoch, Start, Step
from dogbreed.debug.rules.base import Fault, InARow, Rule


class LossNotFinite(Rule[NotFiniteLimits]):
    """The loss is infinite or not a number."""

    advice = (
        "Lower optim.lr, by a factor of ten to begin with; where the inputs themselves aren't "
        "finite, look at the photos or features named."
    )

    def on_step(self, step: Step) -> Fault | None:
        """Any step whose loss isn't finite."""
        self.not_judged = ""
        if math.isfinite(step.cross_entropy):
            return None
        where = step.culprit or "the loss itself"
        return Fault(
            seen=f"The loss wasn't finite at a learning rate of {step.lr:.3g}; the first that "
            f"isn't is {where}.",
            values={"cross_entropy": step.cross_entropy, "where": where, "lr": step.lr},
        )


class LossNotDecreasing(Rule[NotDecreasingLimits]):
    """The mean over a window of steps isn't lower than over the first."""

    advice = (
        "Try another optim.lr: a tenth if the loss has risen, ten times if it hasn't moved "
        "(lr_finder=true finds one); then see that class folders and labels belong together."
    )

    def __init__(self, name: str, limits: NotDecreasingLimits) -> None:
        super().__init__(name, limits)
        self._sum, self._count, self._windows = 0.0, 0, 0
        self._start = math.inf

    def on_step(self, step: Step) -> Fault | None:
        """At the end of each window."""
        self._sum += step.cross_entropy
        self._count += 1
        if self._count < self.limits.steps:
            return None
        mean, self._sum, self._count = self._sum / self._count, 0.0, 0
        self._windows += 1
        if self._windows == 1:
            self._start = mean
        if self._windows <= self.limits.patience or not math.isfinite(mean):
            return None
        self.not_judged = ""
        if mean < (1 - self.limits.fall_share) * self._start:
            return None
        return Fault(
            seen=f"The mean training cross entropy of {self.limits.steps} steps was {mean:.3g}, "
            f"that of the first {self._start:.3g}.",
            values={"cross_entropy": mean, "at_start": self._start},
        )


class Overfit(Rule[OverfitLimits]):
    """Validation has risen from its lowest while training went on falling."""

    advice = (
        "More photos, a higher optim.weight_decay or model.dropout, or fewer trainer.epochs; the "
        "weights of the best epoch are what is kept."
    )

    def __init__(self, name: str, limits: OverfitLimits) -> None:
        super().__init__(name, limits)
        self.not_judged = "there was no validation loss over enough epochs"
        self._lowest = self._train_at_lowest = math.inf
        self._rising = InARow()

    def on_epoch(self, epoch: Epoch) -> Fault | None:
        """Once the rise has lasted."""
        valid, train = epoch.valid_cross_entropy, epoch.train_cross_entropy
        if not math.isfinite(valid):
            return None
        if epoch.epoch > self.limits.patience:
            self.not_judged = ""
        if valid < self._lowest:
            self._lowest, self._train_at_lowest = valid, train
        rises = valid > (1 + self.limits.rise_share) * self._lowest
        falls = train < min(valid, self._train_at_lowest)
        if self._rising.add(rises and falls) < self.limits.patience:
            return None
        return Fault(
            seen=f"Validation cross entropy has risen from {self._lowest:.3g} to {valid:.3g} while "
            f"that of training fell from {self._train_at_lowest:.3g} to {train:.3g}.",
            values={"valid_cross_entropy": valid, "lowest": self._lowest, "train": train},
        )


class Overtraining(Rule[OvertrainingLimits]):
    """Validation is level, and has been for many epochs."""

    advice = (
        "Fewer trainer.epochs, or early stopping by trainer.patience: what is learned now shows "
        "in no validation photo."
    )

    def __init__(self, name: str, limits: OvertrainingLimits) -> None:
        super().__init__(name, limits)
        self.not_judged = "there was no validation loss over enough epochs"
        self._at_start: float | None = None
        self._lowest = math.inf
        self._since = 0

    def on_epoch(self, epoch: Epoch) -> Fault | None:
        """Once it has been level for too long; a rise is another rule's."""
        valid, limits = epoch.valid_cross_entropy, self.limits
        if not math.isfinite(valid):
            return None
        if self._at_start is None:
            self._at_start = valid
        if valid < (1 - limits.fall_share) * self._lowest:
            self._lowest, self._since = valid, epoch.epoch
        level_for = epoch.epoch - self._since
        if epoch.epoch > limits.patience:
            self.not_judged = ""
        level = valid <= (1 + limits.level_share) * self._lowest
        has_learned = self._lowest < (1 - limits.level_share) * self._at_start
        if level_for < limits.patience or not level or not has_learned:
            return None
        return Fault(
            seen=f"Validation cross entropy is {valid:.3g}; {level_for} epochs before "
            f"it was {self._lowest:.3g}.",
            values={"valid_cross_entropy": valid, "lowest": self._lowest, "epochs": level_for},
        )


class PoorStart(Rule[PoorStartLimits]):
    """The first loss is far from ln(classes), that of equal probabilities."""

    advice = (
        "Above it the head's first weights or its inputs are too large: start it at zero, or "
        "normalise; below it the network has seen these photos or their labels already."
    )

    def __init__(self, name: str, limits: PoorStartLimits) -> None:
        super().__init__(name, limits)
        self.not_judged = "how many classes there are isn't known"

    def on_start(self, start: Start) -> None:
        """A training that goes on has no first step."""
        if start.first_step:
            self.not_judged = "the training went on from a checkpoint"

    def on_step(self, step: Step) -> Fault | None:
        """The first step alone."""
        if step.step or not step.classes or step.classes < 2:
            return None
        self.not_judged = ""
        expected = math.log(step.classes)
        if abs(step.cross_entropy - expected) <= self.limits.off_share * expected:
            return None
        return Fault(
            seen=f"The first cross entropy was {step.cross_entropy:.3g}; that of {step.classes} "
            f"equally likely classes is {expected:.3g}.",
            values={"cross_entropy": step.cross_entropy, "ln_classes": expected},
        )


class Stalled(Rule[StalledLimits]):
    """No step has ended for a long time; a thread looks at the clock."""

    advice = (
        "See where the photos come from (a network disk, data.workers=0), and whether another "
        "process of a distributed training is gone."
    )

    def __init__(self, name: str, limits: StalledLimits) -> None:
        super().__init__(name, limits)
        self.not_judged = ""
        self._last_step, self._since = 0, time.monotonic()
        self._waiting = False  # for a step; not while an epoch is validated
        self._told = False

    def on_start(self, start: Start) -> None:
        """Begin to wait."""
        self._last_step, self._since, self._waiting = start.first_step, time.monotonic(), True

    def on_step(self, step: Step) -> Fault | None:
        """A step ended."""
        self._last_step, self._since = step.step, time.monotonic()
        self._waiting, self._told = not step.ends_epoch, False
        return None

    def on_epoch(self, epoch: Epoch) -> Fault | None:
        """The next step may take as long as any other."""
        self._since, self._waiting = time.monotonic(), True
        return None

    def overdue(self) -> tuple[int, Fault] | None:
        """The last step and the fault, once for each wait that is too long."""
        waited = time.monotonic() - self._since
        if not self._waiting or self._told or waited < self.limits.seconds:
            return None
        self._told = True
        return self._last_step, Fault(
            seen=f"No step has ended for {waited:.0f} s.", values={"seconds": waited}
        )
