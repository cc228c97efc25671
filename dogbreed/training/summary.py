"""The results of a run as lines of its log."""

import sys
from pathlib import Path

from dogbreed.configuration.run import Config
from dogbreed.data.layouts.splits import TEST, VALID
from dogbreed.debug.rules.verdicts import FIRED
from dogbreed.evaluation.facts import Facts
from dogbreed.evaluation.metrics.measuring import SplitMetrics
from dogbreed.evaluation.metrics.registry import VALID_PREFIX, epoch_metrics
from dogbreed.report.metric_table import metric_table
from dogbreed.report.run.wording.sentences import caveats, in_plain_words
from dogbreed.training.next_steps import next_steps
from dogbreed.training.run_folder import log
from dogbreed.utils.metric_lines import is_read_by_sagemaker, result_line
from dogbreed.utils.screen import BRIEF, size_of


def log_results(facts: Facts) -> None:
    """Log how good the model is in plain words, the metrics as a table, and what fired."""
    log.info("\n%s", in_plain_words(facts))
    columns = size_of(sys.stdout).columns if sys.stdout.isatty() else None
    for line in metric_table(facts.metrics, columns):
        log.info("%s", line)
    for sentence in caveats(facts):
        log.info("%s", sentence)
    if VALID in facts.metrics:
        log_objectives(facts.metrics[VALID])
    log.info("")
    _log_evaluation(facts)
    if facts.watched:
        found = [verdict.name for verdict in facts.watched.verdicts if verdict.state == FIRED]
        log.info("rules: %s", f"{', '.join(found)} fired" if found else "none fired")
    for trigger in facts.profile.triggers if facts.profile else ():
        if trigger.state == FIRED:
            log.info("profile: %s: %s %s", trigger.name, trigger.message, trigger.recommendation)


def log_objectives(valid: SplitMetrics) -> None:
    """Log the metrics of the validation photos with their intervals; SageMaker reads the line."""
    results = {
        f"{VALID_PREFIX}{metric.name}": (valid[metric.name], valid.ci95[metric.name])
        for metric in epoch_metrics()
    }
    extra = {} if is_read_by_sagemaker() else {BRIEF: None}
    log.info(result_line(results), extra=extra)


def log_next_steps(config: Config, run: Path, facts: Facts) -> None:
    """Log the commands that follow a training; they are for the terminal that started it."""
    if is_read_by_sagemaker():
        return
    photos = [sample.path for sample in facts.test_samples]
    columns = size_of(sys.stdout).columns if sys.stdout.isatty() else None
    for line in next_steps(config, run, photos, columns):
        log.info("%s", line)


def _log_evaluation(facts: Facts) -> None:
    """Log how much better the model is than other heads, and what the temperature does."""
    test = facts.metrics[TEST]
    for baseline in facts.baselines:
        log.info(
            "%s on the same features %.1f%%: %+.1f points (95%%: %+.1f to %+.1f)",
            *(baseline.name, 100 * baseline.test["top1"], baseline.top1_gain_points),
            *baseline.top1_gain_ci95,
        )
    if facts.folds:
        log.info(
            "%d folds: top-1 %.1f%% ± %.1f, loss %.4f ± %.4f (standard deviations)",
            *(len(facts.folds.top1), 100 * facts.folds.top1_mean, 100 * facts.folds.top1_sd),
            *(facts.folds.loss_mean, facts.folds.loss_sd),
        )
    log.info(
        "temperature %.2f: ECE %.3f before, %.3f after (%.3f if calibrated perfectly); unknown "
        "below %.0f%%",
        *(facts.temperature, test["ece_share"], test["ece_calibrated_share"]),
        *(facts.calibration.floor_share, 100 * facts.threshold),
    )
    if facts.duplicates:
        log.info("%d photos may be in two splits: see the report", len(facts.duplicates))
