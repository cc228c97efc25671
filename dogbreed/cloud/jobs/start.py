"""Create training and tuning jobs exactly once, and look them up."""

from collections.abc import Callable
from typing import TypeVar

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from sagemaker.core.resources import HyperParameterTuningJob, TrainingJob

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import code_of, is_missing, translate_errors, tries
from dogbreed.errors import CloudError, Stopped

Resource = TypeVar("Resource")


def find_training(account: Account, name: str) -> TrainingJob | None:
    """The training job of this name; None if there is none.

    Raises:
        CloudError: AWS refuses.
    """
    return _found(lambda: get_training(account.session, name), name)


def find_tuning(account: Account, name: str) -> HyperParameterTuningJob | None:
    """The tuning job of this name; None if there is none.

    Raises:
        CloudError: AWS refuses.
    """
    return _found(lambda: get_tuning(account.session, name), name)


def get_training(session: boto3.Session, name: str) -> TrainingJob:
    """The training job of this name; errors are botocore's."""
    job = TrainingJob.get(name, session=session, region=session.region_name)
    assert job is not None
    return job


def get_tuning(session: boto3.Session, name: str) -> HyperParameterTuningJob:
    """The tuning job of this name; errors are botocore's."""
    job = HyperParameterTuningJob.get(name, session=session, region=session.region_name)
    assert job is not None
    return job


def create_once(name: str, create: Callable[[], Resource], get: Callable[[], Resource]) -> Resource:
    """Send a request that must not start a second job, even if the response is lost.

    The SDK describes a job after creating it, so an error may come from either request.

    Raises:
        CloudError: AWS refuses; the message says if whether the job was started isn't known.
        Stopped: Ctrl-C during the requests; the same.
    """
    unknown = (
        f"starting {name}: whether the job was started isn't known. If it was, attach={name} waits "
        "for it."
    )
    with translate_errors(f"starting {name}"):
        try:
            return _create(name, create, get, unknown)
        except Stopped as stopped:
            raise Stopped(unknown, stopped.exit_code - 128) from stopped


def _create(
    name: str, create: Callable[[], Resource], get: Callable[[], Resource], unknown: str
) -> Resource:
    """Create a job, or find it after an error; `unknown` is the message if neither succeeds."""
    try:
        return create()
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and _is_of_others(error):
            raise CloudError(
                f"a job {name} exists already, of another launch: attach={name} waits for it, "
                "another search.name starts a new search."
            ) from error
        try:
            job = _found(get, name)
        except CloudError:
            raise CloudError(f"{unknown} ({' '.join(str(error).split())})") from error
        if job is None:
            raise
        return job


def _is_of_others(error: ClientError) -> bool:
    """Whether the name was in use at the first try already, so that the job isn't this launch's.

    At a further try it may be: an earlier one, whose response was lost, has started it.
    """
    return code_of(error) == "ResourceInUse" and tries(error) == 1


def _found(get: Callable[[], Resource], name: str) -> Resource | None:
    with translate_errors(f"checking whether {name} exists"):
        try:
            return get()
        except ClientError as error:
            if is_missing(error):
                return None
            raise
