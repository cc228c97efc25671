"""Wait until a training or tuning job has ended; after Ctrl-C name the job that still runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.aws.polling import poll
from dogbreed.cloud.jobs.capacity import NO_CAPACITY
from dogbreed.cloud.jobs.status import Tuning, describe_training, describe_tuning, with_interval
from dogbreed.errors import CloudError, Stopped
from dogbreed.search.trials import COMPLETED, Show, Trial

# What to do about failures before any code of this package has run, by what SageMaker says of them.
_CAPACITY = (
    "The same command tries again; with launcher.instance_type=[FIRST,SECOND] SageMaker takes the "
    "first type that has capacity."
)
_TOOLKIT = (
    "The container didn't start: an image of your own (launcher.image_uri) needs SageMaker's "
    "training toolkit (pip install sagemaker-pytorch-training), which runs as `train`."
)
HINTS = {
    **dict.fromkeys(NO_CAPACITY, _CAPACITY),
    "CannotStartContainerError": _TOOLKIT,
    "executable file not found": _TOOLKIT,
    "InstallRequirementsError": (
        "The job's packages weren't installed: its log says why. launcher.install=index takes them "
        "from an index, launcher.install=none those of the image."
    ),
}


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
    """Raise a CloudError, with its failure reason, for a job that failed or was stopped."""
    if trial.status != COMPLETED:
        hint = next((text for sign, text in HINTS.items() if sign in trial.reason), "")
        raise CloudError(f"{trial.name}: {trial.status}. {trial.reason} {hint}".strip())


def _wait(account: Account, name: str, metric: str, show: Show, resume: str) -> Trial:
    with _name_running(account, name, "training", resume):
        for trial in poll(lambda: describe_training(account, name, metric)):
            show([trial])
            if trial.over:
                break
    return trial


def wait_for_tuning(account: Account, name: str, metric: str, show: Show) -> Tuning:
    """Wait until a tuning job has ended; return it with the interval of each completed trial.

    Raises:
        CloudError: AWS refuses, or the network is down for long.
        Stopped: Ctrl-C; the message names the job that still runs.
    """
    resume = f"attach={name} waits for it again"
    with _name_running(account, name, "hyper-parameter-tuning", resume):
        for tuning in poll(lambda: describe_tuning(account, name)):
            show(tuning.trials)
            if tuning.over:
                break
    with translate_errors(f"reading the trials of {name}"):
        trials = [with_interval(account, trial, metric) for trial in tuning.trials]
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
