"""A trained model evaluated on labelled photos: the results of a run, without training."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dogbreed.artifact.description import Description
from dogbreed.configuration.run import EvaluateRunConfig
from dogbreed.configuration.schema import AUTO, without_places
from dogbreed.data.check import SHOWN, Checked, as_lines, inspect_photos, stop_if_too_many
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import Pixels
from dogbreed.data.layouts.label_rows import MISSING_PHOTO
from dogbreed.data.layouts.labelled import (
    MISSING_CLASS,
    UNKNOWN_CLASS,
    ModelClasses,
    read_labelled,
)
from dogbreed.data.layouts.labels import Labels
from dogbreed.data.layouts.splits import TEST, PhotoFolders, Sample
from dogbreed.data.roots import check_given_root, local_root, root_name
from dogbreed.errors import DataError, PhotoError
from dogbreed.evaluation.facts import Facts
from dogbreed.evaluation.metrics.calibration_error import against_perfect_calibration
from dogbreed.evaluation.metrics.measuring import measure, measure_classes
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.report.run.report import write_report
from dogbreed.run_records.best import choose_run
from dogbreed.run_records.record import METRICS_FILE
from dogbreed.runtime.prefetch import prefetch
from dogbreed.serving.predictor import Predictor
from dogbreed.training.results import (
    answered_share,
    data_fingerprint,
    metric_values,
    versions,
    write_predictions,
)
from dogbreed.training.run_folder import (
    RunFolder,
    check_writable,
    log,
    log_to_terminal,
    new_run,
    yaml_text,
)
from dogbreed.training.summary import log_results
from dogbreed.utils.clock import SET_UP, Clock, as_text
from dogbreed.utils.files import json_text, write_text
from dogbreed.utils.machine import worker_count
from dogbreed.utils.nouns import counted
from dogbreed.utils.progress import progress


def evaluate_model(config: EvaluateRunConfig) -> Path:
    """Measure a model on the photos of `config.data.root`; returns the folder of the results.

    It holds metrics.json, report.html with its CSV files, predictions.csv, findings.txt and
    config.yaml.

    Raises:
        DogbreedError: what the user can mend, in one sentence.
    """
    assert config.data.root is not None
    log_to_terminal()
    clock = Clock()
    with clock.phase(SET_UP):
        check_given_root(config.data.root)
        chosen = choose_run(Path(config.model), Path(config.output_root)).folder
        predictor = Predictor.load(
            chosen,
            engine=config.engine,
            precision=config.precision,
            threads=config.threads,
        )
        check_writable(Path(config.output_root))
    workers = worker_count(config.workers)
    with clock.phase("check"):
        checked = _checked(config, predictor.description, workers)
    photos_name = root_name(config.data.root)
    config = replace(
        config,
        name=f"{photos_name}-evaluation" if config.name == AUTO else config.name,
        model=str(chosen.resolve()),  # outputs/latest may be another run tomorrow
    )
    run = new_run(Path(config.output_root), config.name)
    try:
        with clock.phase("test"):
            scores = test_scores(predictor, checked.folders, workers)
        facts = _facts(config, predictor.description, checked, scores)
        _write(run, config, checked, facts, clock)
    finally:
        run.close()
    return run.path


def _checked(config: EvaluateRunConfig, description: Description, workers: int) -> Checked:
    """The photos of the model's classes that can be read, and findings about all others."""
    data = config.data
    folders = read_labelled(
        local_root(str(data.root)),
        ModelClasses(description.classes, description.display_names),
        labels=Labels.of(data),
        split=data.split,
        nested_classes=data.nested_classes,
        links=data.links,
    )
    samples = folders.samples[TEST]
    digests, remarks = inspect_photos(
        samples, max_pixels=data.max_pixels, workers=workers, within=folders.within
    )
    missing = [finding for finding in folders.findings if finding.reason == MISSING_PHOTO]
    bad = [finding for finding in (*missing, *remarks) if finding.bad]
    total = len(samples) + sum(finding.photos for finding in missing)
    stop_if_too_many(bad, total, data.max_bad_share, folders.root)
    unreadable = {finding.path for finding in bad}
    left = tuple(sample for sample in samples if sample.path not in unreadable)
    if not left:
        raise DataError(f"{folders.root} has no photo that can be read: see data.max_bad_share.")
    findings = (*folders.findings, *remarks)
    _log_photos(folders, len(left), findings)
    readable = PhotoFolders(
        root=folders.root,
        classes=folders.classes,
        display_names=folders.display_names,
        samples=folders.samples | {TEST: left},
        findings=findings,
        split_locally=(),
        within=folders.within,
    )
    return Checked(folders=readable, digests=digests, findings=findings)


