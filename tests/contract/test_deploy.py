"""launch/deploy.py, query.py and teardown.py against an emulated account whose endpoints answer."""

import base64
import csv
import functools
import io
import itertools
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from botocore.config import Config as ClientConfig
from conftest import PROJECT, draw_photo
from contract.container import Container
from contract.deployments import (
    Launch,
    command,
    damage_next_container,
    names_left,
    roles_of,
    sent,
    status_of,
    wait_until_settled,
)
from contract.dry_runs import COPIES
from contract.endpoints import Endpoint
from contract.made_models import BREEDS, break_model
from contract.test_deploy_requests import same_everywhere
from PIL import Image

from dogbreed.cloud.endpoints.teardown import tear_down
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import TeardownConfig
from dogbreed.errors import CloudError

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures", "contract.deploy_fixtures")
pytestmark = pytest.mark.launch


@contextmanager
def asked_all_the_time(account: "SageMakerAccount", photo: Path) -> Iterator[list[str]]:
    """Ask the endpoint `dogs` without a pause; every answer's first breed, or the error."""
    answers: list[str] = []
    over = threading.Event()
    client = account.client("sagemaker-runtime")

    def ask() -> None:
        while not over.is_set():
            try:
                response = client.invoke_endpoint(EndpointName="dogs", Body=photo.read_bytes())
                (entry,) = json.loads(response["Body"].read())["predictions"]
                answers.append(entry["classes"][0]["label"])
            except Exception as error:
                answers.append(f"lost: {error}")

    sender = threading.Thread(target=ask)
    sender.start()
    try:
        yield answers
    finally:
        over.set()
        sender.join()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The files of a folder on the web."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


FULL = (
    "endpoint=dogs",
    "deploy.instance_type=ml.c7i.large",
    "deploy.max_instances=3",
    "deploy.capture_percent=20",
    "deploy.register=dogs-of-ours",
    "deploy.ttl_hours=8",
)


