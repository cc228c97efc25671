"""The share of the steps' time that a few slow ones take."""

from dataclasses import dataclass

from dogbreed.configuration.debug import TRIGGERS, TriggersConfig
from dogbreed.configuration.schema import key
from dogbreed.debug.profiling.profile import FIT, Profile
from dogbreed.debug.profiling.triggers.base import (
    NO_FIT,
    Evaluated,
    Evaluation,
    Trigger,
    find_phase,
    too_short,
)


@dataclass(frozen=True, kw_only=True)
class StepOutliersThresholds(TriggersConfig):
    """The keys of the trigger step_outliers."""

    outlier_share: float = key(
        "share of training that outliers take", above=0, at_most=1, default=0.1
    )


def evaluate(profile: Profile, thresholds: StepOutliersThresholds) -> Evaluation:
    """The share of the steps' time that a few slow ones take."""
    fit, steps = find_phase(profile, FIT), profile.steps
    if fit is None or steps is None:
        return NO_FIT
    if fit.seconds < thresholds.least_seconds:
        return too_short(thresholds)
    return Evaluated(
        fired=steps.outlier_share > thresholds.outlier_share,
        message=f"{steps.outliers} of {steps.count} steps took over {thresholds.outlier_times:g} "
        f"times the median, and {steps.outlier_share:.0%} of all steps' time.",
        values={"share": steps.outlier_share, "outliers": steps.outliers, "max_s": steps.max_s},
        threshold=("outlier_share", thresholds.outlier_share),
    )


TRIGGERS.register(
    "step_outliers",
    Trigger(
        evaluate=evaluate,
        thresholds_class=StepOutliersThresholds,
        recommendation="See what else runs on the machine, and whether photos come from a disk "
        "that stalls; debug.trace=true shows what a step does.",
    ),
)
