"""launcher=sagemaker: one training in the account, and its results brought here."""

from dataclasses import replace
from pathlib import Path

from dogbreed.cloud.aws.account import Account, rehearsal, sign_in, stand_in
from dogbreed.cloud.aws.account_keys import check_attach, checked_keys
from dogbreed.cloud.container.entry_point import TRAIN
from dogbreed.cloud.jobs.browser import show
from dogbreed.cloud.jobs.costs import Use
from dogbreed.cloud.jobs.debugger import debugger_request, rule_lines, rules_image, with_hook
from dogbreed.cloud.jobs.jobs import start_training, training_exists
from dogbreed.cloud.jobs.monitor import check_completed, wait_for_training
from dogbreed.cloud.jobs.plan import tell_plan
from dogbreed.cloud.jobs.requests import training_request
from dogbreed.cloud.jobs.results import (
    RUN_OUTPUTS,
    check_no_local_results,
    fetch_model,
    fetch_outputs,
)
from dogbreed.cloud.jobs.staging import job_name, job_of, send, stage
from dogbreed.configuration.search import MINIMIZE, FinalConfig
from dogbreed.errors import CloudError
from dogbreed.search.table import live_table
from dogbreed.training.run_folder import check_writable, log, log_to_terminal, point_latest
from dogbreed.utils.documents import DocumentError, read_json

METRIC = "valid_loss"


def train_on_sagemaker(config: FinalConfig) -> None:
    """Start a training job and wait for it, or take one up; its results end up in outputs/.

    Raises:
        DogbreedError: what the user can mend, in one sentence; `Stopped` after Ctrl-C, with the
            name of what still runs.
    """
    log_to_terminal()
    check_writable(Path(config.output_root))
    if config.attach is not None:
        check_attach(config.attach, dry_run=config.dry_run)
        _attach(config, config.attach)
        return
    config = replace(with_hook(config), launcher=checked_keys(config.launcher))
    launcher = config.launcher
    account = stand_in(launcher) if config.dry_run else sign_in(launcher)
    rules_uri = rules_image(account.region) if config.cloud_debugger else None
    staged = stage(account, config, [launcher.instance_type])
    name = job_name()
    job = job_of(account, launcher, staged, name, TRAIN, staged.settings)
    request = training_request(account, launcher, job)
    if rules_uri is not None:
        request |= debugger_request(rules_uri, job.output_uri)
    if not account.dry:
        start_training(rehearsal(account), request)
        send(account, config, staged)
    start_training(account, request)
    if account.dry:
        tell_plan(
            account,
            staged,
            [Use.of(job, launcher, jobs=1)],
            ["the configuration", "every request fits the service's model"],
        )
        return
    log.info("started %s (region %s)", name, account.region)
    if not config.wait:
        log.info("it runs and costs until it ends: attach=%s shows it and fetches its model", name)
        return
    _finish(account, config, name)


def _attach(config: FinalConfig, name: str) -> None:
    """Take up a training that was started before."""
    check_no_local_results(Path(config.output_root) / name, name)
    account = sign_in(checked_keys(config.launcher))
    if not training_exists(account, name):
        raise CloudError(
            f"attach={name}: there is no training job of that name in {account.region}."
        )
    _finish(account, config, name)


def _finish(account: Account, config: FinalConfig, name: str) -> None:
    """Wait for a training, bring its results here, and say how good it is."""
    with live_table([], METRIC, MINIMIZE, 1) as show_trials:
        trial = wait_for_training(account, name, METRIC, show_trials)
    folder = Path(config.output_root) / name
    for line in rule_lines(account, name):
        log.info("%s", line)
    try:
        check_completed(trial)
    except CloudError as error:
        raise CloudError(f"{str(error).rstrip('.')}. {_evidence(account, name, folder)}") from error
    fetch_outputs(account, name, folder, RUN_OUTPUTS)
    fetch_model(account, name, folder / "model")
    found = folder / "metrics.json"
    if not found.is_file():
        raise CloudError(f"{name} was no training: it has left no {found.name}.")
    point_latest(folder)
    top1, (low, high) = _test_top1(found)
    log.info("test top-1 %.1f%% (95%%: %.1f to %.1f)", 100 * top1, 100 * low, 100 * high)
    if trial.cost_usd is not None:
        log.info("%.0f s billed, about %.2f USD", trial.seconds, trial.cost_usd)
    report = folder / "report.html"
    log.info("results: %s\nreport: %s", folder, report)
    show(report)


def _test_top1(path: Path) -> tuple[float, tuple[float, float]]:
    """Top-1 accuracy on the test photos and its 95 % interval, out of a fetched metrics.json."""
    try:
        test = read_json(path)["test"]
        low, high = test["ci95"]["top1"]
        return float(test["top1"]), (float(low), float(high))
    except (DocumentError, LookupError, TypeError, ValueError) as error:
        raise CloudError(
            f"{path} isn't what a training of this project writes: train again."
        ) from error


def _evidence(account: Account, name: str, folder: Path) -> str:
    """Bring what a training left that didn't end well; a sentence that says where it lies."""
    try:
        fetch_outputs(account, name, folder, RUN_OUTPUTS)
    except CloudError:  # most often: it had come to nothing yet
        return f"Its log is in CloudWatch: /aws/sagemaker/TrainingJobs, {name}."
    recorded = folder / "debug"
    return f"What was recorded until then: {recorded if recorded.is_dir() else folder}."
