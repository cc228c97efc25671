"""A trained model is measured; predictions.csv, model/ and metrics.json are written."""

import hashlib
import importlib.metadata
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dogbreed.artifact.description import Description
from dogbreed.artifact.export import CALIBRATION_PHOTOS, Probe, write_model
from dogbreed.backbone.licences import licence_of
from dogbreed.backbone.weights import NONE
from dogbreed.configuration.run import ModelConfig
from dogbreed.configuration.schema import without_places
from dogbreed.data.batches import CachedPhotos, evenly_spaced
from dogbreed.data.check import Checked
from dogbreed.data.layouts.splits import SPLITS, TEST, TRAIN, VALID, PhotoFolders
from dogbreed.evaluation.calibration import choose_threshold, fit_temperature
from dogbreed.evaluation.duplicates import find_duplicates
from dogbreed.evaluation.facts import Baseline, Duplicate, Facts, Folds, RateCurve, Watched
from dogbreed.evaluation.metrics.calibration_error import (
    CalibrationTest,
    against_perfect_calibration,
)
from dogbreed.evaluation.metrics.intervals import wilson
from dogbreed.evaluation.metrics.measuring import (
    ClassMetrics,
    SplitMetrics,
    measure,
    measure_classes,
)
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.model import BreedClassifier
from dogbreed.run_records.record import METRICS_FILE
from dogbreed.training.context import RunContext
from dogbreed.training.heads import SelectedHead
from dogbreed.training.run_folder import RunFolder
from dogbreed.utils.files import atomic_write, json_text
from dogbreed.utils.version import __version__

