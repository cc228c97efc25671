"""The work of launch/teardown.py: what this project made, listed, deleted, and looked for again."""

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account, same_place, sign_in
from dogbreed.cloud.aws.account_keys import checked_keys
from dogbreed.cloud.aws.errors import is_missing, translate_errors
from dogbreed.cloud.aws.objects import split_uri
from dogbreed.cloud.endpoints import endpoints
from dogbreed.cloud.endpoints.expiry import GROUP, drop_schedule
from dogbreed.cloud.endpoints.inventory import (
    ARCHIVE_KIND,
    CONFIG_KIND,
    ENDPOINT_KIND,
    GROUP_KIND,
    MODEL_KIND,
    PACKAGE_KIND,
    RUNNING,
    SCALING_KIND,
    SCHEDULE_KIND,
    STOPPING,
    TRAINING_KIND,
    TRANSFORM_KIND,
    TUNING_KIND,
    UPLOAD_KIND,
    Thing,
    find_all,
)
from dogbreed.cloud.endpoints.log import GROUP as LOG_GROUP
from dogbreed.cloud.endpoints.scaling import SERVICE as SCALING_SERVICE
from dogbreed.cloud.endpoints.scaling import stop_scaling
from dogbreed.configuration.commands import typed
from dogbreed.configuration.deploy import TeardownConfig
from dogbreed.errors import ConfigError, Stopped
from dogbreed.training.run_folder import log, log_to_terminal

# What stands on something else goes before it.
ORDER = (
    *(SCHEDULE_KIND, SCALING_KIND, TUNING_KIND, TRAINING_KIND, TRANSFORM_KIND),
    *(ENDPOINT_KIND, CONFIG_KIND, MODEL_KIND, PACKAGE_KIND, GROUP_KIND, ARCHIVE_KIND),
    UPLOAD_KIND,
)
THE_GROUP = ("group of the schedules", GROUP)  # not listed, and free
LOG_GROUPS = {
    ENDPOINT_KIND: LOG_GROUP,
    TRAINING_KIND: "/aws/sagemaker/TrainingJobs",
    TUNING_KIND: "/aws/sagemaker/TrainingJobs",
    TRANSFORM_KIND: "/aws/sagemaker/TransformJobs",
}
PAUSE_S = 2.0


def tear_down(config: TeardownConfig) -> bool:
    """List what there is, delete what is chosen; whether nothing of that is left.

    Raises:
        CloudError, ConfigError: two choices at once, a key that can't be, or AWS refuses to list.
    """
    if config.endpoint is not None and config.all:
        raise ConfigError("endpoint=NAME and all=true: give one of them.")
    if config.endpoint is not None:
        endpoints.check_endpoint_name(config.endpoint)
    config = replace(config, launcher=checked_keys(config.launcher))
    log_to_terminal()
    account = sign_in(config.launcher, to_make=False)
    found = _look(account, config)
    if config.endpoint is None and not config.all:
        _tell(account, config, found)
        return True
    chosen = found if config.all else _made_for(account, config.endpoint or "", found)
    if not chosen:
        what = "this project" if config.all else f"an endpoint {config.endpoint}"
        log.info("there is nothing of %s in %s", what, account.region)
        return True
    with _run_again():
        refused = _delete_all(account, config, chosen)
        left = [thing for thing in _look(account, config) if _same(thing, chosen)]
    for thing in left:
        why = refused.get((thing.kind, thing.name), "it is there still")
        log.error("left: %s: %s", thing, why)
    group = refused.get(THE_GROUP)
    if group is not None:
        log.error("left: the schedules' group %s: %s", GROUP, group)
    log.info("looked again: %d deleted, %d left", len(chosen) - len(left), len(left))
    _tell_what_stays(account, config, chosen)
    return not left and group is None


@contextmanager
def _run_again() -> Iterator[None]:
    """Say that what was stopped half-way can be gone on with."""
    try:
        with translate_errors("deleting (run it again, it goes on)"):
            yield
    except Stopped as stopped:
        raise Stopped("stopped: run it again, it goes on.", stopped.exit_code - 128) from stopped


def _look(account: Account, config: TeardownConfig) -> list[Thing]:
    with translate_errors("looking for what this project made"):
        found = find_all(account, config.launcher)
    return sorted(found, key=lambda thing: (ORDER.index(thing.kind), thing.name))


def _tell(account: Account, config: TeardownConfig, found: Sequence[Thing]) -> None:
    if not found:
        log.info("there is nothing of this project in %s", account.region)
        return
    for thing in found:
        log.info("%s", thing)
    log.info(
        "\nnothing was deleted. %s endpoint=NAME%s deletes what was made\n"
        "for an endpoint, all=true all of the above.",
        typed("teardown"),
        same_place(config.launcher),
    )
    _tell_what_stays(account, config)


def _tell_what_stays(
    account: Account, config: TeardownConfig, deleted: Sequence[Thing] = ()
) -> None:
    log.info(
        "Photos, features and results of jobs stay: aws s3 rm --recursive %s",
        shlex.quote(f"s3://{account.bucket}/{config.launcher.prefix}/"),
    )
    groups = {
        LOG_GROUPS.get(thing.kind, "").format(name=thing.name)
        for thing in deleted
        if thing.kind in LOG_GROUPS
    }
    if groups:
        log.info(
            "Logs stay: %s (aws logs delete-log-group --region %s --log-group-name NAME)",
            *(", ".join(sorted(groups)), account.region),
        )


def _same(thing: Thing, chosen: Sequence[Thing]) -> bool:
    return any((thing.kind, thing.name) == (each.kind, each.name) for each in chosen)


