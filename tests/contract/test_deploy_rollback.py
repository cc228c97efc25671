"""A bad model never replaces a good one: launch/deploy.py when the new one answers wrongly.

Endpoints serve in processes of their own; what fails is the container, the service, or the caller.
"""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from contract.deployments import (
    Launch,
    damage_next_container,
    names_left,
    sent,
    status_of,
)
from contract.made_models import BREEDS

from dogbreed.utils.command import _stop

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures", "contract.deploy_fixtures")
pytestmark = pytest.mark.launch

DOGS = (
    *("endpoint=dogs", "deploy.instance_type=ml.c7i.large", "deploy.max_instances=3"),
    "deploy.alarms=true",
)
ALARMS = ["dogbreed-dogs-5xx", "dogbreed-dogs-instances", "dogbreed-dogs-latency"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dogbreed.cloud.endpoints.smoke_test.RETRY_S", 1.0)
    monkeypatch.setattr("dogbreed.cloud.endpoints.deletion.PAUSE_S", 0.1)


def answer_of(account: "SageMakerAccount", photo: Path) -> str:
    """The first breed that the endpoint `dogs` answers."""
    response = account.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="dogs", Body=photo.read_bytes()
    )
    (entry,) = json.loads(response["Body"].read())["predictions"]
    return str(entry["classes"][0]["label"])


def limits_of(account: "SageMakerAccount") -> list[tuple[int, int]]:
    """The limits of every scaled endpoint."""
    client = account.client("application-autoscaling")
    targets = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    return [(target["MinCapacity"], target["MaxCapacity"]) for target in targets]