VERSIONS_OF = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "openvino",
    "Pillow",
    "pillow-heif",
)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A training's outcome: the model, each epoch's metrics, the learning-rate finder's curve."""

    model: BreedClassifier
    epochs: tuple[Mapping[str, float], ...]
    rate_curve: RateCurve | None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured of a trained model, by split; `scores` are calibrated.

    Temperature and threshold come from the validation photos; nothing is chosen on the test photos.
    """

    scores: Mapping[str, Scores]
    metrics: Mapping[str, SplitMetrics]
    class_metrics: tuple[ClassMetrics, ...]
    temperature: float
    threshold: float
    unknown: Mapping[str, Any]
    calibration: CalibrationTest
    head: str
    baselines: tuple[Baseline, ...]
    duplicates: tuple[Duplicate, ...]


def measure_run(
    context: RunContext,
    selected: SelectedHead,
    cached: Mapping[str, CachedPhotos] | None,
) -> Measured:
    """Calibrate and measure the scores of the selected head."""
    scores = selected.scores
    config, folders = context.config, context.folders
    temperature = fit_temperature(scores[VALID])
    calibrated = {split: scores[split].calibrated(temperature) for split in SPLITS}
    threshold = choose_threshold(calibrated[VALID], config.evaluate.known_share)
    test = calibrated[TEST]
    return Measured(
        scores=calibrated,
        metrics={split: measure(scores[split], temperature) for split in SPLITS},
        class_metrics=measure_classes(test, folders.classes, folders.display_names),
        temperature=temperature,
        threshold=threshold,
        unknown=answered_share(test, threshold),
        calibration=against_perfect_calibration(test),
        duplicates=_duplicates(context.checked, cached),
        head=selected.name,
        baselines=selected.baselines,
    )


def write_artifact(context: RunContext, model: BreedClassifier, measured: Measured) -> Description:
    """Write model/: the weights, the exported formats of the configuration, the description.

    Each format is compared with the calibrated scores of the validation photos.
    """
    config, samples = context.config, context.folders.samples
    description = model.describe(
        display_names=context.folders.display_names,
        preprocessing=context.prepared.backbone.preprocessing.describe(),
        noun=config.data.noun,
        views=config.eval_views,
        temperature=measured.temperature,
        threshold=measured.threshold,
        dtype=config.artifact.dtype,
        metrics={split: metrics.as_dict() for split, metrics in measured.metrics.items()},
        versions=versions(),
        data_fingerprint=data_fingerprint(context.checked),
        config=without_places(config),
    )
    train, validation = samples[TRAIN], measured.scores[VALID]
    probe = Probe(
        paths=[sample.path for sample in samples[VALID]],
        probabilities=validation.log_probabilities.exp().numpy(),
        targets=validation.targets.numpy(),
        calibration=[train[index].path for index in evenly_spaced(len(train), CALIBRATION_PHOTOS)],
    )
    folder = context.run.path / "model"
    return write_model(folder, model, description, config.artifact.formats, probe)


def build_facts(
    context: RunContext,
    trained: Trained,
    measured: Measured,
    description: Description,
    folds: Folds | None,
) -> Facts:
    """Everything that is known of a run once it is evaluated; `seconds` are those so far."""
    folders, session = context.folders, context.session
    seconds = context.clock.as_dict()
    observed = profile = None
    if session is not None:
        recording = session.recording(context.run.path)
        observed = Watched(recording=recording, verdicts=session.verdicts())
        profile = session.profile()
    return Facts(
        name=context.config.name,
        finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        config=description.config,
        versions=description.versions,
        licence=_licence(context.config.model),
        seconds=seconds,
        epochs=trained.epochs,
        root=folders.root,
        within=folders.within,
        classes=folders.classes,
        display_names=folders.display_names,
        counts={split: folders.counts(split) for split in SPLITS},
        findings=context.checked.findings,
        duplicates=measured.duplicates,
        metrics=measured.metrics,
        class_metrics=measured.class_metrics,
        temperature=measured.temperature,
        threshold=measured.threshold,
        unknown=measured.unknown,
        calibration=measured.calibration,
        head=measured.head,
        baselines=measured.baselines,
        folds=folds,
        rate_curve=trained.rate_curve,
        watched=observed,
        profile=profile,
        forms=description.forms,
        data_fingerprint=str(description.data_fingerprint),
        test_samples=folders.samples[TEST],
        test_scores=measured.scores[TEST],
    )


def _licence(model: ModelConfig) -> str | None:
    """Of the pretrained weights, as their provider states it; random ones have none."""
    return None if model.weights == NONE else licence_of(model.backbone)


def write_predictions(
    run: RunFolder, folders: PhotoFolders, calibrated: Mapping[str, Scores]
) -> None:
    """Write predictions.csv: the most probable class of each validation and test photo."""
    rows: list[tuple[object, ...]] = [("split", "class", "predicted", "probability", "path")]
    for split in (VALID, TEST):
        if split not in calibrated:
            continue
        scores = calibrated[split]
        for sample, label, probability in zip(
            folders.samples[split],
            scores.predicted.tolist(),
            scores.confidence.tolist(),
            strict=True,
        ):
            names = (folders.classes[sample.label], folders.classes[label])
            rows.append((split, *names, f"{probability:.6f}", sample.path))
    run.write_table("predictions.csv", rows)


def metric_values(facts: Facts, seconds: Mapping[str, float]) -> dict[str, Any]:
    """What metrics.json holds, as plain values; `seconds` are those of all phases."""
    return {split: measured.as_dict() for split, measured in facts.metrics.items()} | {
        "seconds": dict(seconds),
        "temperature": facts.temperature,
        "threshold_probability": facts.threshold,
        "unknown": facts.unknown,
        "calibration": facts.calibration.as_dict(),
        "head": facts.head,
        "baselines": [baseline.as_dict() for baseline in facts.baselines],
        "folds": asdict(facts.folds) if facts.folds else None,
        "lr_finder": asdict(facts.rate_curve) if facts.rate_curve else None,
        "classes": {metrics.name: metrics.as_dict() for metrics in facts.class_metrics},
        "near_duplicates": len(facts.duplicates),
        "forms": facts.forms,
        "data_fingerprint": facts.data_fingerprint,
        "epochs": list(facts.epochs),
    }


def write_metrics(
    run: RunFolder, facts: Facts, seconds: Mapping[str, float], *, latest: bool = True
) -> None:
    """Finish the run: write metrics.json, which marks it as finished, and move outputs/latest.

    `seconds` are those of all phases, with the report's. Without `latest` the link stays.
    """
    values = metric_values(facts, seconds)
    # metrics.json is complete before outputs/latest moves, and appears after it: a process that is
    # killed here leaves a run that resume=auto finishes, not a finished one behind an older latest.
    with atomic_write(run.path / METRICS_FILE) as temporary:
        temporary.write_text(json_text(values), encoding="utf-8")
        if latest:
            run.finish()


def _duplicates(
    checked: Checked, cached: Mapping[str, CachedPhotos] | None
) -> tuple[Duplicate, ...]:
    if cached is None:
        return ()
    samples = checked.folders.samples
    digests = {split: [checked.digests[s.path] for s in samples[split]] for split in SPLITS}
    return find_duplicates(cached, samples, digests)


def answered_share(test: Scores, threshold: float) -> dict[str, Any]:
    """What the threshold does to the test photos."""
    answered = test.confidence >= threshold
    count, hits = int(answered.sum()), int((answered & test.right).sum())
    right = int(test.right.sum())
    return {
        "answered_share": count / len(answered),
        "answered_top1": hits / count if count else None,
        "right_answered_share": hits / right if right else None,
        "ci95": {
            "answered_share": wilson(count, len(answered)),
            "answered_top1": wilson(hits, count) if count else None,
            "right_answered_share": wilson(hits, right) if right else None,
        },
    }


def data_fingerprint(checked: Checked) -> str:
    """What identifies the data: every photo's content with its class and its split."""
    folders = checked.folders
    lines = sorted(
        f"{checked.digests[s.path].hex()} {s.split} {folders.classes[s.label]}\n"
        for s in folders.all_samples()
    )
    text = "".join(lines).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()


def versions() -> dict[str, str]:
    """The versions of this package, of Python, and of the packages that results depend on."""
    # In small letters: Pillow's own metadata say pillow.
    installed = {each.name.lower() for each in importlib.metadata.distributions()}
    names = [name for name in VERSIONS_OF if name.lower() in installed]
    known = {name: importlib.metadata.version(name) for name in names}
    return {"dogbreed": __version__, "python": platform.python_version(), **known}
