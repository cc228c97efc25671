"""Section "Profile": where a run's time went, and what it used."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dogbreed.debug.profiling.profile import Phase, Profile, Rates, StepTimes
from dogbreed.report.charts import GREY
from dogbreed.report.formatting import NOTHING, percent, seconds
from dogbreed.report.frame import Section
from dogbreed.report.run.figures.phases import phases, tones
from dogbreed.report.run.figures.usage import usage
from dogbreed.report.run.sections.registry import Content
from dogbreed.report.run.wording.step_labels import at_second
from dogbreed.report.run.wording.verdicts import headline, rows, words

NAMED_PHASES, NAMED_SHARE = 3, 0.05  # the headline names so many, of at least that share


def profile_section(content: Content) -> Section | None:
    """The section; None where the run wasn't profiled."""
    profile = content.facts.profile
    if profile is None:
        return None
    return Section(
        key="profile",
        title="Profile",
        template=Path(__file__).with_name("profile.html.j2"),
        charts=(phases(profile), *usage(profile)),
        values={
            "headline": _headline(profile),
            "phases": _phase_rows(profile),
            "decode": seconds(profile.decode_s) if profile.decode_s else None,
            "steps": _step_times(profile.steps) if profile.steps else [],
            "rates": _rates(profile.photos_per_s),
            "triggers": headline(profile.triggers, "trigger", at_second),
            "rows": rows(profile.triggers, at_second, at_second),
        },
    )


def _headline(profile: Profile) -> str:
    ordered = sorted(profile.phases, key=lambda phase: -phase.seconds)[:NAMED_PHASES]
    table = [
        (percent(phase.seconds / profile.total_s, digits=0), words(phase.name))
        for phase in ordered
        if phase.seconds > NAMED_SHARE * profile.total_s > 0
    ]
    if not table:
        return f"The run took {seconds(profile.total_s)}."
    *others, last = [
        f"{share} {'into' if number else 'went into'} {name}"
        for number, (share, name) in enumerate(table)
    ]
    return f"Of {seconds(profile.total_s)}, {', '.join(others)}{' and ' if others else ''}{last}."


def _phase_rows(profile: Profile) -> list[dict[str, Any]]:
    """The phases with their parts below them, what they add up to, and what they leave."""
    total = profile.total_s
    covered = sum(phase.seconds for phase in profile.phases)
    colours = tones(profile)
    found = [
        _phase_row(nested_phase, total, depth, colours[phase.name] if not depth else None)
        for phase in profile.phases
        for nested_phase, depth in _nested(phase)
    ]
    ends = (
        (Phase(name="all phases", seconds=covered), None),
        (Phase(name="the rest", seconds=max(0.0, total - covered)), GREY),
        (Phase(name="the whole run", seconds=total), None),
    )
    return found + [_phase_row(phase, total, 0, tone) | {"ends": True} for phase, tone in ends]


def _nested(phase: Phase, depth: int = 0) -> Iterator[tuple[Phase, int]]:
    yield phase, depth
    for part in phase.parts:
        yield from _nested(part, depth + 1)


def _phase_row(phase: Phase, total_s: float, depth: int, tone: str | None) -> dict[str, Any]:
    return {
        "name": words(phase.name),
        "depth": depth,
        "seconds": seconds(phase.seconds),
        "share": percent(phase.seconds / total_s) if total_s else NOTHING,
        "tone": tone,
        "ends": False,
    }


def _step_times(steps: StepTimes) -> list[tuple[str, str]]:
    slowest = ", ".join(f"step {step:,}: {_brief(step_s)}" for step, step_s in steps.slowest)
    return [
        ("steps", f"{steps.count:,}"),
        ("median (p50)", _brief(steps.p50_s)),
        ("95th percentile (p95)", _brief(steps.p95_s)),
        ("longest", _brief(steps.max_s)),
        ("outliers", f"{steps.outliers:,}, {percent(steps.outlier_share)} of the steps' time"),
        *([("slowest", slowest)] if slowest else []),
    ]


def _brief(value_s: float) -> str:
    """A step's time: 3.42 ms, or in seconds from one on."""
    return seconds(value_s) if value_s >= 1 else f"{1000 * value_s:.3g} ms"


def _rates(rates: Rates) -> list[tuple[str, str]]:
    table = [
        (name, f"{rate:,.0f} photos/s")
        for name, rate in (
            ("features, decoding included", rates.features),
            ("this machine's limit", rates.limit),
            ("training", rates.fit),
        )
        if rate is not None
    ]
    if rates.features is not None and rates.limit:
        share = percent(rates.features / rates.limit, digits=0)
        table.insert(2, ("features, of the limit", share))
    return table
