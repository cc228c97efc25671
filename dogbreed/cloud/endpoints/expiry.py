"""deploy.ttl_hours: an EventBridge schedule that deletes the endpoint."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import code_of, is_missing, translate_errors
from dogbreed.cloud.aws.tags import PROJECT_TAG, tag_list
from dogbreed.cloud.endpoints.lifetime import lifetime_of
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.errors import CloudError
from dogbreed.training.run_folder import log

# Schedules can't be tagged; their group can. The description ends with the owner.
GROUP = PROJECT_TAG
_OWNER = "; owner: "
TARGET = "arn:{partition}:scheduler:::aws-sdk:sagemaker:deleteEndpoint"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A schedule: its name, the endpoint that it deletes, when, and its owner if known."""

    name: str
    endpoint: str
    when: str
    owner: str | None


def schedule_expiry(account: Account, config: DeployConfig, name: str) -> datetime | None:
    """Schedule the deletion of the endpoint after deploy.ttl_hours; return the time, None if never.

    Raises:
        CloudError: AWS refuses, e.g. because the scheduler may not assume the role.
    """
    hours = lifetime_of(config.deploy)
    if hours is None:
        return None
    when = datetime.now(UTC) + timedelta(hours=hours)
    client = account.client("scheduler")
    with translate_errors("deploy.ttl_hours"):
        _create_group(client, tag_list(config.launcher, account.owner))
        _create(client, _request(account, config, name, when))
    return when


def _create_group(client: Any, tags: list[dict[str, str]]) -> None:
    """Create the group of all schedules, unless it exists."""
    try:
        client.create_schedule_group(Name=GROUP, Tags=tags)
    except ClientError as error:
        if code_of(error) != "ConflictException":
            raise


def _create(client: Any, request: dict[str, Any]) -> None:
    """Create a schedule with a unique name: if it exists, an earlier response was lost."""
    try:
        client.create_schedule(**request)
    except ClientError as error:
        if code_of(error) != "ConflictException":
            raise
        try:
            client.get_schedule(GroupName=GROUP, Name=request["Name"])
        except ClientError as missing:
            if code_of(missing) != "ResourceNotFoundException":
                raise
            # A group that is being deleted accepts no schedules, and blocks its name for minutes.
            raise CloudError(
                f"deploy.ttl_hours: the schedule couldn't be created ({_message(error)}): the "
                f"group {GROUP} may be being deleted: try again in a few minutes."
            ) from error


def _message(error: ClientError) -> str:
    return str(error.response["Error"].get("Message", "")).rstrip(".")


def _request(account: Account, config: DeployConfig, name: str, when: datetime) -> dict[str, Any]:
    partition = account.role_arn.split(":")[1]
    return {
        "Name": name,
        "GroupName": GROUP,
        "Description": f"deletes the endpoint {config.endpoint} of dogbreed{_OWNER}{account.owner}",
        "ScheduleExpression": f"at({when:%Y-%m-%dT%H:%M:%S})",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": TARGET.format(partition=partition),
            "RoleArn": config.deploy.ttl_role or account.role_arn,
            "Input": json.dumps({"EndpointName": config.endpoint}),
        },
    }


def schedules(client: Any) -> Iterator[Schedule]:
    """All schedules of this project; errors are botocore's."""
    pages = client.get_paginator("list_schedules").paginate(GroupName=GROUP)
    try:
        names = [each["Name"] for page in pages for each in page["Schedules"]]
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":  # there is no such group
            raise
        return
    for name in names:
        try:
            schedule = client.get_schedule(GroupName=GROUP, Name=name)
        except ClientError as error:
            if not is_missing(error):
                raise
            continue  # it has run since the listing, or somebody deleted it
        endpoint = json.loads(schedule["Target"].get("Input", "{}")).get("EndpointName", "")
        when = (
            schedule["ScheduleExpression"].removeprefix("at(").removesuffix(")").replace("T", " ")
        )
        _, _, owner = schedule.get("Description", "").partition(_OWNER)
        yield Schedule(name=name, endpoint=endpoint, when=f"{when} UTC", owner=owner or None)


def schedules_of(account: Account, endpoint: str) -> tuple[str, ...]:
    """The schedules that delete an endpoint of this name; a failure is a warning."""
    try:
        with translate_errors(f"listing the schedules of endpoint {endpoint}"):
            found = list(schedules(account.client("scheduler")))
    except CloudError as error:
        log.warning("warning: %s An earlier schedule may delete the endpoint.", error)
        return ()
    return tuple(each.name for each in found if each.endpoint == endpoint)


def delete_schedule(client: Any, name: str) -> None:
    """Delete a schedule; errors are botocore's."""
    client.delete_schedule(GroupName=GROUP, Name=name)
