"""launcher=sagemaker: one training in the account, and its results brought here."""

import json
from pathlib import Path

from dogbreed.cloud.account import Account, sign_in, stand_in
from dogbreed.cloud.costs import Use
from dogbreed.cloud.inside import TRAIN
from dogbreed.cloud.job_requests import training_request
from dogbreed.cloud.jobs import start_training, training_exists
from dogbreed.cloud.plan import tell_plan
from dogbreed.cloud.results import fetch_model, fetch_outputs
from dogbreed.cloud.staging import job_name, job_of, stage
from dogbreed.cloud.watch import wait_for_training
from dogbreed.errors import CloudError
from dogbreed.runs import check_writable, log, log_to_terminal, point_latest
from dogbreed.search.config import MINIMIZE, FinalConfig
from dogbreed.search.table import live_table

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
        account = sign_in(config.launcher)
        if not training_exists(account, config.attach):
            raise CloudError(
                f"attach={config.attach}: there is no training job of that name in "
                f"{account.region}."
            )
        _finish(account, config, config.attach)
        return
    launcher = config.launcher
    account = stand_in(launcher) if config.dry_run else sign_in(launcher)
    staged = stage(account, config, [launcher.instance_type])
    name = job_name()
    job = job_of(account, launcher, staged, name, TRAIN, staged.settings)
    start_training(account, training_request(account, launcher, job))
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


def _finish(account: Account, config: FinalConfig, name: str) -> None:
    """Wait for a training, bring its results here, and say how good it is."""
    with live_table([], METRIC, MINIMIZE, 1) as show:
        trial = wait_for_training(account, name, METRIC, show)
    folder = Path(config.output_root) / name
    fetch_outputs(account, name, folder)
    fetch_model(account, name, folder / "model")
    found = folder / "metrics.json"
    if not found.is_file():
        raise CloudError(f"{name} was no training: it has left no {found.name}.")
    point_latest(folder)
    metrics = json.loads(found.read_text("utf-8"))
    top1, (low, high) = metrics["test"]["top1"], metrics["test"]["ci95"]["top1"]
    log.info("test top-1 %.1f%% (95%%: %.1f to %.1f)", 100 * top1, 100 * low, 100 * high)
    if trial.cost_usd is not None:
        log.info("%.0f s billed, about %.2f USD", trial.seconds, trial.cost_usd)
    log.info("results: %s", folder)