def without_archives(names: list[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("dogbreed/models/"))


class Deployed:
    """An endpoint that serves the first model; see `assert_unchanged`."""

    def __init__(self, account: "SageMakerAccount", photo: Path) -> None:
        self._account, self._photo = account, photo
        self.config = status_of(account, "dogs")["EndpointConfigName"]
        self._left, self._limits = without_archives(names_left(account)), limits_of(account)

    def assert_unchanged(self, what: str) -> None:
        status = status_of(self._account, "dogs")
        assert (status["EndpointStatus"], status["EndpointConfigName"]) == (
            "InService",
            self.config,
        ), what
        assert answer_of(self._account, self._photo) == BREEDS[0], what
        assert without_archives(names_left(self._account)) == self._left, what
        assert limits_of(self._account) == self._limits, what


def fails(body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    return 500, b'{"error": {"code": "internal", "message": "no memory"}}'


def hangs(body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    time.sleep(0.5)
    return 0, b"Your invocation timed out while waiting for a response from primary."


def leave(model: Path) -> None:
    """Damage nothing."""


def test_a_model_that_answers_wrongly_is_rolled_back(
    account: "SageMakerAccount",
    launch: Launch,
    runs: tuple[Path, Path],
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def become_the_first(model: Path) -> None:
        shutil.copytree(runs[0] / "model", model, dirs_exist_ok=True)

    # A new endpoint would be billed, so it is deleted.
    damage_next_container(monkeypatch, leave, fails)
    done = launch("deploy.py", *DOGS, f"model={runs[0]}", f"photo={photo}")
    assert done.returncode == 1
    assert "didn't respond within 1 s (ModelError: no memory)" in done.stderr
    assert "Endpoint dogs was deleted again, and nothing is billed." in done.stderr
    assert without_archives(names_left(account)) == []

    done = launch("deploy.py", *DOGS, f"model={runs[0]}", f"photo={photo}")
    assert done.returncode == 0, done.stderr
    dogs = Deployed(account, photo)
    assert sorted(name for name in names_left(account) if name in ALARMS) == ALARMS
    wrong: dict[str, tuple[Callable[[Path], None], Any, str]] = {
        "500": (leave, fails, "didn't respond within 1 s (ModelError: no memory)"),
        "no answer": (leave, hangs, "didn't respond within 1 s (ModelError: Your invocation timed"),
        "another class": (
            *(become_the_first, None),
            f"predicts {BREEDS[0]} (90.9%) for {photo}, and the model on this machine {BREEDS[1]}",
        ),
    }
    for what, (damage, send, sentence) in wrong.items():
        damage_next_container(monkeypatch, damage, send)
        done = launch("deploy.py", *DOGS, f"model={runs[1]}", f"photo={photo}")
        assert done.returncode == 1, what
        assert sentence in done.stderr, what
        assert f"It was rolled back: the previous one ({dogs.config}) serves." in done.stderr, what
        dogs.assert_unchanged(what)
    *_, update, restoration = sent(account, "UpdateEndpoint")
    assert [each["AlarmName"] for each in alarms_of(update)] == [ALARMS[0], ALARMS[2]]
    assert restoration["EndpointConfigName"] == dogs.config
    assert restoration["RetainAllVariantProperties"]

    # An alarm that fires during the update has the service roll it back. One that is on before
    # would roll back the repair too.
    def alarm(name: str) -> None:
        account.client("cloudwatch").set_alarm_state(
            AlarmName=name, StateValue="ALARM", StateReason="a test"
        )

    account.when_called("PutMetricAlarm", lambda: alarm(ALARMS[0]))
    done = launch("deploy.py", *DOGS, f"model={runs[1]}")
    assert done.returncode == 0, done.stderr
    assert f"warning: alarm {ALARMS[0]} is on before the update" in done.stdout
    assert answer_of(account, photo) == BREEDS[1]
    account.when_called("UpdateEndpoint", lambda: alarm(ALARMS[2]))
    done = launch("deploy.py", *DOGS, f"model={runs[0]}")
    assert done.returncode == 1
    assert f"didn't start (The alarms {ALARMS[2]} are in ALARM state). It was rolled" in done.stderr
    assert answer_of(account, photo) == BREEDS[1]

    # What couldn't be restored isn't replaced.
    current = status_of(account, "dogs")["EndpointConfigName"]
    account.client("sagemaker").delete_model(ModelName=current)
    before = names_left(account)
    done = launch("deploy.py", *DOGS, f"model={runs[0]}")
    assert done.returncode == 1
    assert "or its model was deleted, so it couldn't be restored if the new" in done.stderr
    assert names_left(account) == before
    assert launch("teardown.py", "endpoint=dogs").returncode == 0
    assert names_left(account) == []


def alarms_of(update: dict[str, Any]) -> list[dict[str, str]]:
    """The alarms that roll an update back."""
    alarms: list[dict[str, str]] = update["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    return alarms


@contextmanager
def ctrl_c_after(account: "SageMakerAccount", step: str) -> Iterator[None]:
    """As a command handles it: SIGINT arrives when `step` was carried out, before its response."""
    before = signal.signal(signal.SIGINT, _stop)
    account.when_called(step, lambda: os.kill(os.getpid(), signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# The steps of an update to another instance type, which pauses scaling.
STEPS = (
    *("CreateModel", "CreateEndpointConfig", "PutMetricAlarm", "DeregisterScalableTarget"),
    *("UpdateEndpoint", "InvokeEndpoint", "RegisterScalableTarget"),
)


def test_ctrl_c_at_each_step_restores_the_previous_model(
    account: "SageMakerAccount", launch: Launch, runs: tuple[Path, Path], photo: Path
) -> None:
    done = launch("deploy.py", *DOGS, f"model={runs[0]}", "deploy.ttl_hours=8")
    assert done.returncode == 0, done.stderr
    dogs = Deployed(account, photo)
    assert names_left(account).count(dogs.config) == 3  # with the schedule
    other = (*DOGS, "deploy.instance_type=ml.m5.large", f"model={runs[1]}")
    for step in STEPS:
        with ctrl_c_after(account, step):
            done = launch("deploy.py", *other)
        assert done.returncode == 130, (step, done.stderr)
        if step in STEPS[: STEPS.index("UpdateEndpoint")]:
            assert done.stderr == "stopped: nothing was deployed, and nothing new is left.\n", step
        else:
            assert f"stopped: it was rolled back: the previous one ({dogs.config})" in done.stderr
        dogs.assert_unchanged(step)
    # Once the new model has passed its test, the previous one isn't needed any more.
    with ctrl_c_after(account, "DeleteEndpointConfig"):
        done = launch("deploy.py", *other)
    assert done.returncode == 130
    assert "endpoint dogs serves the new model, which passed its test" in done.stderr
    assert answer_of(account, photo) == BREEDS[1]
    # The new one stays until somebody deletes it: the schedule of the previous one is gone.
    assert account.client("scheduler").list_schedules()["Schedules"] == []


def test_a_network_that_is_down_leaves_the_command_that_restores(
    account: "SageMakerAccount",
    launch: Launch,
    runs: tuple[Path, Path],
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert launch("deploy.py", *DOGS, f"model={runs[0]}").returncode == 0
    dogs = Deployed(account, photo)
    damage_next_container(monkeypatch, leave, fails)
    account.when_called(
        "InvokeEndpoint",
        lambda: account.fail_next("DescribeEndpoint", "ExpiredTokenException", "expired"),
    )
    done = launch("deploy.py", *DOGS, f"model={runs[1]}")
    assert done.returncode == 1
    command = (
        f"aws sagemaker update-endpoint --endpoint-name dogs --endpoint-config-name {dogs.config} "
        "--region us-east-1"
    )
    assert "wasn't restored (endpoint dogs: the AWS credentials have expired" in done.stderr
    assert f"`{command}` restores the previous one" in done.stderr
    assert names_left(account).count(dogs.config) == 2  # its configuration and its model


def test_two_deployments_and_a_teardown_at_once_end_with_a_sentence_each(
    account: "SageMakerAccount", launch_process: Launch, launch: Launch, runs: tuple[Path, Path]
) -> None:
    assert launch("deploy.py", "endpoint=dogs", f"model={runs[0]}").returncode == 0
    commands = (
        ("deploy.py", "endpoint=dogs", f"model={runs[0]}"),
        ("deploy.py", "endpoint=dogs", f"model={runs[1]}"),
        ("teardown.py", "endpoint=dogs"),
    )
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(lambda one: launch_process(*one), commands))
    for done in ended:
        assert "Traceback" not in done.stderr
        assert done.stderr.count("error: ") <= 1, done.stderr
    left = without_archives(names_left(account))
    served = status_of(account, "dogs")["EndpointConfigName"] if "dogs" in left else ""
    assert [name for name in left if name not in ("dogs", served)] == []
    assert launch("teardown.py", "endpoint=dogs").returncode == 0
    assert names_left(account) == []
