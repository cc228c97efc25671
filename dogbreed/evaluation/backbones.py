"""What a comparison of backbones has measured of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dogbreed.evaluation.baseline import paired_interval
from dogbreed.evaluation.metrics.intervals import Interval, wilson
from dogbreed.evaluation.metrics.scores import Scores


@dataclass(frozen=True, kw_only=True)
class FeaturePass:
    """The computing of features: photos computed now (others were cached), and the seconds of it,
    with decoding and without converting the network."""

    computed: int
    seconds: float

    @property
    def photos_per_s(self) -> float | None:
        """None where all features were cached."""
        return self.computed / self.seconds if self.computed else None


@dataclass(frozen=True, kw_only=True)
class MeasuredBackbone:
    """A backbone with its linear probe.

    Attributes:
        label: as people read it.
        overrides: what a training with it is given, KEY=VALUE.
        megabytes: of its weights without the classifier, in units of 10^6 bytes.
        valid, test: the probe's scores; the validation photos have chosen `shrinkage`.
        details: what else identifies the measurement, for backbones.json.
    """

    label: str
    overrides: tuple[str, ...]
    licence: str
    megabytes: float
    shrinkage: float
    features: FeaturePass
    valid: Scores
    test: Scores
    details: dict[str, Any]

    def behind(self, best: "MeasuredBackbone") -> tuple[float, Interval]:
        """How many points of test top-1 it has more than `best`, with the paired 95 % interval."""
        gain = self.test.right.double() - best.test.right.double()
        return 100 * float(gain.mean()), paired_interval(gain)

    def as_dict(self, best: "MeasuredBackbone") -> dict[str, Any]:
        """Plain values for JSON."""
        points, interval = (None, None) if self is best else self.behind(best)
        return {
            "backbone": self.label,
            **self.details,
            "valid": top1(self.valid),
            "test": top1(self.test) | {"points_to_best": points, "points_to_best_ci95": interval},
            "shrinkage": self.shrinkage,
            "photos_per_s": self.features.photos_per_s,
            "photos_computed": self.features.computed,
            "compute_seconds": self.features.seconds,
            "megabytes": self.megabytes,
            "licence": self.licence,
        }


@dataclass(frozen=True, kw_only=True)
class FailedBackbone:
    """A backbone that couldn't be measured, and why."""

    label: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The backbones that could be measured, the best first, and those that couldn't."""

    measured: tuple[MeasuredBackbone, ...]
    failed: tuple[FailedBackbone, ...]


def top1(scores: Scores) -> dict[str, Any]:
    """Top-1 as a fraction with its 95 % interval, and the number of photos."""
    hits, n = int(scores.right.sum()), len(scores)
    return {"top1": hits / n, "ci95": wilson(hits, n), "n": n}


def best_first(measured: Iterable[MeasuredBackbone]) -> tuple[MeasuredBackbone, ...]:
    """By top-1 on the validation photos, of equal ones the smaller first.

    The test photos don't choose, so that the best one's test top-1 isn't the best of many.
    """
    return tuple(sorted(measured, key=lambda each: (-int(each.valid.right.sum()), each.megabytes)))
