"""run.json of a training: what its start and its end add to it."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dogbreed.configuration.changes import changed_keys
from dogbreed.configuration.run import Config
from dogbreed.data.check import Checked
from dogbreed.data.layouts.splits import TEST, VALID
from dogbreed.errors import Stopped
from dogbreed.evaluation.facts import Facts
from dogbreed.run_records.answers import pack_answers
from dogbreed.run_records.record import (
    MAX_FAILURE_CHARACTERS,
    PhotoAnswers,
    RunRecord,
    classes_digest,
)
from dogbreed.utils.printable import printable


def start_record(config: Config, classes: tuple[str, ...]) -> RunRecord:
    """What is known when a run starts; `config` is as it was given, without resolved "auto"."""
    data = config.data
    place = data.feature_set or data.root
    return RunRecord(
        data=printable(Path(place).resolve().name if place is not None else data.source),
        classes=len(classes),
        classes_sha256=classes_digest(classes),
        changes=changed_keys(config),
    )


def with_results(
    record: RunRecord, facts: Facts, checked: Checked, seconds: Mapping[str, float]
) -> RunRecord:
    """The same with the results of the run."""
    return replace(
        record,
        seconds=seconds["total"],
        data_fingerprint=facts.data_fingerprint,
        splits={split: facts.metrics[split].as_dict() for split in (VALID, TEST)},
        test_answers=_test_answers(facts, checked),
    )


def write_failure(record: RunRecord, folder: Path, error: BaseException) -> None:
    """Write why the run has failed, unless it was stopped, which isn't a failure."""
    if isinstance(error, Exception) and not isinstance(error, Stopped):
        reason = printable(f"{error}" or type(error).__name__)[:MAX_FAILURE_CHARACTERS]
        with suppress(OSError):  # a full disk must not replace the first error
            replace(record, failure=reason).write(folder)


def _test_answers(facts: Facts, checked: Checked) -> PhotoAnswers:
    content = hashlib.sha256()
    for sample in facts.test_samples:
        content.update(checked.digests[sample.path])
        content.update(facts.classes[sample.label].encode("utf-8", "surrogateescape") + b"\n")
    return pack_answers(
        content.hexdigest(),
        facts.test_scores.targets.tolist(),
        facts.test_scores.predicted.tolist(),
        len(facts.classes),
    )
