"""Delete resources of this project: endpoints, models, schedules, archives; stop jobs."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import is_in_progress, is_missing
from dogbreed.cloud.aws.objects import split_uri
from dogbreed.cloud.endpoints.alarms import ALARM_SERVICE, delete_alarms
from dogbreed.cloud.endpoints.async_scaling import delete_alarm
from dogbreed.cloud.endpoints.event_rules import delete_rule
from dogbreed.cloud.endpoints.expiry import delete_schedule
from dogbreed.cloud.endpoints.inventory import (
    ALARM_KIND,
    ARCHIVE_KIND,
    CONFIG_KIND,
    ENDPOINT_KIND,
    GROUP_KIND,
    MODEL_KIND,
    PACKAGE_KIND,
    PIPELINE_KIND,
    RULE_KIND,
    RUNNING,
    SCALING_KIND,
    SCHEDULE_KIND,
    STOPPING,
    TRAINING_KIND,
    TRANSFORM_KIND,
    TUNING_KIND,
    UPLOAD_KIND,
    Resource,
)
from dogbreed.cloud.endpoints.scaling import SCALING_SERVICE, stop_scaling
from dogbreed.configuration.deploy import TeardownConfig
from dogbreed.training.run_folder import log

EXECUTING = "Executing"  # the status of a pipeline's execution
PAUSE_S = 2.0

Errors = dict[tuple[str, str], str]  # AWS's message by a resource's kind and name


def delete_all(account: Account, config: TeardownConfig, chosen: Sequence[Resource]) -> Errors:
    """Delete the resources in order; return the errors of those that AWS refuses to delete."""
    errors: Errors = {}
    deletions = _deletions(account, config)
    for resource in chosen:
        log.info("deleting %s", resource)
        try:
            deletions[resource.kind](resource)
        except ClientError as error:
            if not is_missing(error):
                errors[resource.kind, resource.name] = " ".join(str(error).split())
    return errors


def _deletions(account: Account, config: TeardownConfig) -> dict[str, Callable[[Resource], object]]:
    """How each kind is deleted; errors are botocore's."""
    client, s3 = account.client("sagemaker"), account.client("s3")

    def object_of(resource: Resource) -> dict[str, str]:
        bucket, key = split_uri(resource.name)
        return {"Bucket": bucket, "Key": key}

    def stop_tuning(resource: Resource) -> None:
        name = {"HyperParameterTuningJobName": resource.name}
        describe = client.describe_hyper_parameter_tuning_job
        stop, field = client.stop_hyper_parameter_tuning_job, "HyperParameterTuningJobStatus"
        _stop(resource, lambda: stop(**name), lambda: describe(**name)[field], config.wait_minutes)

    def stop_training(resource: Resource) -> None:
        name = {"TrainingJobName": resource.name}
        describe, field = client.describe_training_job, "TrainingJobStatus"
        stop = client.stop_training_job
        _stop(resource, lambda: stop(**name), lambda: describe(**name)[field], config.wait_minutes)

    def stop_transform(resource: Resource) -> None:
        name = {"TransformJobName": resource.name}
        describe, field = client.describe_transform_job, "TransformJobStatus"
        stop = client.stop_transform_job
        _stop(resource, lambda: stop(**name), lambda: describe(**name)[field], config.wait_minutes)

    return {
        SCHEDULE_KIND: lambda one: delete_schedule(account.client("scheduler"), one.name),
        SCALING_KIND: lambda one: _stop_scaling(account, one.name),
        ALARM_KIND: lambda one: delete_alarms(account.client(ALARM_SERVICE), [one.name]),
        TUNING_KIND: stop_tuning,
        TRAINING_KIND: stop_training,
        TRANSFORM_KIND: stop_transform,
        ENDPOINT_KIND: lambda one: _delete_endpoint(client, one.name, config.wait_minutes),
        CONFIG_KIND: lambda one: client.delete_endpoint_config(EndpointConfigName=one.name),
        MODEL_KIND: lambda one: client.delete_model(ModelName=one.name),
        PACKAGE_KIND: lambda one: client.delete_model_package(ModelPackageName=one.name),
        GROUP_KIND: lambda one: client.delete_model_package_group(ModelPackageGroupName=one.name),
        PIPELINE_KIND: lambda one: _delete_pipeline(client, one.name, config.wait_minutes),
        RULE_KIND: lambda one: delete_rule(account.client("events"), one.name),
        ARCHIVE_KIND: lambda one: s3.delete_object(**object_of(one)),
        UPLOAD_KIND: lambda one: s3.abort_multipart_upload(**object_of(one), UploadId=one.note),
    }


def _stop_scaling(account: Account, endpoint: str) -> None:
    stop_scaling(account.client(SCALING_SERVICE), endpoint)
    delete_alarm(account, endpoint)


def _stop(
    resource: Resource, stop: Callable[[], object], status: Callable[[], str], wait_minutes: float
) -> None:
    """Stop a job, and wait until it has ended."""
    if resource.note != STOPPING:
        stop()
    deadline = time.monotonic() + 60 * wait_minutes
    while status() in RUNNING and time.monotonic() < deadline:
        time.sleep(PAUSE_S)


def _delete_pipeline(client: Any, name: str, wait_minutes: float) -> None:
    """Stop a pipeline's executions, which would create more, and delete it once they have ended."""
    pages = client.get_paginator("list_pipeline_executions")

    def executions(*statuses: str) -> list[str]:
        return [
            each["PipelineExecutionArn"]
            for page in pages.paginate(PipelineName=name)
            for each in page["PipelineExecutionSummaries"]
            if each["PipelineExecutionStatus"] in statuses
        ]

    for arn in executions(EXECUTING):
        client.stop_pipeline_execution(PipelineExecutionArn=arn)
    deadline = time.monotonic() + 60 * wait_minutes
    while executions(EXECUTING, STOPPING) and time.monotonic() < deadline:
        time.sleep(PAUSE_S)
    client.delete_pipeline(PipelineName=name)


def _delete_endpoint(client: Any, name: str, wait_minutes: float) -> None:
    """Delete an endpoint as soon as its status permits, and wait until it is gone."""
    deadline, refused = time.monotonic() + 60 * wait_minutes, False
    while True:
        try:
            client.delete_endpoint(EndpointName=name)
            break
        except ClientError as error:
            if not is_in_progress(error) or time.monotonic() > deadline:
                raise
        if not refused:
            log.info("  it is being changed: waiting until it can be deleted")
        refused = True
        time.sleep(PAUSE_S)
    polls = max(1, math.ceil((deadline - time.monotonic()) / PAUSE_S))
    waiter = client.get_waiter("endpoint_deleted")
    with suppress(WaiterError):  # it still exists, which the next listing shows
        waiter.wait(EndpointName=name, WaiterConfig={"Delay": PAUSE_S, "MaxAttempts": polls})
