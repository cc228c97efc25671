"""Start training and tuning jobs exactly once, and check whether a job exists.

The requests use the SDK's resource classes. ModelTrainer isn't used (SDK 3.27), as it generates the
job's name, so a retry could start a second job, and needs iam:SimulatePrincipalPolicy; neither is
HyperparameterTuner, as it drops the KMS key of the disks.
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from sagemaker.core.resources import HyperParameterTuningJob, TrainingJob

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import code_of, is_missing, translate_errors
from dogbreed.errors import CloudError, Stopped


def start_training(account: Account, request: dict[str, Any]) -> None:
    """Start the training job of a `training_request`, once.

    Raises:
        CloudError: AWS refuses.
    """
    name = request["training_job_name"]
    place = {"session": account.session, "region": account.region}
    _once(
        lambda: TrainingJob.create(**request, **place),
        name,
        lambda: training_exists(account, name),
    )


def start_tuning(account: Account, request: dict[str, Any]) -> None:
    """Start the tuning job of a `tuning_request`, once.

    Raises:
        CloudError: AWS refuses.
    """
    name = request["hyper_parameter_tuning_job_name"]
    place = {"session": account.session, "region": account.region}
    _once(
        lambda: HyperParameterTuningJob.create(**request, **place),
        name,
        lambda: tuning_exists(account, name),
    )


def training_exists(account: Account, name: str) -> bool:
    """Whether there is a training job of this name."""
    return _exists(lambda: TrainingJob.get(name, session=account.session, region=account.region))


def tuning_exists(account: Account, name: str) -> bool:
    """Whether there is a tuning job of this name."""
    return _exists(
        lambda: HyperParameterTuningJob.get(name, session=account.session, region=account.region)
    )


def _exists(get: Callable[[], Any]) -> bool:
    with translate_errors("checking whether a job of that name exists"):
        try:
            get()
        except ClientError as error:
            if is_missing(error):
                return False
            raise
    return True


def _once(create: Callable[[], Any], name: str, exists: Callable[[], bool]) -> None:
    """Send a request that must not start a second job, even if the response is lost.

    The SDK describes a job after creating it, so an error may come from either request.
    """
    unknown = (
        f"starting {name}: whether the job was started isn't known. If it was, attach={name} waits "
        "for it."
    )
    with translate_errors(f"starting {name}"):
        try:
            create()
        except Stopped as stopped:
            raise Stopped(unknown, stopped.exit_code - 128) from stopped
        except (ClientError, BotoCoreError) as error:
            # The name is unique, so an earlier request whose response was lost has started it.
            if isinstance(error, ClientError) and code_of(error) == "ResourceInUse":
                return
            try:
                started = exists()
            except CloudError:
                raise CloudError(f"{unknown} ({' '.join(str(error).split())})") from error
            if not started:
                raise
