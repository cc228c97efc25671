"""The mean use of what computes, over the long computing phases."""

import statistics
from dataclasses import dataclass

from dogbreed.configuration.debug import TRIGGERS, TriggersConfig
from dogbreed.configuration.schema import key
from dogbreed.debug.profiling.profile import FEATURES, FIT, Profile
from dogbreed.debug.profiling.triggers.base import (
    BUSY_SHARE,
    Evaluated,
    Evaluation,
    NotEvaluated,
    Trigger,
    long_enough,
    seconds_of,
    too_short,
)


@dataclass(frozen=True, kw_only=True)
class LowUseThresholds(TriggersConfig):
    """The keys of the trigger low_use."""

    # With cached features a step is too short to fill many cores.
    low_use_share: float = key(
        "use of cores, or of the GPU, below this", above=0, at_most=1, default=0.4
    )


def evaluate(profile: Profile, thresholds: LowUseThresholds) -> Evaluation:
    """The mean use of what computes, over the long computing phases."""
    computing = long_enough(profile, (FEATURES, FIT), thresholds)
    if not computing:
        return too_short(thresholds)
    machine = statistics.mean(s.machine_share for s in computing)
    if machine > BUSY_SHARE:
        return NotEvaluated(reason=f"{machine:.0%} of the machine was busy, by this or other work")
    on_gpu = [s.gpu_share for s in computing if s.gpu_share is not None]
    used = statistics.mean(on_gpu or [s.cpu_share for s in computing])
    what = "the GPU" if on_gpu else f"the {profile.cores} cores"
    return Evaluated(
        fired=used < thresholds.low_use_share,
        message=f"{used:.0%} of {what} was used while features were computed and the head trained.",
        values={"share": used},
        threshold=("low_use_share", thresholds.low_use_share),
        seconds_at=seconds_of(computing),
    )


TRIGGERS.register(
    "low_use",
    Trigger(
        evaluate=evaluate,
        thresholds_class=LowUseThresholds,
        recommendation="Raise data.workers and data.batch_size; on fewer cores the same run costs "
        "less.",
    ),
)