def _made_for(account: Account, endpoint: str, found: Sequence[Thing]) -> list[Thing]:
    """What was made for an endpoint, less the archives that a registered version still needs."""
    chosen = [thing for thing in found if thing.endpoint == endpoint]
    with translate_errors("looking at the models"):
        others = [thing for thing in found if thing not in chosen]
        needed = _archives_of(account.client("sagemaker"), others)
    folders = {uri.rpartition("/")[0] for uri in needed}
    return [
        thing
        for thing in chosen
        if thing.kind != ARCHIVE_KIND or thing.name.rpartition("/")[0] not in folders
    ]


def _archives_of(client: Any, things: Sequence[Thing]) -> set[str]:
    """The archives that models and registered versions serve from; errors are botocore's."""
    uris = set()
    for thing in things:
        if thing.kind == MODEL_KIND:
            told = client.describe_model(ModelName=thing.name)
            uris.add(told["PrimaryContainer"].get("ModelDataUrl", ""))
        elif thing.kind == PACKAGE_KIND:
            told = client.describe_model_package(ModelPackageName=thing.name)
            containers = told["InferenceSpecification"]["Containers"]
            uris |= {container.get("ModelDataUrl", "") for container in containers}
    return uris


def _delete_all(
    account: Account, config: TeardownConfig, chosen: Sequence[Thing]
) -> dict[tuple[str, str], str]:
    """Delete one after the other; what AWS says of those that it refuses to."""
    refused = {}
    deletions = _deletions(account, config)
    for thing in chosen:
        log.info("deleting %s", thing)
        try:
            deletions[thing.kind](thing)
        except ClientError as error:
            if not is_missing(error):
                refused[thing.kind, thing.name] = " ".join(str(error).split())
    if config.all:
        try:
            account.client("scheduler").delete_schedule_group(Name=GROUP)
        except ClientError as error:
            if not is_missing(error):
                refused[THE_GROUP] = " ".join(str(error).split())
    return refused


def _deletions(account: Account, config: TeardownConfig) -> dict[str, Callable[[Thing], object]]:
    """How each kind is deleted; errors are botocore's."""
    client, s3 = account.client("sagemaker"), account.client("s3")

    def object_of(thing: Thing) -> dict[str, str]:
        bucket, key = split_uri(thing.name)
        return {"Bucket": bucket, "Key": key}

    def stop_tuning(thing: Thing) -> None:
        name = {"HyperParameterTuningJobName": thing.name}
        ask, field = client.describe_hyper_parameter_tuning_job, "HyperParameterTuningJobStatus"
        stop = client.stop_hyper_parameter_tuning_job
        _stop(thing, lambda: stop(**name), lambda: ask(**name)[field], config.wait_minutes)

    def stop_training(thing: Thing) -> None:
        name = {"TrainingJobName": thing.name}
        ask, field = client.describe_training_job, "TrainingJobStatus"
        stop = client.stop_training_job
        _stop(thing, lambda: stop(**name), lambda: ask(**name)[field], config.wait_minutes)

    def stop_transform(thing: Thing) -> None:
        name = {"TransformJobName": thing.name}
        ask, field = client.describe_transform_job, "TransformJobStatus"
        stop = client.stop_transform_job
        _stop(thing, lambda: stop(**name), lambda: ask(**name)[field], config.wait_minutes)

    return {
        SCHEDULE_KIND: lambda it: drop_schedule(account.client("scheduler"), it.name),
        SCALING_KIND: lambda it: stop_scaling(account.client(SCALING_SERVICE), it.name),
        TUNING_KIND: stop_tuning,
        TRAINING_KIND: stop_training,
        TRANSFORM_KIND: stop_transform,
        ENDPOINT_KIND: lambda it: _delete_endpoint(client, it.name, config.wait_minutes),
        CONFIG_KIND: lambda it: client.delete_endpoint_config(EndpointConfigName=it.name),
        MODEL_KIND: lambda it: client.delete_model(ModelName=it.name),
        PACKAGE_KIND: lambda it: client.delete_model_package(ModelPackageName=it.name),
        GROUP_KIND: lambda it: client.delete_model_package_group(ModelPackageGroupName=it.name),
        ARCHIVE_KIND: lambda it: s3.delete_object(**object_of(it)),
        UPLOAD_KIND: lambda it: s3.abort_multipart_upload(**object_of(it), UploadId=it.note),
    }


def _stop(
    thing: Thing, stop: Callable[[], object], status: Callable[[], str], wait_minutes: float
) -> None:
    """Stop a job, and wait until it has ended."""
    if thing.note != STOPPING:
        stop()
    deadline = time.monotonic() + 60 * wait_minutes
    while status() in RUNNING and time.monotonic() < deadline:
        time.sleep(PAUSE_S)


def _delete_endpoint(client: Any, name: str, wait_minutes: float) -> None:
    """Delete an endpoint as soon as it lets itself be, and wait until it is gone."""
    deadline = time.monotonic() + 60 * wait_minutes
    while True:
        now = endpoints.describe(client, name)
        if now is None:
            return
        if now.status != endpoints.DELETING:
            try:
                client.delete_endpoint(EndpointName=name)
                continue
            except ClientError as error:
                busy = any(words in str(error).lower() for words in endpoints.OTHER_FIRST)
                if not busy or time.monotonic() > deadline:
                    raise
            log.info("  it is %s: waiting until it can be deleted", now.status)
        if time.monotonic() > deadline:
            return
        time.sleep(PAUSE_S)
