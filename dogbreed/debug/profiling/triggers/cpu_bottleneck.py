"""Seconds in which the GPU waits while the cores are busy."""

from dataclasses import dataclass

from dogbreed.configuration.debug import TRIGGERS, TriggersConfig
from dogbreed.configuration.schema import key
from dogbreed.debug.profiling.profile import Profile
from dogbreed.debug.profiling.triggers.base import (
    BUSY_SHARE,
    IDLE_SHARE,
    NO_GPU,
    Evaluated,
    Evaluation,
    Trigger,
    seconds_of,
)


@dataclass(frozen=True, kw_only=True)
class CpuBottleneckThresholds(TriggersConfig):
    """The keys of the trigger cpu_bottleneck."""

    cpu_bottleneck_share: float = key(
        "share of the seconds in which the GPU waits for busy cores",
        above=0,
        at_most=1,
        default=0.2,
    )


def evaluate(profile: Profile, thresholds: CpuBottleneckThresholds) -> Evaluation:
    """Seconds in which the GPU waits while the cores are busy."""
    there = [s for s in profile.samples if s.gpu_share is not None]
    if not there:
        return NO_GPU
    so = [s for s in there if s.cpu_share > BUSY_SHARE and (s.gpu_share or 0) < IDLE_SHARE]
    share = len(so) / len(there)
    return Evaluated(
        fired=share > thresholds.cpu_bottleneck_share,
        message=f"In {share:.0%} of the seconds the GPU waited while the cores were busy.",
        values={"share": share},
        threshold=("cpu_bottleneck_share", thresholds.cpu_bottleneck_share),
        seconds_at=seconds_of(so),
    )


TRIGGERS.register(
    "cpu_bottleneck",
    Trigger(
        evaluate=evaluate,
        thresholds_class=CpuBottleneckThresholds,
        recommendation="More cores per GPU, or features.store=true, which decodes each photo once.",
    ),
)
