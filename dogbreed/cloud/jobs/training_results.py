"""Wait for a training on SageMaker, and download its results."""

from pathlib import Path

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.jobs.browser import open_page
from dogbreed.cloud.jobs.debugger import rule_lines
from dogbreed.cloud.jobs.results import RUN_OUTPUTS, fetch_model, fetch_outputs
from dogbreed.cloud.jobs.wait import check_completed, wait_for_training
from dogbreed.configuration.search import MINIMIZE
from dogbreed.errors import CloudError
from dogbreed.search.table import live_table
from dogbreed.training.run_folder import log, point_latest
from dogbreed.utils.documents import DocumentError, read_json

METRIC = "valid_loss"


def finish(account: Account, name: str, folder: Path) -> None:
    """Wait for a training job, download its results to `folder`, and log its test accuracy.

    Raises:
        CloudError: it failed, it is no training of this project, or AWS refuses.
        Stopped: Ctrl-C; the message names the job that still runs.
    """
    with live_table([], METRIC, MINIMIZE, 1) as show_trials:
        trial = wait_for_training(account, name, METRIC, show_trials)
    for line in rule_lines(account, name):
        log.info("%s", line)
    try:
        check_completed(trial)
    except CloudError as error:
        raise CloudError(
            f"{str(error).rstrip('.')}. {_partial_results(account, name, folder)}"
        ) from error
    fetch_outputs(account, name, folder, RUN_OUTPUTS)
    fetch_model(account, name, folder / "model")
    metrics = folder / "metrics.json"
    if not metrics.is_file():
        raise CloudError(f"{name} is no training job: it has no {metrics.name}.")
    point_latest(folder)
    top1, (low, high) = _test_top1(metrics)
    log.info("test top-1 %.1f%% (95%%: %.1f to %.1f)", 100 * top1, 100 * low, 100 * high)
    if trial.cost_usd is not None:
        log.info("%.0f s billed, about %.2f USD", trial.seconds, trial.cost_usd)
    report = folder / "report.html"
    log.info("results: %s\nreport: %s", folder, report)
    open_page(report)


def _test_top1(path: Path) -> tuple[float, tuple[float, float]]:
    """Top-1 accuracy on the test photos and its 95 % interval, from a downloaded metrics.json."""
    try:
        test = read_json(path)["test"]
        low, high = test["ci95"]["top1"]
        return float(test["top1"]), (float(low), float(high))
    except (DocumentError, LookupError, TypeError, ValueError) as error:
        raise CloudError(
            f"{path} isn't the metrics.json of a training of this project: train again."
        ) from error


def _partial_results(account: Account, name: str, folder: Path) -> str:
    """Download the output of a failed or stopped training; return a sentence with its location."""
    try:
        fetch_outputs(account, name, folder, RUN_OUTPUTS)
    except CloudError:  # usually it failed before it wrote any
        return f"Its log is in CloudWatch: /aws/sagemaker/TrainingJobs, {name}."
    recorded = folder / "debug"
    return f"Its output until then: {recorded if recorded.is_dir() else folder}."
