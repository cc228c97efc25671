"""What a profile calls attention to, each with the setting to change."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dogbreed.configuration.debug import TriggersConfig
from dogbreed.debug.profiling.profile import Phase, Profile, Sample
from dogbreed.debug.profiling.time_profiler import CALLBACKS, DATA_WAIT, LOOP
from dogbreed.debug.rules.verdicts import FINE, FIRED, NOT_APPLICABLE, Point, Verdict
from dogbreed.utils.clock import SET_UP

BUSY_SHARE, IDLE_SHARE = 0.9, 0.5  # cores that are busy; a GPU that waits for them
FEATURES, FIT = "features", "fit"
MIN_MEMORY_GROWTH = 256 * 1024**2  # caches of a process that has just begun grow by less


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A share of something against its limit; `moments` are the seconds at which it was so."""

    fired: bool
    seen: str
    values: dict[str, float | str]
    limit: tuple[str, float]
    moments: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class NotJudged:
    """Why a trigger doesn't apply."""

    reason: str


Judgement = Judged | NotJudged
NO_GPU = NotJudged(reason="there is no GPU, or none that could be looked at")
NO_FIT = NotJudged(reason="no training step was profiled")


def judge(profile: Profile, limits: TriggersConfig) -> tuple[Verdict, ...]:
    """Every trigger's verdict."""
    return tuple(
        _verdict(name, trigger(profile, limits), advice)
        for name, (trigger, advice) in TRIGGERS.items()
    )


def _cpu_bottleneck(profile: Profile, limits: TriggersConfig) -> Judgement:
    """Seconds in which the GPU waits while the cores are busy."""
    there = [s for s in profile.samples if s.gpu_share is not None]
    if not there:
        return NO_GPU
    so = [s for s in there if s.cpu_share > BUSY_SHARE and (s.gpu_share or 0) < IDLE_SHARE]
    share = len(so) / len(there)
    return Judged(
        fired=share > limits.cpu_bottleneck_share,
        seen=f"In {share:.0%} of the seconds the GPU waited while the cores were busy.",
        values={"share": share},
        limit=("cpu_bottleneck_share", limits.cpu_bottleneck_share),
        moments=_moments(so),
    )


def _data_wait(profile: Profile, limits: TriggersConfig) -> Judgement:
    """The share of training that waits for its next batch."""
    fit = _phase(profile, FIT)
    if fit is None or profile.steps is None:
        return NO_FIT
    share = _part(fit, DATA_WAIT) / max(fit.seconds, 1e-9)
    return Judged(
        fired=share > limits.data_wait_share,
        seen=f"{share:.0%} of the training waited for photos or features.",
        values={"share": share, "seconds": _part(fit, DATA_WAIT)},
        limit=("data_wait_share", limits.data_wait_share),
    )


def _low_use(profile: Profile, limits: TriggersConfig) -> Judgement:
    """The mean use of what computes, over the long computing phases."""
    computing = _long_enough(profile, (FEATURES, FIT), limits)
    if not computing:
        return _too_short(limits)
    machine = statistics.mean(s.machine_share for s in computing)
    if machine > BUSY_SHARE:
        return NotJudged(reason=f"{machine:.0%} of the machine was busy, with this or other work")
    on_gpu = [s.gpu_share for s in computing if s.gpu_share is not None]
    used = statistics.mean(on_gpu or [s.cpu_share for s in computing])
    what = "the GPU" if on_gpu else f"the {profile.cores} cores"
    return Judged(
        fired=used < limits.low_use_share,
        seen=f"{used:.0%} of {what} was used while features were computed and the head trained.",
        values={"share": used},
        limit=("low_use_share", limits.low_use_share),
        moments=_moments(computing),
    )


