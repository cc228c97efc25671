"""What a trigger is: a function of a profile and its thresholds, evaluated when a run ends.

A trigger of your own registers like a rule (dogbreed.debug.rules.base): its thresholds are keys of
debug.triggers, so that their names begin with the trigger's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dogbreed.configuration.debug import TRIGGERS, TriggersConfig
from dogbreed.debug.profiling.profile import Phase, Profile, Sample
from dogbreed.debug.rules.verdicts import FINE, FIRED, NOT_APPLICABLE, Point, Verdict

BUSY_SHARE, IDLE_SHARE = 0.9, 0.5  # cores that are busy; a GPU that waits for them


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A share of something against its threshold; `seconds_at` is when the threshold was crossed.

    `threshold` is the key and its value.
    """

    fired: bool
    message: str
    values: dict[str, float | str]
    threshold: tuple[str, float]
    seconds_at: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class NotEvaluated:
    """Why a trigger doesn't apply."""

    reason: str


Evaluation = Evaluated | NotEvaluated
NO_GPU = NotEvaluated(reason="there is no GPU, or none that could be measured")
NO_FIT = NotEvaluated(reason="no training step was profiled")


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """A trigger.

    Args:
        evaluate: is given the profile and the values of `thresholds_class`.
        thresholds_class: a subclass of TriggersConfig with the trigger's keys.
        recommendation: a sentence that names the setting to change.
    """

    evaluate: Callable[[Profile, Any], Evaluation]
    thresholds_class: type[TriggersConfig]
    recommendation: str


def evaluate_triggers(profile: Profile, thresholds: TriggersConfig) -> tuple[Verdict, ...]:
    """Every trigger's verdict; `thresholds` are of `triggers_config()`."""
    return tuple(
        _verdict(name, trigger.evaluate(profile, thresholds), trigger.recommendation)
        for name, trigger in TRIGGERS.items()
    )


def _verdict(name: str, evaluation: Evaluation, recommendation: str) -> Verdict:
    if isinstance(evaluation, NotEvaluated):
        state, message, times = NOT_APPLICABLE, evaluation.reason, 0
        seconds_at: Sequence[int] = ()
        points: tuple[Point, ...] = ()
        parameters: dict[str, float | str] = {}
    else:
        seconds_at = evaluation.seconds_at if evaluation.fired else ()
        state, message = (FIRED if evaluation.fired else FINE), evaluation.message
        points = (Point(step=seconds_at[0] if seconds_at else 0, values=evaluation.values),)
        times = max(1, len(seconds_at)) if evaluation.fired else 0
        parameters = dict([evaluation.threshold])
    return Verdict(
        name=name,
        state=state,
        message=message,
        recommendation=recommendation,
        times=times,
        first_step=seconds_at[0] if seconds_at else None,
        last_step=seconds_at[-1] if seconds_at else None,
        points=points,
        parameters=parameters,
    )


def find_phase(profile: Profile, name: str) -> Phase | None:
    """The phase of that name, if there was one."""
    return next((phase for phase in profile.phases if phase.name == name), None)


def part_seconds(phase: Phase, name: str) -> float:
    """Seconds of the parts of that name."""
    return sum(part.seconds for part in phase.parts if part.name == name)


def long_enough(
    profile: Profile, phases: Sequence[str], thresholds: TriggersConfig
) -> list[Sample]:
    """The samples of some phases, if those lasted long enough to be evaluated by them."""
    lasted = sum(phase.seconds for phase in profile.phases if phase.name in phases)
    taken = [s for s in profile.samples if s.phase.split("/")[0] in phases]
    return taken if lasted >= thresholds.least_seconds and len(taken) > 1 else []


def too_short(thresholds: TriggersConfig) -> NotEvaluated:
    """For a run, or a phase, of less than `least_seconds`."""
    return NotEvaluated(reason=f"it lasted less than {thresholds.least_seconds:g} s")


def seconds_of(samples: Sequence[Sample]) -> tuple[int, ...]:
    """The second of the run of each sample."""
    return tuple(round(sample.elapsed_s) for sample in samples)