def test_deploy_query_update_roll_back_teardown(
    launch: Launch,
    account: "SageMakerAccount",
    runs: tuple[Path, Path],
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Answers that are lost on the way leave nothing twice.
    for operation in ("CreateSchedule", "CreateModel", "CreateEndpointConfig", "CreateEndpoint"):
        account.lose_answer(operation)
    account.lose_answer("CreateModelPackageGroup")
    account.lose_answer("CreateModelPackage")
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "latest").symlink_to(runs[0])
    done = launch("deploy.py", *FULL)
    assert done.returncode == 0, done.stderr
    assert f"model: {runs[0]}, 3 classes" in done.stdout
    assert "a schedule deletes it at" in done.stdout
    assert "it scales between 1 and 3 instances" in done.stdout
    assert f"%  {BREEDS[0]}\n" in done.stdout
    assert re.search(r"answered in \d+ ms \(\d+ ms in the model\)", done.stdout)
    assert "about $0.107 an hour, about $78.11 a month" in done.stdout
    assert "python launch/teardown.py endpoint=dogs" in done.stdout
    first = status_of(account, "dogs")["EndpointConfigName"]
    (target,) = account.client("application-autoscaling").describe_scaling_policies(
        ServiceNamespace="sagemaker"
    )["ScalingPolicies"]
    metric = target["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"]
    assert metric == {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    schedule = account.client("scheduler").get_schedule(GroupName="dogbreed", Name=first)
    assert schedule["Target"]["Arn"] == "arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint"
    assert json.loads(schedule["Target"]["Input"]) == {"EndpointName": "dogs"}
    assert schedule["ActionAfterCompletion"] == "DELETE"
    package, _ = sent(account, "CreateModelPackage")
    (_,) = account.client("sagemaker").list_model_packages(ModelPackageGroupName="dogs-of-ours")[
        "ModelPackageSummaryList"
    ]
    assert package["CustomerMetadataProperties"]["test.top1"] == "0.875"
    statistics = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    body = account.client("s3").get_object(Bucket=account.bucket, Key=statistics.split("/", 3)[3])
    assert json.loads(body["Body"].read())["test"]["top1"] == 0.875

    # To the other model, invoked all the time: no request is lost, and the old parts are gone.
    account.scale_out("dogs", 2)
    with asked_all_the_time(account, photo) as answers:
        done = launch("deploy.py", *FULL, f"model={runs[1]}")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stdout
    (update,) = sent(account, "UpdateEndpoint")
    assert same_everywhere(yaml.safe_dump(update)) == (COPIES / "update.yaml").read_text("utf-8")
    (variant,) = status_of(account, "dogs")["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 2  # as many as it had scaled to
    assert set(answers) == {BREEDS[0], BREEDS[1]}
    assert answers == sorted(answers)  # Chihuahua before golden retriever, and never back
    second = status_of(account, "dogs")["EndpointConfigName"]
    left = names_left(account)
    assert first not in left
    assert left.count(second) == 3  # config, model and schedule

    # To one that doesn't start: rolled back, reported, and the previous one serves.
    damage_next_container(monkeypatch, break_model)
    with asked_all_the_time(account, photo) as answers:
        done = launch("deploy.py", "endpoint=dogs", f"model={runs[0]}")
    assert done.returncode == 1
    assert "rolled back: the previous one" in done.stderr
    assert "did not pass the ping health check" in done.stderr
    assert "the last lines of its server:" in done.stdout
    assert set(answers) == {BREEDS[1]}
    assert status_of(account, "dogs")["EndpointConfigName"] == second
    assert [name for name in names_left(account) if name.startswith("dogs-2")] == [second] * 3
    (target,) = account.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker"
    )["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 3)  # it scales as before

    # What has instances can't become serverless, and what others made is left alone.
    done = launch("deploy.py", "endpoint=dogs", "deploy=serverless")
    assert done.returncode == 2
    assert "has instances" in done.stderr

    shown = launch("teardown.py")
    assert shown.returncode == 0
    for line in ("endpoint dogs (InService)", "automatic scaling dogs", f"model {second}"):
        assert f"{line}\n" in shown.stdout
    assert "nothing was deleted" in shown.stdout
    check_owners(launch, account)
    account.client("sagemaker").create_model(
        ModelName="of-others",
        PrimaryContainer={"Image": "1.dkr.ecr/x:y"},
        ExecutionRoleArn=account.serving_role_arn,
    )
    account.fail_next("DeleteModel", "AccessDeniedException", "no right to do that")
    gone = launch("teardown.py", "endpoint=dogs")
    assert gone.returncode == 1
    assert f"left: model {second}: " in gone.stdout
    assert "no right to do that" in gone.stdout
    # A registered version goes on needing its archive; the one that nothing needs went.
    descriptions = {
        package["ModelPackageDescription"] for package in sent(account, "CreateModelPackage")
    }
    archives = [name for name in names_left(account) if name.endswith("model.tar.gz")]
    assert len(archives) == len(descriptions) == 2
    gone = launch("teardown.py", "all=true")
    assert gone.returncode == 0, gone.stdout
    assert ", 0 left" in gone.stdout
    assert names_left(account) == ["of-others"]
    assert (
        account.client("sagemaker").list_model_package_groups()["ModelPackageGroupSummaryList"]
        == []
    )


def check_owners(launch: Launch, account: "SageMakerAccount") -> None:
    """Somebody else sees what there is, and neither queries nor deletes it unless it is named."""
    before = sorted(names_left(account))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.sign_in_as("bob").items():
            patch.setenv(name, value)
        shown = launch("teardown.py")
        assert "endpoint dogs (InService), owner: moto\n" in shown.stdout
        assert "only yours (owner bob)" in shown.stdout
        for arguments in (["all=true"], ["endpoint=dogs"], ["all=true", "owner=jane"]):
            done = launch("teardown.py", *arguments)
            assert done.returncode == 0, done.stderr
            assert re.search(r"left to their owners: \d+ of moto\.", done.stdout)
            assert "deleting" not in done.stdout
        queried = launch("query.py", str(PROJECT / "no.jpg"), "logs=true")
        assert queried.returncode != 0
    assert sorted(names_left(account)) == before


def test_query_photos_of_all_kinds(
    launch: Launch, account: "SageMakerAccount", runs: tuple[Path, Path], tmp_path: Path
) -> None:
    # Of an endpoint of that name that somebody has deleted: it would delete this one.
    scheduler = account.client("scheduler")
    scheduler.create_schedule_group(Name="dogbreed")
    scheduler.create_schedule(
        Name="older-forgotten",
        GroupName="dogbreed",
        ScheduleExpression="at(2099-01-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": "arn:a",
            "RoleArn": account.scheduler_role_arn,
            "Input": '{"EndpointName": "older"}',
        },
    )
    done = launch("deploy.py", "endpoint=older", f"model={runs[0]}")
    assert done.returncode == 0, done.stderr
    assert scheduler.list_schedules()["Schedules"] == []
    folder = tmp_path / "photos"
    draw_photo(folder / "small.png", 20, 1)
    draw_photo(folder / "large.jpg", 120, 2, (3000, 2000))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    with served(folder) as url:
        queried = launch("query.py", "top_k=2", "logs=true", str(folder), f"{url}/small.png")
    assert queried.returncode == 1
    assert "endpoint older\n" in queried.stderr
    lines = queried.stdout.splitlines()
    rows = {Path(row["path"]).name: row for row in map(json.loads, lines[:4])}
    assert json.loads(lines[3])["path"].startswith("http://")
    for name in ("small.png", "large.jpg"):
        assert rows[name]["label"] == BREEDS[0]
        assert len(rows[name]["classes"]) == 2
        assert rows[name]["client_ms"] >= rows[name]["model_ms"] > 0
    assert "error" in rows["broken.jpg"]
    assert "broken.jpg: " in queried.stderr
    assert any("serving" in line for line in lines[4:])

    # What is sent of a large photo is small, and stands upright.
    with Image.open(folder / "large.jpg") as image:
        exif = image.getexif()
        exif[0x0112] = 6  # taken with the camera turned
        image.save(tmp_path / "turned.jpg", exif=exif)
    assert launch("query.py", str(tmp_path / "turned.jpg")).returncode == 0
    question = json.load(account.last_invocation())
    with Image.open(io.BytesIO(base64.b64decode(question["photos"][0]))) as image:
        assert image.size == (683, 1024)

    # Busy for a while: retried. Busy for longer than patience_s, or missing: one sentence.
    account.fail_next("InvokeEndpoint", "ThrottlingException", "slow down", times=2)
    account.drop_next(operation="InvokeEndpoint")
    queried = launch("query.py", "endpoint=older", str(folder / "small.png"))
    assert queried.returncode == 0, queried.stderr
    account.fail_next("InvokeEndpoint", "ServiceUnavailable", "starting", times=99, status=503)
    queried = launch("query.py", "endpoint=older", "patience_s=1", str(folder / "small.png"))
    assert queried.returncode == 1
    assert "didn't respond within 1 s" in queried.stderr
    account.beyond_our_policies = ("endpoint/nobody",)  # of no tag, so IAM would refuse it
    queried = launch("query.py", "endpoint=nobody", "patience_s=0", str(folder / "small.png"))
    assert queried.returncode == 1


def tear_down_here(*overrides: str) -> bool:
    """launch/teardown.py in this process, which has its imports already."""
    return tear_down(compose_as(TeardownConfig, "teardown", overrides))


def cut_off(account: "SageMakerAccount", folder: Path, step: str, *arguments: str) -> None:
    """Deploy, and be killed as soon as `step` was carried out."""
    with subprocess.Popen(
        command("deploy.py", *roles_of(account), *arguments),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        account.when_called(step, process.kill)
        process.wait(timeout=240)
    assert process.returncode == -9, step


def groups_of(account: "SageMakerAccount") -> list[str]:
    response = account.client("sagemaker").list_model_package_groups()
    return [each["ModelPackageGroupName"] for each in response["ModelPackageGroupSummaryList"]]


# Before there is an endpoint, and once there is one.
BEFORE = (
    *("PutObject", "CreateScheduleGroup", "CreateSchedule", "CreateModel"),
    *("CreateEndpointConfig", "CreateEndpoint"),
)
AFTER = (
    *("RegisterScalableTarget", "UpdateEndpoint", "PutScalingPolicy"),
    *("CreateModelPackageGroup", "CreateModelPackage"),
)


def test_what_is_cut_off_is_found_by_teardown(
    account: "SageMakerAccount",
    launch: Launch,
    runs: tuple[Path, Path],
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dogbreed.cloud.endpoints.deletion.PAUSE_S", 0.1)
    for step in BEFORE:
        cut_off(account, tmp_path, step, f"model={runs[0]}", *FULL)
        assert names_left(account), step
        assert tear_down_here("endpoint=dogs"), step
        assert names_left(account) == [], step
    # A large archive goes in parts, which are billed and in no list of objects.
    account.client("s3").create_multipart_upload(
        Bucket=account.bucket, Key="dogbreed/models/dogs/moto/0123/model.tar.gz"
    )
    for run, step in zip(itertools.cycle(runs), AFTER, strict=False):
        cut_off(account, tmp_path, step, f"model={run}", *FULL)
        wait_until_settled(account, "dogs")
        if step in ("RegisterScalableTarget", "PutScalingPolicy"):
            continue  # the next one meets what is left of this one
        assert tear_down_here("all=true"), step
        assert (names_left(account), groups_of(account)) == ([], []), step
    # What an earlier version left has no owner.
    nobodys = "dogbreed/models/dogs/0123/model.tar.gz"
    account.client("s3").put_object(Bucket=account.bucket, Key=nobodys, Body=b"")
    assert tear_down_here("all=true")
    assert names_left(account) == [nobodys]
    assert tear_down_here("all=true", "owner=all")
    assert names_left(account) == []
    account.client("s3").upload_file(str(photo), account.bucket, "dogbreed/questions/a.jpg")
    photos = f"deploy.photos=s3://{account.bucket}/dogbreed/questions/"
    account.provision_slowly(60)
    cut_off(account, tmp_path, "CreateTransformJob", "deploy=batch", f"model={runs[0]}", photos)
    assert tear_down_here("all=true")
    assert names_left(account) == []
    (job,) = account.client("sagemaker").list_transform_jobs()["TransformJobSummaries"]
    assert job["TransformJobStatus"] == "Stopped"


def test_a_network_that_drops_during_teardown_is_a_sentence(
    account: "SageMakerAccount",
    launch: Launch,
    runs: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut_off(account, tmp_path, "CreateEndpoint", "endpoint=dogs", f"model={runs[0]}")
    wait_until_settled(account, "dogs")
    impatient = ClientConfig(retries={"mode": "standard", "total_max_attempts": 1})
    monkeypatch.setattr("dogbreed.cloud.aws.account.CLIENT", impatient)
    account.drop_next(operation="DeleteEndpoint")
    with pytest.raises(CloudError, match=r"deleting \(run it again to continue\): AWS can't be"):
        tear_down_here("endpoint=dogs")
    assert tear_down_here("all=true")
    assert names_left(account) == []


def stopped_at(
    account: "SageMakerAccount", folder: Path, step: str, *arguments: str
) -> tuple[int, str]:
    """Deploy, and be ended by SIGTERM as soon as `step` was carried out; exit code and stderr."""
    with subprocess.Popen(
        command("deploy.py", *roles_of(account), *arguments),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        account.when_called(step, process.terminate)
        _, err = process.communicate(timeout=240)
    assert "Traceback" not in err
    return process.returncode, err


def test_ctrl_c_names_what_is_left(
    account: "SageMakerAccount",
    launch: Launch,
    runs: tuple[Path, Path],
    photo: Path,
    tmp_path: Path,
) -> None:
    dogs, other = (("endpoint=dogs", f"model={run}") for run in runs)
    code, err = stopped_at(account, tmp_path, "CreateEndpoint", *dogs, "launcher.region=us-east-1")
    assert code == 143
    command = "python launch/teardown.py endpoint=dogs launcher.region=us-east-1 deletes it"
    assert command in err
    # An endpoint that was there before is nothing to delete.
    wait_until_settled(account, "dogs")
    code, err = stopped_at(account, tmp_path, "UpdateEndpoint", *other)
    assert code == 143
    assert "stopped: it was rolled back: the previous one (dogs-" in err
    assert "teardown" not in err
    # It may still be on its way up then, which teardown waits for.
    assert launch("teardown.py", "endpoint=dogs").returncode == 0
    # What is refused later than that says it too.
    account.when_called(
        "CreateEndpoint",
        lambda: account.fail_next("DescribeEndpoint", "ExpiredTokenException", "expired"),
    )
    done = launch("deploy.py", *dogs)
    assert done.returncode == 1
    assert "sign in again (aws login, aws sso login). Meanwhile what was created" in done.stderr
    account.client("s3").upload_file(str(photo), account.bucket, "dogbreed/questions/a.jpg")
    photos = f"deploy.photos=s3://{account.bucket}/dogbreed/questions/"
    code, err = stopped_at(account, tmp_path, "CreateTransformJob", *dogs, "deploy=batch", photos)
    assert code == 143
    assert "aws sagemaker stop-transform-job --transform-job-name dogs-" in err
    assert f"s3://{account.bucket}/dogbreed/answers/dogs-" in err
    assert launch("teardown.py", "endpoint=dogs").returncode == 0
    assert names_left(account) == []


def test_of_two_concurrent_deployments_one_wins_and_the_other_reports_it(
    account: "SageMakerAccount",
    launch_process: Launch,
    runs: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one_has_ended, start = threading.Event(), Endpoint._started

    def started_later(endpoint: Endpoint, container: Container) -> Container:
        """Until one has lost: on a busy machine the other would be late, and win too."""
        assert one_has_ended.wait(240)
        return start(endpoint, container)

    def deploy(run: Path) -> subprocess.CompletedProcess[str]:
        done = launch_process("deploy.py", "endpoint=dogs", f"model={run}")
        one_has_ended.set()
        return done

    monkeypatch.setattr(Endpoint, "_started", started_later)
    for _ in ("created again", "updated"):
        one_has_ended.clear()
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(deploy, runs))
        won, lost = sorted(both, key=lambda done: done.returncode)
        assert (won.returncode, lost.returncode) == (0, 1), [
            done.stdout + done.stderr for done in both
        ]
        assert "another deployment is in progress" in lost.stderr
        config = status_of(account, "dogs")["EndpointConfigName"]
        remaining = [name for name in names_left(account) if name.startswith("dogs-")]
        assert remaining == [config] * 2  # of the one that lost nothing is left


def test_an_endpoint_that_never_comes_up_is_taken_back(
    account: "SageMakerAccount",
    launch: Launch,
    runs: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    damage_next_container(monkeypatch, break_model)
    done = launch("deploy.py", "endpoint=dogs", f"model={runs[0]}", "deploy.ttl_hours=1")
    assert done.returncode == 1
    assert "didn't start" in done.stderr
    assert "Endpoint dogs was deleted again, and nothing is billed." in done.stderr
    left = [name for name in names_left(account) if "model.tar.gz" not in name]
    assert left == []
    # A role that the scheduler may not take on stops everything before it costs.
    account.fail_next(
        "CreateSchedule",
        "ValidationException",
        "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
    )
    done = launch("deploy.py", "endpoint=dogs", f"model={runs[0]}", "deploy.ttl_hours=1")
    assert done.returncode == 1
    assert "deploy.ttl_hours: " in done.stderr
    assert (
        "launch/iam/scheduler-trust.json, or name another role with deploy.ttl_role" in done.stderr
    )
    # So does a group of the registry that is somebody else's.
    account.client("sagemaker").create_model_package_group(ModelPackageGroupName="theirs")
    done = launch("deploy.py", "endpoint=dogs", f"model={runs[0]}", "deploy.register=theirs")
    assert done.returncode == 1
    assert "isn't this project's: take another deploy.register=NAME" in done.stderr
    assert sent(account, "CreateEndpoint")[1:] == []


def rows_of(folder: Path, job: dict[str, Any]) -> list[dict[str, str]]:
    """The rows of a transform job's CSV file."""
    file = folder / "outputs" / job["TransformJobName"] / "predictions.csv"
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_batch_answers_for_every_photo_of_a_folder(
    account: "SageMakerAccount", launch: Launch, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    for number in range(3):
        draw_photo(folder / "of dogs" / f"{number}.jpg", 20, number)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    draw_photo(folder / "of dogs" / "@eaDir" / "0.jpg" / "SYNOPHOTO_THUMB_M.jpg", 20, 0)
    done = launch("deploy.py", "deploy=batch", f"deploy.photos={folder}", f"model={runs[1]}")
    assert done.returncode == 0, done.stderr
    assert "broken.jpg: " in done.stdout
    assert "skipped 1 hidden or system files and folders: 1 '@eaDir'" in done.stdout
    (job,) = sent(account, "CreateTransformJob")
    rows = rows_of(tmp_path, job)
    assert [row["path"] for row in rows[:-1]] == [f"of dogs/{number}.jpg" for number in range(3)]
    assert {row["label"] for row in rows[:-1]} == {BREEDS[1]}
    assert (rows[-1]["path"], rows[-1]["label"]) == ("broken.jpg", "")
    assert rows[-1]["error"]
    assert account.client("sagemaker").list_models()["Models"] == []
    deleted = ("DeleteObject", "DeleteObjects")
    assert not [operation for _, operation in account.calls if operation in deleted]

    # One in S3 that can't be used doesn't fail the job: it is a row with its error.
    for number, path in enumerate(
        (folder / "of dogs" / "0.jpg", folder / "broken.jpg", folder / "of dogs" / "1.jpg")
    ):
        account.client("s3").upload_file(
            str(path), account.bucket, f"dogbreed/questions/mine/{number}.jpg"
        )
    photos = f"deploy.photos=s3://{account.bucket}/dogbreed/questions/mine/"
    done = launch("deploy.py", "deploy=batch", photos, f"model={runs[1]}")
    assert done.returncode == 0, done.stderr
    assert ": 3 photos, 1 of them unreadable\n" in done.stdout
    rows = rows_of(tmp_path, sent(account, "CreateTransformJob")[-1])
    assert [(row["path"], row["label"]) for row in rows] == [
        *(("0.jpg", BREEDS[1]), ("1.jpg", ""), ("2.jpg", BREEDS[1]))
    ]
    assert [bool(row["error"]) for row in rows] == [False, True, False]

    # One that SageMaker would refuse to send fails the job, so it isn't started.
    account.client("s3").put_object(
        Bucket=account.bucket, Key="dogbreed/questions/mine/x.jpg", Body=bytes(2**20 + 1)
    )
    done = launch("deploy.py", "deploy=batch", photos, f"model={runs[1]}", "deploy.max_photo_mb=1")
    assert done.returncode == 2
    assert "mine/x.jpg: more than 1 MB, at which the job would fail" in done.stderr
    assert len(sent(account, "CreateTransformJob")) == 2


def alarms_of(account: "SageMakerAccount") -> list[str]:
    found = account.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return [each["AlarmName"] for each in found]


def test_an_async_endpoint_scales_to_zero_and_answers_nevertheless(
    account: "SageMakerAccount",
    launch: Launch,
    runs: tuple[Path, Path],
    photo: Path,
    tmp_path: Path,
) -> None:
    lazy = ("endpoint=lazy", "deploy=async", f"model={runs[0]}")
    done = launch("deploy.py", *lazy)
    assert done.returncode == 0, done.stderr
    assert "it scales between 0 and 1 instances" in done.stdout
    assert f"%  {BREEDS[0]}\n" in done.stdout
    assert "nothing while it has none" in done.stdout
    assert alarms_of(account) == ["dogbreed-lazy-backlog"]
    objects = account.client("s3").list_objects_v2
    assert "Contents" not in objects(Bucket=account.bucket, Prefix="dogbreed/questions/")

    # Nobody queried it for a while: the first photo starts an instance.
    account.scale_out("lazy", 0)
    queried = launch("query.py", str(photo))
    assert queried.returncode == 0, queried.stderr
    assert json.loads(queried.stdout)["label"] == BREEDS[0]
    assert status_of(account, "lazy")["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    # What the model refuses goes to the folder of failures.
    client = account.client("sagemaker-runtime")
    account.client("s3").put_object(Bucket=account.bucket, Key="dogbreed/questions/x", Body=b"no")
    response = client.invoke_endpoint_async(
        EndpointName="lazy", InputLocation=f"s3://{account.bucket}/dogbreed/questions/x"
    )
    bucket, _, key = response["FailureLocation"].removeprefix("s3://").partition("/")
    account.client("s3").get_waiter("object_exists").wait(
        Bucket=bucket, Key=key, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )
    assert key.startswith("dogbreed/answers/async-failed/lazy/")

    # An endpoint doesn't change its kind, and without the alarm nothing would wake it.
    done = launch("deploy.py", "endpoint=lazy", f"model={runs[0]}")
    assert done.returncode == 2
    assert "endpoint lazy is asynchronous, which an update doesn't change" in done.stderr
    account.client("cloudwatch").delete_alarms(AlarmNames=alarms_of(account))
    account.scale_out("lazy", 0)
    queried = launch("query.py", str(photo), "patience_s=1")
    assert queried.returncode == 1
    assert "didn't answer within 1 s: it may be starting its first instance" in queried.stderr
    assert f"Its answer will be in s3://{account.bucket}/dogbreed/answers/async/lazy/" in (
        queried.stderr
    )

    # Updated, it has its alarm again; deleted, nothing is left.
    done = launch("deploy.py", *lazy, f"model={runs[1]}")
    assert done.returncode == 0, done.stderr
    assert alarms_of(account) == ["dogbreed-lazy-backlog"]
    assert launch("teardown.py", "endpoint=lazy").returncode == 0
    assert names_left(account) == alarms_of(account) == []


def test_the_newest_model_may_be_a_training_job_s(
    account: "SageMakerAccount", launch: Launch, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    name = "dogbreed-261101-101010-abcd"
    account.trained(name, runs[1] / "model")
    (tmp_path / "outputs").mkdir()
    os.utime(runs[0] / "model" / "model.json", (0, 0))
    (tmp_path / "outputs" / "latest").symlink_to(runs[0])
    done = launch("deploy.py", "endpoint=dogs")
    assert done.returncode == 0, done.stderr
    assert f"model: {name}, 3 classes" in done.stdout
    assert f"%  {BREEDS[1]}\n" in done.stdout
