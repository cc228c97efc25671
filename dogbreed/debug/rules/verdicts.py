"""What a rule or a trigger has found: the shape that both share, on the page and in JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FIRED, FINE, NOT_APPLICABLE, OFF = "fired", "fine", "not applicable", "off"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One time that something was seen: the step (or second, for a trigger), and its values."""

    step: int
    values: Mapping[str, float | str]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of a rule.

    `state` is one of FIRED, FINE, NOT_APPLICABLE, OFF; `seen` a sentence on what was seen, or why
    the rule doesn't apply; `advice` the sentence that names the setting to change. `points` are
    the first and the latest of the `times`, `parameters` the rule's limits. Where a rule has
    steps, a trigger has seconds of the run.
    """

    name: str
    state: str
    seen: str
    advice: str
    times: int
    first_step: int | None
    last_step: int | None
    points: tuple[Point, ...]
    parameters: Mapping[str, float | str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
