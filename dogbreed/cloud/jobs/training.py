"""launcher=sagemaker: run a training job and download its results."""

from dataclasses import replace
from pathlib import Path

from dogbreed.cloud.aws.account import Account, sign_in
from dogbreed.cloud.aws.account_keys import check_attach, checked_keys
from dogbreed.cloud.aws.dry_account import dry_run_account, dry_run_copy
from dogbreed.cloud.container.entry_point import TRAIN
from dogbreed.cloud.jobs.browser import open_page
from dogbreed.cloud.jobs.capacity import start_within_quotas, warm_pool_lines
from dogbreed.cloud.jobs.costs import Use
from dogbreed.cloud.jobs.debugger import debugger_request, rule_lines, rules_image, with_hook
from dogbreed.cloud.jobs.dry_run import log_costs, log_plan
from dogbreed.cloud.jobs.inputs import job_name, job_on_inputs, plan_inputs, upload_inputs
from dogbreed.cloud.jobs.requests import training_request
from dogbreed.cloud.jobs.results import (
    RUN_OUTPUTS,
    check_no_local_results,
    fetch_model,
    fetch_outputs,
)
from dogbreed.cloud.jobs.start import start_training, training_exists
from dogbreed.cloud.jobs.wait import check_completed, wait_for_training
from dogbreed.configuration.search import MINIMIZE, FinalConfig
from dogbreed.errors import CloudError
from dogbreed.search.table import live_table
from dogbreed.training.run_folder import check_writable, log, log_to_terminal, point_latest
from dogbreed.utils.documents import DocumentError, read_json

METRIC = "valid_loss"


def train_on_sagemaker(config: FinalConfig) -> None:
    """Start a training job, or attach to one; wait for it, and download its results to outputs/.

    Raises:
        DogbreedError: one sentence with the reason and the remedy; `Stopped` after Ctrl-C names
            the job that still runs.
    """
    log_to_terminal()
    check_writable(Path(config.output_root))
    if config.attach is not None:
        check_attach(config.attach, dry_run=config.dry_run)
        _attach(config, config.attach)
        return
    config = replace(with_hook(config), launcher=checked_keys(config.launcher))
    launcher = config.launcher
    account = dry_run_account(launcher) if config.dry_run else sign_in(launcher)
    rules_uri = rules_image(account.region) if config.cloud_debugger else None
    inputs = plan_inputs(account, config, launcher.instance_type)
    name = job_name()
    job = job_on_inputs(account, launcher, inputs, name, TRAIN, inputs.settings)

    uses = [Use.of(job, launcher, jobs=1)]

    def start(types: tuple[str, ...], account: Account = account) -> None:
        request = training_request(account, launcher, replace(job, types=types))
        if rules_uri is not None:
            request |= debugger_request(rules_uri, job.output_uri)
        start_training(account, request)

    if not account.dry:
        start(job.types, dry_run_copy(account))
        log_costs(account, inputs, uses)
        upload_inputs(account, config, inputs)
    start_within_quotas(job.types, start)
    if account.dry:
        checked = ["the configuration", "every request fits the service's model"]
        log_plan(account, inputs, uses, checked)
        return
    log.info("started %s (region %s)", name, account.region)
    for line in warm_pool_lines(launcher, name, account.region):
        log.info("%s", line)
    if not config.wait:
        log.info(
            "it runs and costs until it ends: attach=%s waits for it and downloads its model", name
        )
        return
    _finish(account, config, name)


def _attach(config: FinalConfig, name: str) -> None:
    """Wait for a training job that was started before."""
    check_no_local_results(Path(config.output_root) / name, name)
    account = sign_in(checked_keys(config.launcher))
    if not training_exists(account, name):
        raise CloudError(
            f"attach={name}: there is no training job of that name in {account.region}."
        )
    _finish(account, config, name)


def _finish(account: Account, config: FinalConfig, name: str) -> None:
    """Wait for a training job, download its results, and log its test accuracy."""
    with live_table([], METRIC, MINIMIZE, 1) as show_trials:
        trial = wait_for_training(account, name, METRIC, show_trials)
    folder = Path(config.output_root) / name
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
