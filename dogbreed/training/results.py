"""What is measured of a trained model, and where it is written: model/, report, metrics.json."""

import hashlib
import importlib.metadata
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dogbreed.artifact.description import Description
from dogbreed.artifact.export import CALIBRATION_PHOTOS, Probe, write_model
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import without_places
from dogbreed.data.batches import CachedPhotos, evenly_spaced
from dogbreed.data.check import Checked
from dogbreed.data.layouts.splits import SPLITS, TEST, TRAIN, VALID
from dogbreed.debug.rules.verdicts import FIRED
from dogbreed.evaluation.baseline import fit_baseline
from dogbreed.evaluation.calibration import choose_threshold, fit_temperature
from dogbreed.evaluation.duplicates import find_duplicates
from dogbreed.evaluation.facts import Baseline, Duplicate, Facts, RateCurve
from dogbreed.evaluation.metrics.intervals import wilson
from dogbreed.evaluation.metrics.measuring import measure, measure_classes
from dogbreed.evaluation.metrics.registry import VALID_PREFIX, epoch_metrics
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.model import BreedClassifier
from dogbreed.report.metric_table import metric_table
from dogbreed.training.preparation import preprocessing_of
from dogbreed.training.run_folder import METRICS_FILE, RunFolder, log
from dogbreed.utils.files import atomic_write, json_text
from dogbreed.utils.metric_lines import kept_line
from dogbreed.utils.user_paths import optional_cache_dir
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


def gather_facts(
    config: Config,
    checked: Checked,
    scores: Mapping[str, Scores],
    epochs: list[dict[str, float]],
    stored: Mapping[str, CachedPhotos] | None,
    rate_curve: RateCurve | None,
) -> Facts:
    """Everything that is known of a run before its files are written.

    Temperature and threshold come from the validation photos; the test photos decide nothing.
    """
    folders = checked.folders
    temperature = fit_temperature(scores[VALID])
    threshold = choose_threshold(scores[VALID].calibrated(temperature), config.evaluate.known_share)
    test = scores[TEST].calibrated(temperature)
    return Facts(
        name=config.name,
        finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        config=without_places(config),
        versions=versions(),
        seconds={},
        epochs=tuple(epochs),
        root=folders.root,
        within=folders.within,
        classes=folders.classes,
        display_names=folders.display_names,
        counts={split: folders.counts(split) for split in SPLITS},
        findings=checked.findings,
        duplicates=_duplicates(checked, stored),
        metrics={split: measure(scores[split], temperature) for split in SPLITS},
        class_metrics=measure_classes(test, folders.classes, folders.display_names),
        temperature=temperature,
        threshold=threshold,
        unknown=answered_share(test, threshold),
        baseline=_baseline(config, stored, scores[TEST]),
        folds=None,
        rate_curve=rate_curve,
        watched=None,
        profile=None,
        forms={},
        data_fingerprint=data_fingerprint(checked),
        test_samples=folders.samples[TEST],
        test_scores=test,
    )


def write_artifact(
    run: RunFolder,
    config: Config,
    checked: Checked,
    model: BreedClassifier,
    facts: Facts,
    validation: Scores,
) -> Description:
    """model/: the weights, every form that was asked for, and what is to be known of them.

    `validation` are calibrated scores, to hold each form against.
    """
    description = model.describe(
        display_names=facts.display_names,
        preprocessing=preprocessing_of(config).describe(),
        views=config.features.views if config.features.average else 1,
        temperature=facts.temperature,
        threshold=facts.threshold,
        dtype=config.artifact.dtype,
        metrics={split: metrics.as_dict() for split, metrics in facts.metrics.items()},
        versions=facts.versions,
        data_fingerprint=facts.data_fingerprint,
        config=facts.config,
    )
    train = checked.folders.samples[TRAIN]
    probe = Probe(
        paths=[sample.path for sample in checked.folders.samples[VALID]],
        probabilities=validation.log_probabilities.exp().numpy(),
        targets=validation.targets.numpy(),
        calibration=[train[index].path for index in evenly_spaced(len(train), CALIBRATION_PHOTOS)],
    )
    return write_model(run.path / "model", model, description, config.artifact.forms, probe)


def write_predictions(run: RunFolder, checked: Checked, scores: Mapping[str, Scores]) -> None:
    """predictions.csv: what calibrated `scores` say of each validation and test photo."""
    folders = checked.folders
    rows: list[tuple[object, ...]] = [("split", "class", "predicted", "probability", "path")]
    for split in (VALID, TEST):
        if split not in scores:
            continue
        own = scores[split]
        for sample, label, probability in zip(
            folders.samples[split], own.predicted.tolist(), own.confidence.tolist(), strict=True
        ):
            names = (folders.classes[sample.label], folders.classes[label])
            rows.append((split, *names, f"{probability:.6f}", sample.path))
    run.write_table("predictions.csv", rows)


