"""What a rollout deletes, and what it leaves where AWS's response is ambiguous or lost."""

from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from dogbreed.cloud.aws.account import account_arguments
from dogbreed.cloud.aws.service_model import problems
from dogbreed.cloud.endpoints.alarms import all_alarms, rollback_alarms
from dogbreed.cloud.endpoints.endpoint_requests import (
    ServedModel,
    rollback_policy,
    update_request,
)
from dogbreed.cloud.endpoints.endpoint_rollout import deploy_endpoint
from dogbreed.cloud.endpoints.expiry import schedule_expiry, schedules, schedules_of
from dogbreed.cloud.endpoints.inventory import Resource, _packages
from dogbreed.cloud.endpoints.lifecycle import Endpoint
from dogbreed.cloud.endpoints.previous_version import Previous, delete_previous
from dogbreed.cloud.endpoints.rollout import Rollout
from dogbreed.cloud.endpoints.scaling import Scaling
from dogbreed.cloud.endpoints.scaling import replace as replace_scaling
from dogbreed.cloud.endpoints.teardown import _archives_of
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.errors import CloudError, Stopped


def composed(*overrides: str) -> DeployConfig:
    return compose_as(DeployConfig, "deploy", ["endpoint=dogs", *overrides])


def refusal(code: str, status: int = 400) -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": "because"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "Operation")


class Client:
    """Every service at once: responses are empty, except for the operations that it refuses."""

    def __init__(self, **refused: ClientError) -> None:
        self.refused, self.called = refused, list[str]()
        self.requests = dict[str, dict[str, Any]]()

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> dict[str, Any]:
            self.called.append(operation)
            self.requests[operation] = request
            if operation in self.refused:
                raise self.refused[operation]
            return {}

        return call


def account_of(client: Any) -> Any:
    return SimpleNamespace(
        client=lambda service: client,
        role_arn="arn:aws:iam::1:role/R",
        bucket="b",
        region="r",
        owner="jane",
    )


def rollout(client: Any, *overrides: str) -> Rollout:
    deployment = ServedModel(name="dogs-1", model_uri="s3://b/m", image_uri="i")
    return Rollout(account_of(client), composed(*overrides), deployment)


def test_what_may_have_been_created_is_left_and_named() -> None:
    client = Client(create_endpoint=refusal("InternalFailure", 500))
    with pytest.raises(
        CloudError, match=r"because\. Meanwhile what was created for endpoint dogs is"
    ):
        deploy_endpoint(rollout(client), lambda: None)
    assert "delete_model" not in client.called


def test_what_was_refused_is_undone() -> None:
    client = Client(create_endpoint=refusal("ResourceLimitExceeded"))
    with pytest.raises(CloudError, match=r"deploy\.instance_type, fewer instances") as caught:
        deploy_endpoint(rollout(client), lambda: None)
    assert "Meanwhile" not in str(caught.value)
    assert client.called[-2:] == ["delete_endpoint_config", "delete_model"]


def test_a_schedule_that_conflicts_is_looked_up() -> None:
    conflict, gone = refusal("ConflictException", 409), refusal("ResourceNotFoundException", 404)
    config, there = composed("deploy.ttl_hours=1"), Client(create_schedule=conflict)
    assert schedule_expiry(account_of(there), config, "dogs-1") is not None
    client = Client(create_schedule=conflict, get_schedule=gone)
    with pytest.raises(CloudError, match="may be being deleted: try again in a few minutes"):
        schedule_expiry(account_of(client), config, "dogs-1")


@pytest.mark.parametrize(("running", "first"), [(1, 2), (3, 3), (9, 4)])
def test_another_instance_type_starts_with_as_many_as_run_within_the_limits(
    running: int, first: int
) -> None:
    client = Client()
    limits = ("deploy.instance_count=2", "deploy.max_instances=4")
    update = rollout(client, "deploy.instance_type=ml.m5.large", *limits)
    endpoint = Endpoint(
        name="x",
        arn="x",
        config="x",
        reason="",
        status="InService",
        pending=None,
        instances=running,
    )
    update.previous = Previous(
        endpoint=endpoint,
        instance_type="ml.c5.large",
        scaling=Scaling(min_instances=1, max_instances=9, photos_per_minute=60),
    )
    update.create_config()
    (variant,) = client.requests["create_endpoint_config"]["ProductionVariants"]
    assert variant["InitialInstanceCount"] == first


