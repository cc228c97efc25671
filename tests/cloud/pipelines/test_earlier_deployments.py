"""launch/pipeline.py and what earlier launches and deployments left in the account."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dogbreed.cloud.pipelines import launch
from dogbreed.errors import CloudError


class Services:
    """Every service: a pipeline of this project, and a schedule, but no rule."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def describe_pipeline(self, **request: Any) -> dict[str, Any]:
        return {"PipelineArn": "arn"}

    def list_tags(self, **request: Any) -> dict[str, Any]:
        return {"Tags": [{"Key": "project", "Value": "dogbreed"}]}

    def list_targets_by_rule(self, **request: Any) -> dict[str, Any]:
        missing = {"Error": {"Code": "ResourceNotFoundException", "Message": "no rule"}}
        raise ClientError(missing, "ListTargetsByRule")

    def delete_pipeline(self, PipelineName: str) -> None:
        self.called.append(PipelineName)

    def get_paginator(self, operation: str) -> Any:
        pages = [{"Schedules": [{"Name": "dogs-1"}]}]
        return SimpleNamespace(paginate=lambda **given: pages)

    def get_schedule(self, **request: Any) -> dict[str, Any]:
        target = {"Input": '{"EndpointName": "dogs"}'}
        return {"Target": target, "ScheduleExpression": "at(2026-12-01T00:00:00)"}


def account_of(services: Services) -> Any:
    return SimpleNamespace(client=lambda service: services, region="us-east-1")


def test_an_endpoint_that_a_schedule_deletes_is_refused() -> None:
    account = account_of(Services())
    with pytest.raises(CloudError, match=r"pipeline\.endpoint=dogs: a schedule .* endpoint=dogs"):
        launch._check_schedules(account, "dogs")
    launch._check_schedules(account, "cats")
    launch._check_schedules(account, None)


def test_a_pipeline_without_its_rule_is_deleted() -> None:
    services = Services()
    launch._delete_approval(account_of(services), "breeds-deploy")
    assert services.called == ["breeds-deploy"]
