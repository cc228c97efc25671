"""A debug rule of your own, with its thresholds: python examples/custom_rule.py.

The rule warns when the loss of a step jumps above a multiple of the recent ones. Its thresholds are
keys like all others: debug.rules.loss_jump.times=5. Here it is registered by the program itself; a
package that names its module under the entry point `dogbreed.extensions` is known to every command.
"""

import json
import statistics
from collections import deque
from dataclasses import dataclass

from dogbreed.configuration.composing import compose
from dogbreed.configuration.debug import RULES
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Step
from dogbreed.debug.rules.base import Fault, Rule, Thresholds
from dogbreed.training.run import train


@dataclass(frozen=True, kw_only=True)
class LossJumpThresholds(Thresholds):
    """A jump is a loss above `times` the median of the last `steps`."""

    times: float = key("a loss above so many times the median", above=1, default=2.0)
    steps: int = key("steps that the median is taken of", at_least=2, default=5)


class LossJump(Rule[LossJumpThresholds]):
    """Finds single batches whose loss is far above the others': often wrong labels."""

    thresholds_class = LossJumpThresholds
    recommendation = "Look at the labels of that batch's photos, or lower optim.lr."

    def __init__(self, name: str, thresholds: LossJumpThresholds) -> None:
        super().__init__(name, thresholds)
        self._recent: deque[float] = deque(maxlen=thresholds.steps)

    def on_step(self, step: Step) -> Fault | None:
        recent, loss = list(self._recent), step.cross_entropy
        self._recent.append(loss)
        if len(recent) < self.thresholds.steps:
            return None
        self.not_evaluated = ""
        median = statistics.median(recent)
        if loss <= self.thresholds.times * median:
            return None
        message = f"The cross entropy jumped to {loss:.3g} from a median of {median:.3g}."
        return Fault(message=message, values={"cross_entropy": loss, "median": median})


def main() -> None:
    RULES.register("loss_jump", LossJump)
    config = compose(
        [
            "data=samples",
            "data.size_px=64",
            "model.backbone=resnet18",
            "model.weights=none",
            "trainer.epochs=3",
            "optim.lr=1",  # so high that the loss jumps
        ]
    )
    run = train(config)
    verdicts = json.loads((run / "debug" / "rules.json").read_text("utf-8"))
    verdict = next(each for each in verdicts if each["name"] == "loss_jump")
    print(f"loss_jump: {verdict['state']}. {verdict['message']}")


if __name__ == "__main__":
    main()
