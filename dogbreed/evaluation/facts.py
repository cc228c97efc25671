"""What is known of a finished run: the one source of metrics.json, report and model card."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dogbreed.data.layouts.splits import Finding, Sample
from dogbreed.debug.profiling.profile import Profile
from dogbreed.debug.recording.records import Recording
from dogbreed.debug.rules.verdicts import Verdict
from dogbreed.evaluation.metrics.calibration_error import CalibrationTest
from dogbreed.evaluation.metrics.intervals import Interval
from dogbreed.evaluation.metrics.measuring import ClassMetrics, SplitMetrics
from dogbreed.evaluation.metrics.scores import Scores


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """Another head on the same features and views: what a run has to beat.

    `setting` is its regularisation, selected on the validation photos ("C = 0.1"; empty for the
    trained head). It was fitted to `n_train` photos. `top1_gain_points` is the run's test top-1
    less the baseline's, in percentage points over the same photos.
    """

    name: str
    setting: str
    n_train: int
    valid: SplitMetrics
    test: SplitMetrics
    top1_gain_points: float
    top1_gain_ci95: Interval

    def as_dict(self) -> dict[str, Any]:
        """Plain values, in the order of the fields."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return values | {"valid": self.valid.as_dict(), "test": self.test.as_dict()}


@dataclass(frozen=True, kw_only=True)
class Folds:
    """Cross-validation of the head over the training and validation photos; the test stays out.

    `top1` and `loss` (nats) of each fold, their means and standard deviations over the folds.
    """

    top1: tuple[float, ...]
    loss: tuple[float, ...]
    top1_mean: float
    top1_sd: float
    loss_mean: float
    loss_sd: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class RateCurve:
    """The learning-rate finder's run: smoothed loss (nats) over rate, and the rate it suggests."""

    lr: tuple[float, ...]
    loss: tuple[float, ...]
    suggestion: float


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """Two photos in different splits whose features point in nearly the same direction."""

    first: Sample
    second: Sample
    cosine: float


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What was recorded of the training, and what the rules found in it."""

    recording: Recording
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything about a run.

    `config` is the resolved configuration as plain values, `licence` that of the pretrained weights
    as their provider states it, `seconds` those of each phase, `epochs` each epoch's metrics
    (epoch, train_loss, train_top1, valid_loss, valid_top1). `counts` are photos per class by split,
    in the order of `classes`. `head` is the name of the selected head, `baselines` are the others.
    `test_scores` are calibrated, in the order of `test_samples`. `unknown` says what the threshold
    does to the test photos: answered_share, answered_top1, right_answered_share and their ci95.
    `calibration` is that of the test photos, after the temperature. `forms` are the artifact's
    exported forms with their measured agreement.
    """

    name: str
    finished: str  # local time, ISO 8601
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    licence: str | None = None
    seconds: Mapping[str, float]
    epochs: tuple[Mapping[str, float], ...]
    root: Path
    within: str | None = None  # of `PhotoFolders`
    classes: tuple[str, ...]
    display_names: tuple[str, ...]
    counts: Mapping[str, list[int]]
    findings: tuple[Finding, ...]
    duplicates: tuple[Duplicate, ...]
    metrics: Mapping[str, SplitMetrics]
    class_metrics: tuple[ClassMetrics, ...]
    temperature: float
    threshold: float
    unknown: Mapping[str, Any]
    calibration: CalibrationTest
    head: str
    baselines: tuple[Baseline, ...]
    folds: Folds | None
    rate_curve: RateCurve | None
    watched: Watched | None
    profile: Profile | None
    forms: Mapping[str, Any]
    data_fingerprint: str
    test_samples: tuple[Sample, ...]
    test_scores: Scores

    @property
    def noun(self) -> str:
        """What pages call a class, in the singular: `data.noun` of the configuration."""
        return str(self.config.get("data", {}).get("noun", "class"))