def _memory_growth(profile: Profile, limits: TriggersConfig) -> Judgement:
    """Memory at the end of the training over that of its first quarter's end."""
    during = _long_enough(profile, (FIT,), limits)
    if not during:
        return _too_short(limits)
    first = during[len(during) // 4].memory_bytes
    last = during[-1].memory_bytes
    grown = last - first
    return Judged(
        fired=grown > max(limits.memory_growth_share * first, MIN_MEMORY_GROWTH),
        seen=f"Memory went from {first / 1e6:.0f} MB to {last / 1e6:.0f} MB during the training.",
        values={"from_bytes": first, "to_bytes": last},
        limit=("memory_growth_share", limits.memory_growth_share),
        moments=_moments(during),
    )


def _small_batches(profile: Profile, limits: TriggersConfig) -> Judgement:
    """What of a step is spent around its computation."""
    fit = _phase(profile, FIT)
    if fit is None or profile.steps is None:
        return NO_FIT
    around = _part(fit, CALLBACKS) + _part(fit, LOOP)
    share = around / max(fit.seconds - _part(fit, DATA_WAIT), 1e-9)
    return Judged(
        fired=share > limits.step_overhead_share,
        seen=f"{share:.0%} of each step was spent around its computation.",
        values={"share": share, "seconds": around},
        limit=("step_overhead_share", limits.step_overhead_share),
    )


def _long_set_up(profile: Profile, limits: TriggersConfig) -> Judgement:
    """The share of the run that passes before a photo is read."""
    if profile.total_s < limits.least_seconds:
        return _too_short(limits)
    set_up = _phase(profile, SET_UP)
    seconds = set_up.seconds if set_up else 0.0
    share = seconds / profile.total_s
    return Judged(
        fired=share > limits.set_up_share,
        seen=f"{seconds:.1f} s, {share:.0%} of the run, passed before a photo was read.",
        values={"share": share, "seconds": seconds},
        limit=("set_up_share", limits.set_up_share),
    )


def _outliers(profile: Profile, limits: TriggersConfig) -> Judgement:
    """The share of the steps' time that a few slow ones take."""
    steps = profile.steps
    if steps is None:
        return NO_FIT
    return Judged(
        fired=steps.outlier_share > limits.outlier_share,
        seen=f"{steps.outliers} of {steps.count} steps took over {limits.outlier_times:g} times "
        f"the median, and {steps.outlier_share:.0%} of all steps' time.",
        values={"share": steps.outlier_share, "outliers": steps.outliers, "max_s": steps.max_s},
        limit=("outlier_share", limits.outlier_share),
    )


def _io_wait(profile: Profile, limits: TriggersConfig) -> Judgement:
    """The mean share of the cores' time that waits for a disk."""
    if profile.total_s < limits.least_seconds or not profile.samples:
        return _too_short(limits)
    share = statistics.mean(s.io_wait_share for s in profile.samples)
    waiting = [s for s in profile.samples if s.io_wait_share > limits.io_wait_share]
    return Judged(
        fired=share > limits.io_wait_share,
        seen=f"The cores waited for disks for {share:.0%} of their time.",
        values={"share": share},
        limit=("io_wait_share", limits.io_wait_share),
        moments=_moments(waiting),
    )


def _gpu_memory(profile: Profile, limits: TriggersConfig) -> Judgement:
    """The most of the GPU's memory that was in use."""
    there = [s for s in profile.samples if s.gpu_memory_share is not None]
    if not there:
        return NO_GPU
    most = max(s.gpu_memory_share or 0.0 for s in there)
    full = [s for s in there if (s.gpu_memory_share or 0) > limits.gpu_memory_share]
    return Judged(
        fired=bool(full),
        seen=f"Up to {most:.0%} of the GPU's memory was in use.",
        values={"share": most},
        limit=("gpu_memory_share", limits.gpu_memory_share),
        moments=_moments(full),
    )


# By name, with the sentence that says what to do.
TRIGGERS: dict[str, tuple[Callable[[Profile, TriggersConfig], Judgement], str]] = {
    "cpu_bottleneck": (
        _cpu_bottleneck,
        "More cores per GPU, or features.store=true, which decodes each photo once.",
    ),
    "data_wait": (
        _data_wait,
        "Raise data.workers, keep photos on a local disk, or take features.store=true.",
    ),
    "low_use": (
        _low_use,
        "Raise data.workers and data.batch_size; on fewer cores the same run costs less.",
    ),
    "memory_growth": (
        _memory_growth,
        "Something keeps what it has seen: look for tensors that are stored with their graphs, in "
        "callbacks of your own first.",
    ),
    "small_batches": (_small_batches, "Raise data.batch_size, and optim.lr with it."),
    "long_set_up": (
        _long_set_up,
        "Train more in one run, or search in one job (search.jobs=one): each run pays for its "
        "set-up.",
    ),
    "step_outliers": (
        _outliers,
        "See what else runs on the machine, and whether photos come from a disk that stalls; "
        "debug.trace=true shows what a step does.",
    ),
    "io_wait": (_io_wait, "Copy the photos to a local disk, or take features.store=true."),
    "gpu_memory": (_gpu_memory, "Lower data.batch_size before the next larger photo ends the run."),
}


def _verdict(name: str, judgement: Judgement, advice: str) -> Verdict:
    if isinstance(judgement, NotJudged):
        state, seen, times = NOT_APPLICABLE, judgement.reason, 0
        moments: Sequence[int] = ()
        points: tuple[Point, ...] = ()
        parameters: dict[str, float | str] = {}
    else:
        moments = judgement.moments if judgement.fired else ()
        state, seen = (FIRED if judgement.fired else FINE), judgement.seen
        points = (Point(step=moments[0] if moments else 0, values=judgement.values),)
        times = max(1, len(moments)) if judgement.fired else 0
        parameters = dict([judgement.limit])
    return Verdict(
        name=name,
        state=state,
        seen=seen,
        advice=advice,
        times=times,
        first_step=moments[0] if moments else None,
        last_step=moments[-1] if moments else None,
        points=points,
        parameters=parameters,
    )


def _phase(profile: Profile, name: str) -> Phase | None:
    return next((phase for phase in profile.phases if phase.name == name), None)


def _part(phase: Phase, name: str) -> float:
    return sum(part.seconds for part in phase.parts if part.name == name)


def _long_enough(profile: Profile, phases: Sequence[str], limits: TriggersConfig) -> list[Sample]:
    """The samples of some phases, if those lasted long enough to be judged by them."""
    lasted = sum(phase.seconds for phase in profile.phases if phase.name in phases)
    taken = [s for s in profile.samples if s.phase.split("/")[0] in phases]
    return taken if lasted >= limits.least_seconds and len(taken) > 1 else []


def _too_short(limits: TriggersConfig) -> NotJudged:
    return NotJudged(reason=f"it lasted less than {limits.least_seconds:g} s")


def _moments(samples: Sequence[Sample]) -> tuple[int, ...]:
    return tuple(round(sample.elapsed_s) for sample in samples)
