"""What tests of launch/deploy.py, query.py and teardown.py share: commands, models, what is left.

A test module takes it with `pytest_plugins = ("contract.fixtures", "contract.deployments")`.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import PROJECT, draw_photo
from contract.container import Container
from contract.made_models import make_run
from helpers.in_process import run_in_process

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

Done = subprocess.CompletedProcess[str]
Launch = Callable[..., Done]


def command(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-u", str(PROJECT / "launch" / script), *arguments]


def roles_of(account: "SageMakerAccount") -> tuple[str, str]:
    """Keys of launch/deploy.py: each service under the role that is made for it."""
    name = account.serving_role_arn.rpartition("/")[2]
    return f"deploy.role={name}", f"deploy.ttl_role={account.scheduler_role_arn}"


@pytest.fixture
def launch(tmp_path: Path, account: "SageMakerAccount") -> Launch:
    """Run one of launch/ in `tmp_path`."""

    def run(script: str, *arguments: str) -> Done:
        roles = roles_of(account) if script == "deploy.py" else ()
        done = run_in_process(PROJECT / "launch" / script, *roles, *arguments, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def launch_process(tmp_path: Path, account: "SageMakerAccount") -> Launch:
    """The same as a process of its own, for commands that run at once."""

    def run(script: str, *arguments: str) -> Done:
        return subprocess.run(
            command(script, *(roles_of(account) if script == "deploy.py" else ()), *arguments),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs, whose models are sure of the first and of the second breed."""
    folder = tmp_path_factory.mktemp("runs")
    return make_run(folder / "first", 0), make_run(folder / "second", 1)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    draw_photo(path, 20, 1)
    return path


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
