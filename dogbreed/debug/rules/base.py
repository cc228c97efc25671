"""What a rule is: it receives the observations of a training and returns the faults in it.

A rule of your own, in a package of yours (see dogbreed.utils.registry for how it is loaded):

    @dataclass(frozen=True, kw_only=True)
    class LossSpikeThresholds(Thresholds):
        times: float = key("step over the median of the last ones", above=1, default=5.0)

    class LossSpike(Rule[LossSpikeThresholds]):
        thresholds_class = LossSpikeThresholds
        recommendation = "Lower optim.lr."

        def on_step(self, step: Step) -> Fault | None: ...

    RULES.register("loss_spike", LossSpike)

Its thresholds are the keys debug.rules.loss_spike.*, with `action` among them; --help, rules.json
and the report show it like any other.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Generic, TypeVar

from dogbreed.configuration.debug import OFF, STOP, WARN
from dogbreed.configuration.schema import key
from dogbreed.debug.recording.observations import Epoch, Layers, Start, Step
from dogbreed.debug.rules.verdicts import FINE, FIRED, NOT_APPLICABLE, Point, Verdict
from dogbreed.debug.rules.verdicts import OFF as SWITCHED_OFF

# A head that generalises at all has a validation loss further below ln(classes) after an epoch or
# two.
AT_CHANCE_SHARE = 0.05
SHOWN_POINTS = 5  # so many of the first, and of the latest


def action_key(*choices: str, default: str = WARN) -> str:
    """The key `action` of a rule; `choices` are WARN, STOP and OFF where nothing else is given."""
    action: str = key(
        "what happens when it fires", choices=choices or (WARN, STOP, OFF), default=default
    )
    return action


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What every rule's keys begin with; a rule adds its own, each with its default."""

    action: str = action_key()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One time that a rule found its fault: a sentence without its step, and the values."""

    message: str
    values: Mapping[str, float | str]


ThresholdsType = TypeVar("ThresholdsType", bound=Thresholds)


class Rule(Generic[ThresholdsType]):
    """A rule with its thresholds; a subclass overrides the methods of what it evaluates.

    `recommendation` is a sentence that names the setting to change. `not_evaluated` says why the
    rule doesn't apply; a rule sets it to "" once it could evaluate something.
    """

    thresholds_class: ClassVar[type[Thresholds]]
    recommendation: ClassVar[str]

    def __init__(self, name: str, thresholds: ThresholdsType) -> None:
        self.name, self.thresholds = name, thresholds
        self.action = thresholds.action
        self.not_evaluated = "the training was too short to evaluate it"
        self.times = 0
        self.message = ""
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

    def on_end(self) -> Fault | None:
        """After the last step: for a rule that a short training hasn't let evaluate anything."""
        return None

    @property
    def poll_s(self) -> float | None:
        """Seconds between two calls of `poll`; None for a rule that isn't polled."""
        return None

    def poll(self) -> tuple[int, Fault] | None:
        """The step and the fault, if there is one without any observation; in a thread."""
        return None

    def record(self, step: int, fault: Fault) -> None:
        """Add a fault to the verdict."""
        if not self.times:
            self.message = fault.message
        self.times += 1
        point = Point(step=step, values=fault.values)
        if len(self._first) < SHOWN_POINTS:
            self._first.append(point)
        else:
            self._latest.append(point)

    def verdict(self) -> Verdict:
        """The result so far."""
        points = (*self._first, *self._latest)
        parameters: dict[str, Any] = asdict(self.thresholds)
        return Verdict(
            name=self.name,
            state=self._state(),
            message=self.message or (self.not_evaluated if self.action != OFF else ""),
            recommendation=self.recommendation,
            times=self.times,
            first_step=points[0].step if points else None,
            last_step=points[-1].step if points else None,
            points=points,
            parameters=parameters,
        )

    def _state(self) -> str:
        if self.action == OFF:
            return SWITCHED_OFF
        if self.times:
            return FIRED
        return NOT_APPLICABLE if self.not_evaluated else FINE


class InARow:
    """How often in a row a condition was true."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, is_true: bool) -> int:
        """Count one more, or start again from 0."""
        self.count = self.count + 1 if is_true else 0
        return self.count
