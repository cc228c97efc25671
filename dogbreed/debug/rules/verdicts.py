"""The result of a rule or a trigger: one shape for both, in the report and in JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FIRED, FINE, NOT_APPLICABLE, OFF = "fired", "fine", "not applicable", "off"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One observation: the step (for a trigger, the second), and its values."""

    step: int
    values: Mapping[str, float | str]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of a rule or a trigger.

    `state` is one of FIRED, FINE, NOT_APPLICABLE, OFF; `message` a sentence on what was observed,
    or why the rule doesn't apply; `recommendation` the sentence that names the setting to change.
    `points` are the first and the latest of the `times`, `parameters` the thresholds. Where a rule
    has steps, a trigger has seconds of the run.
    """

    name: str
    state: str
    message: str
    recommendation: str
    times: int
    first_step: int | None
    last_step: int | None
    points: tuple[Point, ...]
    parameters: Mapping[str, float | str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
