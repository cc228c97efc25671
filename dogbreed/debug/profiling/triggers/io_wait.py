"""The mean share of the cores' time that waits for a disk."""

import statistics
from dataclasses import dataclass

from dogbreed.configuration.debug import TRIGGERS, TriggersConfig
from dogbreed.configuration.schema import key
from dogbreed.debug.profiling.profile import Profile
from dogbreed.debug.profiling.triggers.base import (
    Evaluated,
    Evaluation,
    Trigger,
    seconds_of,
    too_short,
)


@dataclass(frozen=True, kw_only=True)
class IoWaitThresholds(TriggersConfig):
    """The keys of the trigger io_wait."""

    io_wait_share: float = key(
        "share of the cores' time that waits for disks", above=0, at_most=1, default=0.2
    )


def evaluate(profile: Profile, thresholds: IoWaitThresholds) -> Evaluation:
    """The mean share of the cores' time that waits for a disk."""
    if profile.total_s < thresholds.least_seconds or not profile.samples:
        return too_short(thresholds)
    share = statistics.mean(s.io_wait_share for s in profile.samples)
    waiting = [s for s in profile.samples if s.io_wait_share > thresholds.io_wait_share]
    return Evaluated(
        fired=share > thresholds.io_wait_share,
        message=f"The cores waited for disks for {share:.0%} of their time.",
        values={"share": share},
        threshold=("io_wait_share", thresholds.io_wait_share),
        seconds_at=seconds_of(waiting),
    )


TRIGGERS.register(
    "io_wait",
    Trigger(
        evaluate=evaluate,
        thresholds_class=IoWaitThresholds,
        recommendation="Copy the photos to a local disk, or take features.store=true.",
    ),
)
