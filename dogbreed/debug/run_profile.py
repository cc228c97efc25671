"""A run's profile, made from its clock, its training's profiler and its samples."""

from collections.abc import Mapping
from dataclasses import replace

from dogbreed.configuration.debug import TriggersConfig
from dogbreed.debug.profiling.profile import (
    FIT,
    VALIDATION,
    Phase,
    Profile,
    Rates,
    Sample,
    StepTimes,
)
from dogbreed.debug.profiling.triggers.base import evaluate_triggers
from dogbreed.utils.clock import Clock
from dogbreed.utils.machine import cores

DECODE = "decode"


def split_fit(clock: Clock, parts: Mapping[str, float]) -> None:
    """Add the parts of the fit that were timed to the clock; validation is a phase of its own."""
    for part, seconds in parts.items():
        if part == VALIDATION:
            clock.add(VALIDATION, seconds)
            clock.add(FIT, -seconds)
        else:
            clock.add(f"{FIT}/{part}", seconds)


def build_profile(
    clock: Clock,
    steps: StepTimes | None,
    samples: tuple[Sample, ...],
    gpu: str | None,
    rates: Rates,
    thresholds: TriggersConfig,
) -> Profile:
    """Everything so far, with the triggers' verdicts."""
    profile = Profile(
        total_s=clock.total(),
        phases=_phases(clock.seconds),
        decode_s=clock.background.get(DECODE, 0.0),
        steps=steps,
        samples=samples,
        cores=cores(),
        gpu=gpu,
        photos_per_s=rates,
        triggers=(),
    )
    return replace(profile, triggers=evaluate_triggers(profile, thresholds))


def _phases(seconds: Mapping[str, float]) -> tuple[Phase, ...]:
    """Phases in the order in which they began, each with its parts."""
    parts: dict[str, list[Phase]] = {}
    for place, spent in seconds.items():
        name, _, part = place.partition("/")
        parts.setdefault(name, [])
        if part:
            parts[name].append(Phase(name=part, seconds=spent))
    return tuple(
        Phase(name=name, seconds=seconds.get(name, 0.0), parts=tuple(part_phases))
        for name, part_phases in parts.items()
    )
