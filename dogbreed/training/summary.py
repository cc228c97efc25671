"""The results of a run as lines of its log."""

import sys

from dogbreed.data.layouts.splits import TEST, VALID
from dogbreed.debug.rules.verdicts import FIRED
from dogbreed.evaluation.facts import Facts
from dogbreed.evaluation.metrics.registry import VALID_PREFIX, epoch_metrics
from dogbreed.report.metric_table import metric_table
from dogbreed.training.run_folder import log
from dogbreed.utils.metric_lines import result_line


def log_results(facts: Facts) -> None:
    """Log the metrics as a table, the test fractions with their intervals, and what fired."""
    for line in metric_table(facts.metrics):
        log.info("%s", line)
    if VALID in facts.metrics and not sys.stderr.isatty():
        valid = facts.metrics[VALID]
        results = {
            f"{VALID_PREFIX}{metric.name}": (valid[metric.name], valid.ci95[metric.name])
            for metric in epoch_metrics()
        }
        log.info("")
        log.info(result_line(results))
    _log_evaluation(facts)
    if facts.watched:
        found = [verdict.name for verdict in facts.watched.verdicts if verdict.state == FIRED]
        log.info("rules: %s", f"{', '.join(found)} fired" if found else "none fired")
    for trigger in facts.profile.triggers if facts.profile else ():
        if trigger.state == FIRED:
            log.info("profile: %s: %s %s", trigger.name, trigger.message, trigger.recommendation)


def _log_evaluation(facts: Facts) -> None:
    """Log how good the model is on the test photos, and by how much better than the baseline."""
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
        *(facts.temperature, test["ece_share"], test["ece_calibrated_share"]),
        100 * facts.threshold,
    )
    if facts.duplicates:
        log.info("%d photos may be in two splits: see the report", len(facts.duplicates))
