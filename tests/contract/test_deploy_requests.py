"""What a dry run of launch/deploy.py prints is what would be sent: as the services take it.

Each request is held against a copy in tests/contract/requests/, as in test_requests.py.
"""

import re
from pathlib import Path

import botocore.session
import pytest
from botocore.validate import validate_parameters
from conftest import draw_photo
from contract.dry_runs import SECURED, assert_reviewed, dry_run, printed
from contract.made_models import make_run
from contract.validation import problems

pytestmark = pytest.mark.launch

ACCOUNT = tuple(each for each in SECURED if "spot" not in each and "volume" not in each)
COMMANDS: dict[str, tuple[str, ...]] = {
    "deploy": ("deploy.ttl_hours=null",),
    "deploy_all": (
        *("endpoint=dogs", "deploy.instance_type=ml.c7i.large", "deploy.max_instances=3"),
        *("deploy.capture_percent=20", "deploy.register=dogs-of-ours", "deploy.ttl_hours=8"),
        *("deploy.server=pytorch", "deploy.alarms=true", *ACCOUNT),
        "deploy.alarm_topic=arn:aws:sns:eu-west-1:444455556666:dogs",
    ),
    "deploy_serverless": (
        "deploy=serverless",
        "deploy.ttl_hours=null",
        "launcher.region=eu-central-1",
    ),
    "deploy_async": (
        *("deploy=async", "deploy.ttl_hours=null", "deploy.max_instances=2", "endpoint=dogs"),
        "launcher.output_kms_key=alias/results",
    ),
    "deploy_batch": ("deploy=batch", "deploy.photos=photos"),
}
SERVICE_OF = {
    "CreateSchedule": "scheduler",
    "CreateScheduleGroup": "scheduler",
    "RegisterScalableTarget": "application-autoscaling",
    "PutMetricAlarm": "cloudwatch",
    "PutScalingPolicy": "application-autoscaling",
}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "first", 0)


def same_everywhere(text: str) -> str:
    """Without what differs between dry runs: names by the time, digests."""
    text = re.sub(r"-\d{6}-\d{6}-[0-9a-f]{4}", "-TIME", text)
    text = re.sub(r"(models/\w+/[\w-]+/|manifests/)[0-9a-f]{16,}", r"\1DIGEST", text)
    text = re.sub(r"from \S+/first", "from RUN", text)
    text = re.sub(r"ClientToken: \S+", "ClientToken: TOKEN", text)
    return re.sub(r"at\([\d:T-]+\)", "at(TIME)", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_requests_are_the_reviewed_ones(name: str, run_folder: Path, tmp_path: Path) -> None:
    for number in range(3):
        draw_photo(tmp_path / "photos" / f"{number}.jpg", 20, number)
    stdout = dry_run("deploy.py", f"model={run_folder}", *COMMANDS[name], cwd=tmp_path)
    for file in ("model.json", "code/inference.py", "deployment.py"):
        assert f"  {file}\n" in stdout
    assert re.search(r"\$[\d.]+ (an hour|a second)", stdout)
    assert re.search(r"^Container: \d{12}\.dkr\.ecr\.", stdout, re.MULTILINE)
    requests = printed(stdout)
    for operation, request in requests:
        service = SERVICE_OF.get(operation)
        if service is None:
            assert problems(operation, request) == []
        else:
            model = botocore.session.get_session().get_service_model(service)
            validate_parameters(request, model.operation_model(operation).input_shape)
    assert_reviewed(name, requests, same_everywhere)
    assert not (tmp_path / "outputs").exists()
