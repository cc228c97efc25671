"""No step ends for a long time."""

import time
from dataclasses import dataclass

from dogbreed.configuration.debug import OFF, RULES, WARN
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Epoch, Start, Step
from dogbreed.debug.rules.base import Fault, Rule, Thresholds, action_key

POLLS_PER_WAIT = 10


@dataclass(frozen=True, kw_only=True)
class StalledThresholds(Thresholds):
    """The keys of debug.rules.stalled."""

    action: str = action_key(WARN, OFF)  # no exception reaches a loop that waits
    # Live photos through a large network may take minutes per step.
    seconds: float = key("seconds without a step", above=0, default=600.0)


class Stalled(Rule[StalledThresholds]):
    """No step has ended for a long time; a thread polls the clock."""

    thresholds_class = StalledThresholds
    recommendation = (
        "See where the photos come from (a network disk, data.workers=0), and whether another "
        "process of a distributed training is gone."
    )

    def __init__(self, name: str, thresholds: StalledThresholds) -> None:
        super().__init__(name, thresholds)
        self.not_evaluated = ""
        self._last_step, self._since = 0, time.monotonic()
        self._waiting = False  # for a step; not while an epoch is validated
        self._has_fired = False

    def on_start(self, start: Start) -> None:
        """Begin to wait."""
        self._last_step, self._since, self._waiting = start.first_step, time.monotonic(), True

    def on_step(self, step: Step) -> Fault | None:
        """A step ended."""
        self._last_step, self._since = step.step, time.monotonic()
        self._waiting, self._has_fired = not step.ends_epoch, False
        return None

    def on_epoch(self, epoch: Epoch) -> Fault | None:
        """The next step may take as long as any other."""
        self._since, self._waiting = time.monotonic(), True
        return None

    @property
    def poll_s(self) -> float:
        """A tenth of the seconds after which it fires."""
        return self.thresholds.seconds / POLLS_PER_WAIT

    def poll(self) -> tuple[int, Fault] | None:
        """The last step and the fault, once for each wait that is too long."""
        waited = time.monotonic() - self._since
        if not self._waiting or self._has_fired or waited < self.thresholds.seconds:
            return None
        self._has_fired = True
        return self._last_step, Fault(
            message=f"No step has ended for {waited:.0f} s.", values={"seconds": waited}
        )


RULES.register("stalled", Stalled)