@pytest.mark.parametrize(
    ("instances", "kind", "alarms"),
    [(1, "ALL_AT_ONCE", ["dogbreed-dogs-latency"]), (2, "CANARY", ["dogbreed-dogs-latency"])],
)
def test_a_canary_needs_two_instances_and_an_alarm_that_is_off(
    instances: int, kind: str, alarms: list[str]
) -> None:
    found = {
        "dogbreed-dogs-5xx": {"StateValue": "ALARM"},
        "dogbreed-dogs-latency": {"StateValue": "INSUFFICIENT_DATA"},
        "dogbreed-dogs-instances": {"StateValue": "OK"},
    }
    names, note = rollback_alarms(found, "dogs")
    assert (names, "dogbreed-dogs-5xx is on" in note) == (alarms, True)
    request = update_request(
        composed(), "dogs-1", keep_count=False, policy=rollback_policy(names, instances)
    )
    assert problems("sagemaker", "UpdateEndpoint", request) == []
    routing = request["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert routing["Type"] == kind
    assert (
        routing.get("CanarySize")
        == {
            "ALL_AT_ONCE": None,
            "CANARY": {"Type": "INSTANCE_COUNT", "Value": 1},
        }[kind]
    )


def test_an_endpoint_whose_deletion_never_ends_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dogbreed.cloud.endpoints.rollout.DELETED", {"Delay": 0, "MaxAttempts": 2})
    client = boto3.client(
        "sagemaker", "us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    with Stubber(client) as stub:
        description = {
            "EndpointName": "dogs",
            "EndpointArn": "a" * 20,
            "EndpointStatus": "Failed",
            "CreationTime": 0,
            "LastModifiedTime": 0,
        }
        tags = {"Tags": [{"Key": "project", "Value": "dogbreed"}]}
        stub.add_response("describe_endpoint", description)
        stub.add_response("list_tags", tags)
        stub.add_response("delete_endpoint", {})
        for _ in range(2):
            stub.add_response("describe_endpoint", {**description, "EndpointStatus": "Deleting"})
        endpoint = rollout(client)
        monkeypatch.setattr("dogbreed.cloud.endpoints.rollout.schedules_of", lambda *given: ())
        with pytest.raises(CloudError, match="still being deleted: run this again"):
            endpoint.inspect_endpoint()


def test_a_new_endpoint_that_somebody_has_replaced_is_not_deleted() -> None:
    """While this machine slept, the endpoint was deleted, and another deployed under its name."""
    client: Any = Client()
    states = ["dogs-1", "dogs-9"]

    def describe_endpoint(**request: Any) -> dict[str, Any]:
        config = states.pop(0) if len(states) > 1 else states[0]
        return {"EndpointArn": "a", "EndpointStatus": "InService", "EndpointConfigName": config}

    client.describe_endpoint = describe_endpoint

    def test() -> None:
        raise CloudError("it answers wrongly.")

    with pytest.raises(CloudError, match="Endpoint dogs serves another deployment, which wasn't"):
        deploy_endpoint(rollout(client), test)
    assert "delete_endpoint" not in client.called
    assert client.called[-2:] == ["delete_endpoint_config", "delete_model"]


def test_schedules_that_were_there_before_are_deleted_and_no_later_ones() -> None:
    client: Any = Client()
    update = rollout(client, "deploy.ttl_hours=null")
    update.earlier_schedules = ("dogs-0", "gone")
    deleted = []

    def delete_schedule(**request: Any) -> None:
        deleted.append(request["Name"])
        if request["Name"] == "gone":
            raise refusal("ResourceNotFoundException", 404)

    client.delete_schedule = delete_schedule
    delete_previous(update.account, update.config, None, update.earlier_schedules)
    assert deleted == ["dogs-0", "gone"]
    assert "list_schedules" not in client.called


def test_what_others_delete_during_a_listing_is_left_out() -> None:
    gone = refusal("ResourceNotFoundException", 404)

    class Listing(Client):
        def get_paginator(self, operation: str) -> Any:
            pages = {
                "list_schedules": [{"Schedules": [{"Name": "dogs-0"}]}],
                "describe_alarms": [
                    {"MetricAlarms": [{"AlarmName": "dogbreed-dogs-5xx", "AlarmArn": "a"}]}
                ],
            }
            return SimpleNamespace(paginate=lambda **given: pages[operation])

    client = Listing(get_schedule=gone, list_tags_for_resource=gone)
    assert list(schedules(client)) == []
    assert list(all_alarms(client)) == []


def test_archives_of_models_with_several_containers_are_needed() -> None:
    """As a pipeline creates them; and somebody may delete a model during the listing."""
    client: Any = Client()
    models: dict[str, dict[str, Any]] = {
        "by-a-pipeline": {"Containers": [{"ModelDataUrl": "s3://b/a/model.tar.gz"}]},
        "by-deploy": {"PrimaryContainer": {"ModelDataUrl": "s3://b/b/model.tar.gz"}},
    }

    def describe_model(ModelName: str) -> dict[str, Any]:
        if ModelName not in models:
            raise refusal("ResourceNotFound")
        return models[ModelName]

    client.describe_model = describe_model
    found = [Resource(kind="model", name=name) for name in (*models, "gone")]
    assert _archives_of(client, found) == {"s3://b/a/model.tar.gz", "s3://b/b/model.tar.gz"}


def test_a_registered_version_belongs_to_who_registered_it() -> None:
    owners = {"dogs/1": {"owner": "bob"}, "dogs/2": {}}
    client: Any = Client()
    summaries = [{"ModelPackageArn": arn} for arn in (*owners, "gone")]
    pages = [{"ModelPackageSummaryList": summaries}]
    client.get_paginator = lambda operation: SimpleNamespace(paginate=lambda **given: pages)

    def describe_model_package(ModelPackageName: str) -> dict[str, Any]:
        if ModelPackageName not in owners:
            raise refusal("ResourceNotFound")
        return {"CustomerMetadataProperties": owners[ModelPackageName]}

    client.describe_model_package = describe_model_package
    group = Resource(kind="model group", name="dogs", owner="jane")
    found = {each.name: (each.owner, each.group) for each in _packages(client, group)}
    assert found["dogs/1"] == ("bob", "dogs")
    assert found["dogs/2"] == ("jane", "dogs")  # an earlier version of this package wrote no owner


@pytest.mark.parametrize("requested", [False, True])
def test_ctrl_c_before_the_job_deletes_its_model(requested: bool) -> None:
    client = Client()
    batch = rollout(client)

    def start() -> None:
        with batch.undo_on_error():
            batch.create_model()
            batch.requested = requested
            raise Stopped("stopped", 2)

    with pytest.raises(Stopped):
        start()
    assert ("delete_model" in client.called) is not requested


def test_scaling_that_is_undone_leaves_no_alarm() -> None:
    client: Any = Client()
    client.describe_alarms = lambda **given: {"MetricAlarms": [{}]}
    replace_scaling(account_of(client), composed(), None)
    assert client.requests["delete_alarms"] == {"AlarmNames": ["dogbreed-dogs-backlog"]}


def test_schedules_that_cannot_be_listed_are_a_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(Client):
        def get_paginator(self, operation: str) -> Any:
            def pages(**given: Any) -> Any:
                raise refusal("AccessDeniedException", 403)
                yield

            return SimpleNamespace(paginate=pages)

    monkeypatch.setattr("dogbreed.training.run_folder.log.propagate", True)
    assert schedules_of(account_of(Refusing()), "dogs") == ()
    assert "An earlier schedule may delete the endpoint." in caplog.text


def test_commands_in_messages_use_the_same_account() -> None:
    assert account_arguments(composed().launcher) == ""
    launcher = composed("launcher.region=eu-west-1", "launcher.prefix=my dogs").launcher
    assert account_arguments(launcher) == " launcher.region=eu-west-1 launcher.prefix='my dogs'"