def metric_values(facts: Facts) -> dict[str, Any]:
    """What metrics.json holds, as plain values."""
    return {split: measured.as_dict() for split, measured in facts.metrics.items()} | {
        "seconds": dict(facts.seconds),
        "temperature": facts.temperature,
        "threshold_probability": facts.threshold,
        "unknown": facts.unknown,
        "baseline": facts.baseline.as_dict() if facts.baseline else None,
        "folds": asdict(facts.folds) if facts.folds else None,
        "lr_finder": asdict(facts.rate_curve) if facts.rate_curve else None,
        "classes": {metrics.name: metrics.as_dict() for metrics in facts.class_metrics},
        "near_duplicates": len(facts.duplicates),
        "forms": facts.forms,
        "data_fingerprint": facts.data_fingerprint,
        "epochs": list(facts.epochs),
    }


def write_metrics(run: RunFolder, facts: Facts) -> None:
    """Finish the run: metrics.json, which marks it as finished, and outputs/latest."""
    values = metric_values(facts)
    # metrics.json is complete before outputs/latest moves, and appears after it: a process that is
    # killed here leaves a run that resume=auto finishes, not a finished one behind an older latest.
    with atomic_write(run.path / METRICS_FILE) as beside:
        beside.write_text(json_text(values), encoding="utf-8")
        run.finish()


def tell(facts: Facts) -> None:
    """The results as a table on the terminal, and what they come to."""
    for line in metric_table(facts.metrics):
        log.info("%s", line)
    if VALID in facts.metrics and not sys.stderr.isatty():
        valid = facts.metrics[VALID]
        kept = {m.name: (valid[m.name], valid.ci95[m.name]) for m in epoch_metrics()}
        log.info("")
        log.info(kept_line({f"{VALID_PREFIX}{name}": own for name, own in kept.items()}))
    test = facts.metrics[TEST]
    low, high = test.ci95["top1"]
    log.info("\ntest top-1 %.1f%% (95%%: %.1f to %.1f)", 100 * test["top1"], 100 * low, 100 * high)
    if facts.baseline:
        low, high = facts.baseline.top1_gain_ci95
        log.info(
            "logistic regression on the same features %.1f%%: %+.1f points (95%%: %+.1f to %+.1f)",
            *(100 * facts.baseline.test["top1"], facts.baseline.top1_gain_points, low, high),
        )
    if facts.folds:
        log.info(
            "%d folds: top-1 %.1f%% ± %.1f, loss %.4f ± %.4f (standard deviations)",
            *(len(facts.folds.top1), 100 * facts.folds.top1_mean, 100 * facts.folds.top1_sd),
            *(facts.folds.loss_mean, facts.folds.loss_sd),
        )
    log.info(
        "temperature %.2f: ECE %.3f before, %.3f after; unknown below %.0f%%",
        *(
            facts.temperature,
            test["ece_share"],
            test["ece_calibrated_share"],
            100 * facts.threshold,
        ),
    )
    if facts.duplicates:
        log.info("%d photos may be in two splits: see the report", len(facts.duplicates))
    if facts.watched:
        found = [verdict.name for verdict in facts.watched.verdicts if verdict.state == FIRED]
        log.info("rules: %s", f"{', '.join(found)} fired" if found else "none fired")
    for trigger in facts.profile.triggers if facts.profile else ():
        if trigger.state == FIRED:
            log.info("profile: %s: %s %s", trigger.name, trigger.seen, trigger.advice)


def _baseline(
    config: Config, stored: Mapping[str, CachedPhotos] | None, run: Scores
) -> Baseline | None:
    if not config.evaluate.baseline:
        return None
    if stored is None:
        log.info("no logistic regression to compare with: it needs features.store=true")
        return None
    cache = optional_cache_dir("baselines")
    return fit_baseline(stored[TRAIN], stored[VALID], stored[TEST], run, cache)


def _duplicates(
    checked: Checked, stored: Mapping[str, CachedPhotos] | None
) -> tuple[Duplicate, ...]:
    if stored is None:
        return ()
    samples = checked.folders.samples
    digests = {split: [checked.digests[s.path] for s in samples[split]] for split in SPLITS}
    return find_duplicates(stored, samples, digests)


def answered_share(test: Scores, threshold: float) -> dict[str, Any]:
    """What the threshold does to the test photos."""
    answered = test.confidence >= threshold
    count, hits = int(answered.sum()), int((answered & test.right).sum())
    return {
        "answered_share": count / len(answered),
        "answered_top1": hits / count if count else None,
        "ci95": {
            "answered_share": wilson(count, len(answered)),
            "answered_top1": wilson(hits, count) if count else None,
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
    installed = {each.name for each in importlib.metadata.distributions()}
    known = {name: importlib.metadata.version(name) for name in VERSIONS_OF if name in installed}
    return {"dogbreed": __version__, "python": platform.python_version(), **known}
