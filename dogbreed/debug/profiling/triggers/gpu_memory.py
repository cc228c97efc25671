"""The highest share of the GPU's memory that was in use."""

from dataclasses import dataclass

from dogbreed.configuration.debug import TRIGGERS, TriggersConfig
from dogbreed.configuration.schema import key
from dogbreed.debug.profiling.profile import Profile
from dogbreed.debug.profiling.triggers.base import (
    NO_GPU,
    Evaluated,
    Evaluation,
    Trigger,
    seconds_of,
)


@dataclass(frozen=True, kw_only=True)
class GpuMemoryThresholds(TriggersConfig):
    """The keys of the trigger gpu_memory."""

    gpu_memory_share: float = key(
        "share of the GPU's memory in use", above=0, at_most=1, default=0.9
    )


def evaluate(profile: Profile, thresholds: GpuMemoryThresholds) -> Evaluation:
    """The most of the GPU's memory that was in use."""
    there = [s for s in profile.samples if s.gpu_memory_share is not None]
    if not there:
        return NO_GPU
    most = max(s.gpu_memory_share or 0.0 for s in there)
    full = [s for s in there if (s.gpu_memory_share or 0) > thresholds.gpu_memory_share]
    return Evaluated(
        fired=bool(full),
        message=f"Up to {most:.0%} of the GPU's memory was in use.",
        values={"share": most},
        threshold=("gpu_memory_share", thresholds.gpu_memory_share),
        seconds_at=seconds_of(full),
    )


TRIGGERS.register(
    "gpu_memory",
    Trigger(
        evaluate=evaluate,
        thresholds_class=GpuMemoryThresholds,
        recommendation="Lower data.batch_size before the next larger photo ends the run.",
    ),
)
