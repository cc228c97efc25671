"""Each trigger fires above its limit, keeps still below it, and says where it can't evaluate."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dogbreed.configuration.composing import compose
from dogbreed.configuration.debug import TRIGGERS
from dogbreed.debug.profiling.profile import Phase, Profile, Rates, Sample, StepTimes
from dogbreed.debug.profiling.triggers.base import evaluate_triggers
from dogbreed.debug.rules.verdicts import FINE, FIRED, NOT_APPLICABLE

THRESHOLDS = compose([]).debug.triggers


def sample(second: int, **changes: Any) -> Sample:
    return replace(
        Sample(
            elapsed_s=float(second),
            phase="features/compute" if second < 30 else "fit",
            cpu_share=0.8,
            memory_bytes=1_000_000_000,
            read_bytes_per_s=0.0,
            written_bytes_per_s=0.0,
            io_wait_share=0.01,
            machine_share=0.82,
            gpu_share=0.9,
            gpu_memory_share=0.5,
        ),
        **changes,
    )


def fit(**seconds: float) -> Phase:
    parts = {"data wait": 2.0, "forward": 20.0, "backward": 20.0, "loop": 2.0, "callbacks": 2.0}
    parts |= {name.replace("_", " "): spent for name, spent in seconds.items()}
    return Phase(
        name="fit",
        seconds=sum(parts.values()),
        parts=tuple(Phase(name=name, seconds=spent) for name, spent in parts.items()),
    )


STEPS = StepTimes(
    count=1000, p50_s=0.04, p95_s=0.05, max_s=0.06, outliers=0, outlier_share=0.0, slowest=()
)
GOOD = Profile(
    total_s=100.0,
    phases=(Phase(name="set-up", seconds=21.0), Phase(name="features", seconds=30.0), fit()),
    decode_s=20.0,
    steps=STEPS,
    samples=tuple(sample(second) for second in range(76)),
    cores=2,
    gpu="a GPU",
    photos_per_s=Rates(features=80.0, limit=90.0, fit=10_000.0),
    triggers=(),
)


def each(change: Callable[[Sample], Sample]) -> Profile:
    return replace(GOOD, samples=tuple(change(s) for s in GOOD.samples))


def with_fit(phase: Phase) -> Profile:
    return replace(GOOD, phases=(*GOOD.phases[:2], phase))


FAULTY = {
    "cpu_bottleneck": each(lambda s: replace(s, cpu_share=0.97, gpu_share=0.45)),
    "data_wait": with_fit(fit(data_wait=40.0)),
    "low_use": each(lambda s: replace(s, gpu_share=0.1, cpu_share=0.2, machine_share=0.25)),
    "memory_growth": each(
        lambda s: replace(s, memory_bytes=1_000_000_000 + int(s.elapsed_s) * 20_000_000)
    ),
    "small_batches": with_fit(fit(loop=40.0, callbacks=20.0)),
    "long_set_up": replace(GOOD, phases=(Phase(name="set-up", seconds=60.0), *GOOD.phases[1:])),
    "step_outliers": replace(GOOD, steps=replace(STEPS, outliers=40, outlier_share=0.3)),
    "io_wait": each(lambda s: replace(s, io_wait_share=0.4)),
    "gpu_memory": each(lambda s: replace(s, gpu_memory_share=0.95 if s.elapsed_s > 50 else 0.5)),
}


def states(profile: Profile) -> dict[str, str]:
    return {verdict.name: verdict.state for verdict in evaluate_triggers(profile, THRESHOLDS)}


def test_a_good_profile_triggers_nothing() -> None:
    assert set(states(GOOD).values()) == {FINE}


@pytest.mark.parametrize("name", TRIGGERS.names())
def test_each_trigger_fires_alone(name: str) -> None:
    verdicts = {verdict.name: verdict for verdict in evaluate_triggers(FAULTY[name], THRESHOLDS)}
    assert [n for n, verdict in verdicts.items() if verdict.state == FIRED] == [name]
    found = verdicts[name]
    assert found.times >= 1
    assert found.points[0].values
    assert set(found.parameters) <= set(vars(THRESHOLDS))
    assert found.recommendation.endswith(".")


def test_without_a_gpu_its_triggers_do_not_apply() -> None:
    profile = each(lambda s: replace(s, gpu_share=None, gpu_memory_share=None))
    found = states(profile)
    assert found["cpu_bottleneck"] == found["gpu_memory"] == NOT_APPLICABLE
    assert found["low_use"] == FINE
    idle = each(
        lambda s: replace(
            s, gpu_share=None, gpu_memory_share=None, cpu_share=0.2, machine_share=0.3
        )
    )
    assert states(idle)["low_use"] == FIRED


def test_cores_that_others_use_are_not_called_idle() -> None:
    crowded: dict[str, Any] = {"cpu_share": 0.2, "machine_share": 1.0}
    profile = each(lambda s: replace(s, gpu_share=None, gpu_memory_share=None, **crowded))
    assert states(profile)["low_use"] == NOT_APPLICABLE


def test_what_was_too_short_is_not_evaluated() -> None:
    short = replace(
        GOOD,
        total_s=9.0,
        phases=(
            *(Phase(name="set-up", seconds=6.0), Phase(name="features", seconds=1.0)),
            Phase(name="fit", seconds=18.0, parts=(Phase(name="loop", seconds=18.0),)),
        ),
        samples=GOOD.samples[:3],
        steps=replace(STEPS, outlier_share=0.9),
    )
    found = states(short)
    assert set(found.values()) == {FINE, NOT_APPLICABLE}
    assert [name for name, state in found.items() if state == FINE] == [
        "cpu_bottleneck",
        "gpu_memory",
    ]


@pytest.mark.parametrize(
    ("start", "grown", "state"),
    [
        (100, 255, FINE),  # over 20 % of it, as any process grows that has just started
        (100, 257, FIRED),
        (2000, 399, FINE),
        (2000, 401, FIRED),
    ],
)
def test_memory_may_grow_by_256_mib_or_by_its_share(start: int, grown: int, state: str) -> None:
    mib = 2**20
    last = GOOD.samples[-1].elapsed_s
    profile = each(lambda s: replace(s, memory_bytes=(start + grown * (s.elapsed_s == last)) * mib))
    assert states(profile)["memory_growth"] == state
