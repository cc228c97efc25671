"""What of a step is spent around its computation."""

from dataclasses import dataclass

from dogbreed.configuration.debug import TRIGGERS, TriggersConfig
from dogbreed.configuration.schema import key
from dogbreed.debug.profiling.profile import CALLBACKS, DATA_WAIT, FIT, LOOP, Profile
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
class SmallBatchesThresholds(TriggersConfig):
    """The keys of the trigger small_batches."""

    step_overhead_share: float = key(
        "share of a step outside its computation: batches too small",
        above=0,
        at_most=1,
        default=0.5,
    )


def evaluate(profile: Profile, thresholds: SmallBatchesThresholds) -> Evaluation:
    """What of a step is spent around its computation."""
    fit = find_phase(profile, FIT)
    if fit is None or profile.steps is None:
        return NO_FIT
    if fit.seconds < thresholds.least_seconds:
        return too_short(thresholds)
    around = part_seconds(fit, CALLBACKS) + part_seconds(fit, LOOP)
    share = around / max(fit.seconds - part_seconds(fit, DATA_WAIT), 1e-9)
    return Evaluated(
        fired=share > thresholds.step_overhead_share,
        message=f"{share:.0%} of each step was spent around its computation.",
        values={"share": share, "seconds": around},
        threshold=("step_overhead_share", thresholds.step_overhead_share),
    )


TRIGGERS.register(
    "small_batches",
    Trigger(
        evaluate=evaluate,
        thresholds_class=SmallBatchesThresholds,
        recommendation="Raise data.batch_size, and optim.lr with it.",
    ),
)