def _log_photos(folders: PhotoFolders, count: int, findings: Sequence[Any]) -> None:
    missing = [finding.path.name for finding in findings if finding.reason == MISSING_CLASS]
    log.info(
        "photos: %s, %d in %d of the model's %d classes",
        *(folders.root, count, len(folders.classes) - len(missing), len(folders.classes)),
    )
    unknown = [finding for finding in findings if finding.reason == UNKNOWN_CLASS]
    if unknown:
        log.warning(
            "warning: the model doesn't know %s; %s are left out",
            counted(len(unknown), "class", "classes"),
            counted(sum(finding.photos for finding in unknown), "photo"),
        )
    if missing:
        log.warning(
            "warning: no photos of %s of the model", counted(len(missing), "class", "classes")
        )
    for line in as_lines(findings, SHOWN):
        log.info("  %s", line)


def test_scores(predictor: Predictor, folders: PhotoFolders, workers: int) -> Scores:
    """The model's uncalibrated scores on the test photos; the next ones are decoded meanwhile.

    Raises:
        DataError: a photo has become unreadable.
    """

    def load(sample: Sample) -> Pixels:
        pixels = predictor.decode(partial(photos.read_bytes, sample.path, folders.within))
        if isinstance(pixels, PhotoError):
            raise DataError(f"A photo changed while it was evaluated ({pixels}): start again.")
        return pixels

    samples, size = folders.samples[TEST], predictor.photos_per_batch
    parts = []
    with (
        closing(prefetch(samples, load, workers=workers, depth=2 * size)) as loaded,
        progress("evaluating", len(samples)) as advance,
    ):
        while batch := [pixels for _, pixels in islice(loaded, size)]:
            parts.append(predictor.log_probabilities(np.stack(batch)))
            advance(len(batch))
    return Scores(
        torch.from_numpy(np.concatenate(parts)).float(),
        torch.tensor([sample.label for sample in samples]),
    )


def _facts(
    config: EvaluateRunConfig, model: Description, checked: Checked, scores: Scores
) -> Facts:
    folders = checked.folders
    calibrated = scores.calibrated(model.temperature)
    values = without_places(config)
    values["data"] |= {"noun": model.noun}
    return Facts(
        name=config.name,
        finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        config=values,
        versions=versions(),
        seconds={},
        epochs=(),
        root=folders.root,
        within=folders.within,
        classes=folders.classes,
        display_names=folders.display_names,
        counts={TEST: folders.counts(TEST)},
        findings=checked.findings,
        duplicates=(),
        metrics={TEST: measure(scores, model.temperature)},
        class_metrics=measure_classes(calibrated, folders.classes, folders.display_names),
        temperature=model.temperature,
        threshold=model.threshold,
        unknown=answered_share(calibrated, model.threshold),
        calibration=against_perfect_calibration(calibrated),
        head=model.head["head"],
        baselines=(),
        folds=None,
        rate_curve=None,
        watched=None,
        profile=None,
        forms={},
        data_fingerprint=data_fingerprint(checked),
        test_samples=folders.samples[TEST],
        test_scores=calibrated,
    )


def _write(
    run: RunFolder, config: EvaluateRunConfig, checked: Checked, facts: Facts, clock: Clock
) -> None:
    """Write the results; metrics.json last."""
    with clock.phase("report"):
        write_predictions(run, checked.folders, {TEST: facts.test_scores})
        run.write_lines("findings.txt", as_lines(facts.findings))
        # The report lists the phases that have ended; metrics.json has the time of its own writing.
        write_report(run.path / "report.html", replace(facts, seconds=clock.as_dict()))
    write_text(run.path / "config.yaml", yaml_text(asdict(config)))
    seconds = clock.as_dict()
    write_text(run.path / METRICS_FILE, json_text(metric_values(facts, seconds)))
    log_results(facts)
    log.info("\n%s\nresults: %s", as_text(seconds), run.path)
