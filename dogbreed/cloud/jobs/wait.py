"""Wait until a training or tuning job has ended; after Ctrl-C name the job that still runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.aws.polling import poll
from dogbreed.cloud.jobs.failures import with_hint
from dogbreed.cloud.jobs.price_list import price_reader
from dogbreed.cloud.jobs.status import Tuning, describe_training, describe_tuning, with_description
from dogbreed.errors import CloudError, Stopped
from dogbreed.search.trials import COMPLETED, Show, Trial


def wait_for_training(account: Account, name: str, metric: str, show: Show) -> Trial:
    """Wait until a training job has ended, in whatever status; `show` is called at each poll.

    Raises:
        CloudError: AWS refuses, or the network is down for long.
        Stopped: Ctrl-C; the message names the job that still runs.
    """
    return _wait(account, name, metric, show, f"attach={name} waits for it again")


def wait_for_extraction(account: Account, name: str, show: Show) -> None:
    """Wait until the job that extracts features has completed.

    Raises:
        CloudError: as `wait_for_training` and `check_completed`.
        Stopped: as `wait_for_training`.
    """
    check_completed(_wait(account, name, "", show, "the same command waits for it again"))


def check_completed(trial: Trial) -> None:
    """Check that a job has completed.

    Raises:
        CloudError: it failed or was stopped; with the reason, and what to do about it if known.
    """
    if trial.status != COMPLETED:
        raise CloudError(f"{trial.name}: {trial.status}. {with_hint(trial.reason)}".strip())


def _wait(account: Account, name: str, metric: str, show: Show, resume: str) -> Trial:
    price_of = price_reader(account)
    with _name_running(account, name, "training", resume):
        for trial in poll(lambda: describe_training(account, name, metric, price_of)):
            show([trial])
            if trial.over:
                break
    return trial


def wait_for_tuning(account: Account, name: str, metric: str, show: Show) -> Tuning:
    """Wait until a tuning job has ended; return it with the description of each trial.

    Raises:
        CloudError: AWS refuses, or the network is down for long.
        Stopped: Ctrl-C; the message names the job that still runs.
    """
    resume = f"attach={name} waits for it again"
    price_of = price_reader(account)
    with _name_running(account, name, "hyper-parameter-tuning", resume):
        for tuning in poll(lambda: describe_tuning(account, name, price_of)):
            show(tuning.trials)
            if tuning.over:
                break
    with translate_errors(f"reading the trials of {name}"):
        trials = [with_description(account, trial, metric, price_of) for trial in tuning.trials]
    return replace(tuning, trials=trials)


@contextmanager
def _name_running(account: Account, name: str, kind: str, resume: str) -> Iterator[None]:
    """Name the job that still runs in an exception that ends the block."""
    left = (
        f"{name} still runs and costs: {resume}, `aws sagemaker "
        f"stop-{kind}-job --{kind}-job-name {name} --region {account.region}` stops it."
    )
    try:
        with translate_errors(f"waiting for {name}"):
            yield
    except Stopped as stopped:
        raise Stopped(f"no longer waiting: {left}", stopped.exit_code - 128) from stopped
    except CloudError as error:
        raise CloudError(f"{error} {left}") from error
