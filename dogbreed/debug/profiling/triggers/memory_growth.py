"""Memory at the end of the training over that of its first quarter's end."""

from dataclasses import dataclass

from dogbreed.configuration.debug import TRIGGERS, TriggersConfig
from dogbreed.configuration.schema import key
from dogbreed.debug.profiling.profile import FIT, Profile
from dogbreed.debug.profiling.triggers.base import (
    Evaluated,
    Evaluation,
    Trigger,
    long_enough,
    seconds_of,
    too_short,
)

MIN_GROWTH_BYTES = 256 * 1024**2  # caches of a process that has just started grow by less


@dataclass(frozen=True, kw_only=True)
class MemoryGrowthThresholds(TriggersConfig):
    """The keys of the trigger memory_growth."""

    memory_growth_share: float = key("growth of memory over the training", above=0, default=0.2)


def evaluate(profile: Profile, thresholds: MemoryGrowthThresholds) -> Evaluation:
    """Memory at the end of the training over that of its first quarter's end."""
    during = long_enough(profile, (FIT,), thresholds)
    if not during:
        return too_short(thresholds)
    first = during[len(during) // 4].memory_bytes
    last = during[-1].memory_bytes
    grown = last - first
    return Evaluated(
        fired=grown > max(thresholds.memory_growth_share * first, MIN_GROWTH_BYTES),
        message=f"Memory went from {first / 1e6:.0f} MB to {last / 1e6:.0f} MB during the "
        "training.",
        values={"from_bytes": first, "to_bytes": last},
        threshold=("memory_growth_share", thresholds.memory_growth_share),
        seconds_at=seconds_of(during),
    )


TRIGGERS.register(
    "memory_growth",
    Trigger(
        evaluate=evaluate,
        thresholds_class=MemoryGrowthThresholds,
        recommendation="Something retains objects of earlier steps: look for tensors that are "
        "stored with their graphs, in callbacks of your own first.",
    ),
)
