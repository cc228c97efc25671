"""The share of training that waits for its next batch."""

from dataclasses import dataclass

from dogbreed.configuration.debug import TRIGGERS, TriggersConfig
from dogbreed.configuration.schema import key
from dogbreed.debug.profiling.profile import DATA_WAIT, FIT, Profile
from dogbreed.debug.profiling.triggers.base import (
    NO_FIT,
    Evaluated,
    Evaluation,
    Trigger,
    find_phase,
    part_seconds,
    too_short,
)


@dataclass(frozen=True, kw_only=True)
class DataWaitThresholds(TriggersConfig):
    """The keys of the trigger data_wait."""

    data_wait_share: float = key(
        "share of training that waits for photos", above=0, at_most=1, default=0.3
    )


def evaluate(profile: Profile, thresholds: DataWaitThresholds) -> Evaluation:
    """The share of training that waits for its next batch."""
    fit = find_phase(profile, FIT)
    if fit is None or profile.steps is None:
        return NO_FIT
    if fit.seconds < thresholds.least_seconds:
        return too_short(thresholds)
    share = part_seconds(fit, DATA_WAIT) / max(fit.seconds, 1e-9)
    return Evaluated(
        fired=share > thresholds.data_wait_share,
        message=f"{share:.0%} of the training waited for photos or features.",
        values={"share": share, "seconds": part_seconds(fit, DATA_WAIT)},
        threshold=("data_wait_share", thresholds.data_wait_share),
    )


TRIGGERS.register(
    "data_wait",
    Trigger(
        evaluate=evaluate,
        thresholds_class=DataWaitThresholds,
        recommendation="Raise data.workers, have the photos on a local disk, or take "
        "features.store=true.",
    ),
)
