"""What a rule is: it is told what is seen of a training and answers with what is wrong in it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Generic, TypeVar

from dogbreed.configuration.debug import OFF
from dogbreed.debug.recording.observations import Epoch, Layers, Start, Step
from dogbreed.debug.rules.verdicts import FINE, FIRED, NOT_APPLICABLE, Point, Verdict
from dogbreed.debug.rules.verdicts import OFF as SWITCHED_OFF

SHOWN_POINTS = 5  # so many of the first, and of the latest


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One time that a rule found its fault: a sentence without its step, and the values."""

    seen: str
    values: Mapping[str, float | str]


LimitsType = TypeVar("LimitsType")


class Rule(Generic[LimitsType]):
    """A rule with its limits; a kind of rule overrides what it wants to be told.

    `not_judged` says why the rule doesn't apply; a rule sets it to "" once it could judge.
    """

    advice: ClassVar[str]

    def __init__(self, name: str, limits: LimitsType) -> None:
        self.name, self.limits = name, limits
        self.action: str = limits.action  # type: ignore[attr-defined]
        self.not_judged = "the training was too short to tell"
        self.times = 0
        self.seen = ""
        self._first: list[Point] = []
        self._latest: deque[Point] = deque(maxlen=SHOWN_POINTS)

    def on_start(self, start: Start) -> None:
        """Before the first step."""

    def on_step(self, step: Step) -> Fault | None:
        """After each step."""
        return None

    def on_layers(self, layers: Layers) -> Fault | None:
        """After every n-th step."""
        return None

    def on_epoch(self, epoch: Epoch) -> Fault | None:
        """After each epoch's validation."""
        return None

    def note(self, step: int, fault: Fault) -> None:
        """Keep what was found."""
        if not self.times:
            self.seen = fault.seen
        self.times += 1
        point = Point(step=step, values=fault.values)
        if len(self._first) < SHOWN_POINTS:
            self._first.append(point)
        else:
            self._latest.append(point)

    def verdict(self) -> Verdict:
        """What has come of it so far."""
        points = (*self._first, *self._latest)
        limits: dict[str, Any] = asdict(self.limits)  # type: ignore[call-overload]
        return Verdict(
            name=self.name,
            state=self._state(),
            seen=self.seen or (self.not_judged if self.action != OFF else ""),
            advice=self.advice,
            times=self.times,
            first_step=points[0].step if points else None,
            last_step=points[-1].step if points else None,
            points=points,
            parameters=limits,
        )

    def _state(self) -> str:
        if self.action == OFF:
            return SWITCHED_OFF
        if self.times:
            return FIRED
        return NOT_APPLICABLE if self.not_judged else FINE


class InARow:
    """How often in a row something was so."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, so: bool) -> int:
        """Count one more, or begin anew."""
        self.count = self.count + 1 if so else 0
        return self.count
