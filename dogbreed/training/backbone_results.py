"""The results of a comparison of backbones: the terminal's table, backbones.csv, backbones.json."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from dogbreed.configuration.run import CompareConfig
from dogbreed.evaluation.backbones import Comparison, top1
from dogbreed.report.backbone_table import backbone_notes, backbone_table
from dogbreed.training.run_folder import RunFolder, log, yaml_text
from dogbreed.utils.files import json_text, write_text

RESULTS_FILE = "backbones.json"
_MEASURES = ("valid_top1", "test_top1", "test_low95", "test_high95", "photos_per_s", "megabytes")


def write_comparison(
    run: RunFolder, config: CompareConfig, comparison: Comparison, described: Mapping[str, Any]
) -> None:
    """Write config.yaml, backbones.csv and, last, backbones.json.

    `described` are the plain values that all backbones have in common.
    """
    best = comparison.measured[0]
    write_text(run.path / "config.yaml", yaml_text(asdict(config)))
    run.write_table("backbones.csv", _rows(comparison))
    values = {
        "best": best.label,
        **described,
        "backbones": [each.as_dict(best) for each in comparison.measured],
        "failed": [asdict(each) for each in comparison.failed],
    }
    write_text(run.path / RESULTS_FILE, json_text(values))


def log_comparison(comparison: Comparison, command: str) -> None:
    """Log the table, what its numbers mean, and the command for the training."""
    log.info("")
    for line in backbone_table(comparison.measured, comparison.failed):
        log.info("%s", line)
    log.info("")
    for line in backbone_notes(comparison.measured):
        log.info("%s", line)
    log.info("\nTrain the best one:\n  %s", command)


def _rows(comparison: Comparison) -> Iterator[tuple[object, ...]]:
    """The rows of backbones.csv, its header first."""
    yield ("backbone", *_MEASURES, "licence", "failed")
    for each in comparison.measured:
        valid, test = top1(each.valid), top1(each.test)
        measures = (valid["top1"], test["top1"], *test["ci95"], each.features.photos_per_s)
        yield (each.label, *measures, each.megabytes, each.licence, None)
    for failed in comparison.failed:
        yield (failed.label, *[None] * len(_MEASURES), None, failed.reason)
