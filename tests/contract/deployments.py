"""What tests of launch/deploy.py, query.py and teardown.py share: commands, and what is left."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import PROJECT
from contract.container import Container

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

Done = subprocess.CompletedProcess[str]
Launch = Callable[..., Done]


def command(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-u", str(PROJECT / "launch" / script), *arguments]


def roles_of(account: "SageMakerAccount") -> tuple[str, ...]:
    """Keys of launch/deploy.py: each service under the role that is made for it, endpoints that
    stay, and no packages to download."""
    name = account.serving_role_arn.rpartition("/")[2]
    ttl_role = f"deploy.ttl_role={account.scheduler_role_arn}"
    return f"deploy.role={name}", ttl_role, "deploy.ttl_hours=null", "deploy.install=none"


def sent(account: "SageMakerAccount", operation: str) -> list[dict[str, Any]]:
    return [request for name, request in account.requests if name == operation]


def status_of(account: "SageMakerAccount", endpoint: str) -> dict[str, Any]:
    response: dict[str, Any] = account.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    return response


def names_left(account: "SageMakerAccount") -> list[str]:
    """All that launch/teardown.py could find, as the services themselves list it."""
    client, scheduler = account.client("sagemaker"), account.client("scheduler")
    scaling = account.client("application-autoscaling")
    s3, alarms = account.client("s3"), account.client("cloudwatch").describe_alarms()
    objects = s3.list_objects_v2(Bucket=account.bucket, Prefix="dogbreed/models/")
    uploads = s3.list_multipart_uploads(Bucket=account.bucket)
    return [
        *(each["EndpointName"] for each in client.list_endpoints()["Endpoints"]),
        *(each["EndpointConfigName"] for each in client.list_endpoint_configs()["EndpointConfigs"]),
        *(each["ModelName"] for each in client.list_models()["Models"]),
        *(each["Name"] for each in scheduler.list_schedules()["Schedules"]),
        *(
            each["ResourceId"]
            for each in scaling.describe_scalable_targets(ServiceNamespace="sagemaker")[
                "ScalableTargets"
            ]
        ),
        *(each["AlarmName"] for each in alarms["MetricAlarms"]),
        *(each["Key"] for each in objects.get("Contents", ())),
        *(each["Key"] for each in uploads.get("Uploads", ())),
    ]


def wait_until_settled(account: "SageMakerAccount", endpoint: str) -> None:
    while status_of(account, endpoint)["EndpointStatus"] != "InService":
        time.sleep(0.1)


def damage_next_container(
    monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None], send: Any = None
) -> None:
    """Damage the model that the next container has unpacked, or answer in its place with `send`."""
    todo = [damage]

    def unpacked(container: Container, model: Path) -> None:
        if todo:
            todo.pop()(model)
            if send is not None:
                monkeypatch.setattr(container, "send", send)

    monkeypatch.setattr(Container, "unpacked", unpacked)
