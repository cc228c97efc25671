"""The share of the run that passes before a photo is read."""

from dataclasses import dataclass

from dogbreed.configuration.debug import TRIGGERS, TriggersConfig
from dogbreed.configuration.schema import key
from dogbreed.debug.profiling.profile import Profile
from dogbreed.debug.profiling.triggers.base import (
    Evaluated,
    Evaluation,
    Trigger,
    find_phase,
    too_short,
)
from dogbreed.utils.clock import SET_UP


@dataclass(frozen=True, kw_only=True)
class LongSetUpThresholds(TriggersConfig):
    """The keys of the trigger long_set_up."""

    set_up_share: float = key(
        "share of the run before the photos are read", above=0, at_most=1, default=0.4
    )


def evaluate(profile: Profile, thresholds: LongSetUpThresholds) -> Evaluation:
    """The share of the run that passes before a photo is read."""
    set_up = find_phase(profile, SET_UP)
    seconds = set_up.seconds if set_up else 0.0
    if seconds < thresholds.least_seconds:
        return too_short(thresholds)
    share = seconds / profile.total_s
    return Evaluated(
        fired=share > thresholds.set_up_share,
        message=f"{seconds:.1f} s, {share:.0%} of the run, passed before a photo was read.",
        values={"share": share, "seconds": seconds},
        threshold=("set_up_share", thresholds.set_up_share),
    )


TRIGGERS.register(
    "long_set_up",
    Trigger(
        evaluate=evaluate,
        thresholds_class=LongSetUpThresholds,
        recommendation="Train more in one run, or search in one job (search.jobs=one): each run "
        "pays for its set-up.",
    ),
)
