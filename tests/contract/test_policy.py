"""launch/iam/: no more than is needed. That it is enough is held by every test's account."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from conftest import PROJECT
from contract.authorization import action_of
from contract.policies import (
    EXAMPLE_ACCOUNT,
    IAM,
    LAUNCHER,
    PERSON,
    PIPELINE,
    SCHEDULER,
    SERVING,
    TRAINING,
    TRUST,
    Need,
    allowed,
    allows,
    as_list,
    decision,
    denied,
    may_assume,
    statements,
)
from moto.core.models import DEFAULT_ACCOUNT_ID as OURS

from dogbreed.cloud.jobs.capacity import warm_pool_lines
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import FinalConfig

POLICIES = (LAUNCHER, TRAINING, SERVING, SCHEDULER)
ALL = (*PERSON, TRAINING, SERVING, SCHEDULER, PIPELINE)
THEIRS = "999988887777"
BUCKET = f"sagemaker-us-east-1-{OURS}"
# Of operations that several services have, the last one's are called.
SERVICES = (
    *("events", "pricing", "sagemaker", "sagemaker-runtime", "s3", "iam", "scheduler", "logs"),
    "cloudwatch",
)
SCALING = "application-autoscaling"
ALARMS = "cloudwatch"  # last, as only its operation list_tags_for_resource is called
# What no line of ours calls, and why it is needed nevertheless.
NOT_CALLED = {
    "iam:PassRole": "roles are handed to SageMaker and to the scheduler",
    "sagemaker:AddTags": "needed for tags in a request that makes something",
    "scheduler:TagResource": "the same, of the schedules' group",
    "application-autoscaling:TagResource": "the same, of an endpoint's scaling",
    "cloudwatch:TagResource": "the same, of an endpoint's alarms",
    "iam:CreateServiceLinkedRole": "Application Auto Scaling makes it, once in an account",
    "sagemaker:UpdateEndpointWeightsAndCapacities": "checked by it in the caller's name",
    "s3:PutObject": "by put_object, and by boto's upload_fileobj",
    "s3:GetObject": "by get_object and head_object",
    "events:TagResource": "the same, of a pipeline's rule",
    "sagemaker:UpdateTrainingJob": "by the command that is printed for a warm pool",
    # By the SDK's resources: Pipeline, TrainingJob, HyperParameterTuningJob.
    "sagemaker:CreatePipeline": "Pipeline.create",
    "sagemaker:UpdatePipeline": "Pipeline.update",
    "sagemaker:StartPipelineExecution": "Pipeline.start",
    "sagemaker:CreateTrainingJob": "TrainingJob.create",
    "sagemaker:CreateHyperParameterTuningJob": "HyperParameterTuningJob.create",
    "sagemaker:ListTrainingJobsForHyperParameterTuningJob": "get_all_training_jobs",
}
IN_CONTAINERS = {
    *("s3:ListBucket", "s3:GetObject", "s3:PutObject"),
    *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    # The service's own, under the role, beside what a container of the tests does.
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
    "logs:DescribeLogStreams",
    "s3:AbortMultipartUpload",
}
# What a service lets nobody narrow to a resource. Source: the Service Authorization Reference.
WITHOUT_RESOURCES = {
    "cloudwatch:DescribeAlarms",
    "ecr:GetAuthorizationToken",
    "pricing:GetProducts",
}


def actions_in_the_source() -> Iterator[str]:
    """Every action that a line of dogbreed/cloud/ calls through a client or a paginator."""
    session = botocore.session.get_session()
    actions = {
        xform_name(operation): action_of(service, operation)
        for service in (*SERVICES, SCALING, ALARMS)
        for operation in session.get_service_model(service).operation_names
    }
    for path in (PROJECT / "dogbreed" / "cloud").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.attr] if isinstance(node, ast.Attribute) else []
            names = [name for name in names if name != "search"]  # a part of the configuration
            names += [str(node.value)] if isinstance(node, ast.Constant) else []
            yield from (str(actions[name]) for name in names if actions.get(name))


def test_the_launcher_may_do_nothing_that_nothing_calls() -> None:
    actions = {action for policy in PERSON for action in allowed(policy)}
    called = set(actions_in_the_source())
    assert actions - called - NOT_CALLED.keys() == set()
    assert called - actions == set()
    assert NOT_CALLED.keys() <= actions


def test_roles_may_do_nothing_that_nothing_calls() -> None:
    assert set(allowed(TRAINING)) == IN_CONTAINERS
    assert set(allowed(SERVING)) == IN_CONTAINERS | {"cloudwatch:DescribeAlarms"}
    assert set(allowed(SCHEDULER)) == {
        "sagemaker:DeleteEndpoint",
        "application-autoscaling:DeregisterScalableTarget",
    }


@pytest.mark.parametrize("policy", ALL, ids=lambda path: path.stem)
def test_each_statement_names_actions_and_the_account(policy: Path) -> None:
    # A policy of one's own has 6,144 characters without white space at most.
    assert len(json.dumps(json.loads(policy.read_text("utf-8")), separators=(",", ":"))) <= 6144
    for statement in statements(policy):
        assert statement["Effect"] == "Allow"
        for action in as_list(statement["Action"]):
            assert "*" not in action
            service, _, name = action.partition(":")
            for resource in as_list(statement["Resource"]):
                if resource == "*":
                    lists = name.startswith("List") or service == SCALING
                    metrics = action == "cloudwatch:PutMetricData" and "Condition" in statement
                    assert lists or metrics or action in WITHOUT_RESOURCES, action
                elif service == "s3":
                    assert "aws:ResourceAccount" in json.dumps(statement["Condition"]), action
                elif service != "ecr":  # AWS's containers lie in accounts of AWS's
                    assert f":{OURS}:" in resource, action


ROLE = f"arn:aws:iam::{OURS}:role/"


@pytest.mark.parametrize(
    ("role", "service", "may"),
    [
        ("DogbreedTraining", "sagemaker", True),
        ("DogbreedServing", "sagemaker", True),
        ("DogbreedScheduler", "scheduler", True),
        ("DogbreedPipeline", "sagemaker", True),
        ("DogbreedPipeline", "events", True),
        ("DogbreedTraining", "events", False),
        ("DogbreedTraining", "scheduler", False),
        ("DogbreedScheduler", "sagemaker", False),
        ("DogbreedTraining", "lambda", False),
        ("DogbreedTraining", "ec2", False),
        ("AmazonSageMaker-ExecutionRole-Admin", "sagemaker", False),
        ("DogbreedTrainingAdmin", "sagemaker", False),
        ("service-role/DogbreedTraining", "sagemaker", False),
    ],
)
def test_four_roles_are_handed_over_and_no_other(role: str, service: str, may: bool) -> None:
    context = {"iam:PassedToService": f"{service}.amazonaws.com"}
    assert (denied(PERSON, [Need("iam:PassRole", ROLE + role, context)]) == []) is may
    assert denied(PERSON, [Need("iam:PassRole", ROLE + role)])


def s3(action: str, key: str, owner: str = OURS, bucket: str = BUCKET) -> Need:
    context = {"aws:ResourceAccount": owner}
    if action == "ListBucket":
        return Need("s3:ListBucket", f"arn:aws:s3:::{bucket}", {**context, "s3:prefix": key})
    return Need(f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}", context)


FOLDERS = (
    *("source", "photos", "weights", "features", "checkpoints", "jobs"),
    *("models", "questions", "answers", "captured"),
)
READ = {
    TRAINING: {"source", "photos", "weights", "checkpoints", "jobs"},
    SERVING: {"models", "questions", "jobs"},  # jobs: a pipeline packs models there
    SCHEDULER: set[str](),
    LAUNCHER: {*FOLDERS, "other"},
}
WRITTEN = {
    TRAINING: {"checkpoints", "jobs"},
    SERVING: {"answers", "captured"},
    SCHEDULER: set[str](),
    LAUNCHER: {"models", "photos", "questions", "source", "weights"},
}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda path: path.stem)
def test_each_reads_and_writes_its_own_folders(policy: Path) -> None:
    for folder in (*FOLDERS, "other"):
        key = f"dogbreed/{folder}/a/b"
        assert allows(policy, s3("GetObject", key)) is (folder in READ[policy]), folder
        assert allows(policy, s3("PutObject", key)) is (folder in WRITTEN[policy]), folder
        for wrong in (s3("PutObject", key, owner=THEIRS), s3("GetObject", key, owner=THEIRS)):
            assert not allows(policy, wrong), "a bucket of another account"
        for other in ("elsewhere", f"sagemaker-us-east-1-{THEIRS}"):
            assert not allows(policy, s3("PutObject", key, bucket=other))
            assert not allows(policy, s3("GetObject", key, bucket=other))
        for name in ("DeleteObject", "PutObjectAcl", "PutBucketPolicy", "GetObjectVersion"):
            removes = policy == LAUNCHER and name == "DeleteObject"
            may = removes and folder == "models"
            assert allows(policy, s3(name, key)) is may, (name, folder)
    # Of the photos to predict those of asynchronous endpoints are deleted, which nobody else reads.
    answered = s3("DeleteObject", "dogbreed/questions/async/dogs/a")
    assert allows(policy, answered) is (policy == LAUNCHER)
    assert not allows(policy, s3("PutObject", "elsewhere/jobs/a"))
    assert not allows(policy, s3("PutObject", "jobs/a"))
    assert not allows(policy, s3("ListBucket", "", owner=THEIRS))


def test_roles_list_the_folders_that_they_read_and_no_others() -> None:
    for role in (TRAINING, SERVING):
        for folder in FOLDERS:
            need = s3("ListBucket", f"dogbreed/{folder}/x")
            assert allows(role, need) is (folder in READ[role]), folder
        assert not allows(role, s3("ListBucket", ""))


TAGGED = {"aws:ResourceTag/project": "dogbreed"}


@pytest.mark.parametrize("action", ["DeleteEndpoint", "UpdateEndpoint", "StopTrainingJob"])
def test_what_others_made_is_neither_changed_nor_deleted(action: str) -> None:
    kind = "training-job" if "Job" in action else "endpoint"
    arn = f"arn:aws:sagemaker:us-east-1:{{}}:{kind}/theirs"
    assert allows(LAUNCHER, Need(f"sagemaker:{action}", arn.format(OURS), TAGGED))
    assert not allows(LAUNCHER, Need(f"sagemaker:{action}", arn.format(OURS)))
    assert not allows(LAUNCHER, Need(f"sagemaker:{action}", arn.format(THEIRS), TAGGED))
    others = {"aws:ResourceTag/project": "another"}
    assert not allows(LAUNCHER, Need(f"sagemaker:{action}", arn.format(OURS), others))


def test_the_printed_command_that_releases_a_warm_pool_is_allowed() -> None:
    overrides = ["launcher.keep_alive_minutes=15"]
    launcher = compose_as(FinalConfig, "final", overrides).launcher
    text = " ".join(warm_pool_lines(launcher, "dogbreed-1", "eu-west-1"))
    (words,) = re.findall(r"`aws sagemaker (\S+) --training-job-name dogbreed-1 [^`]+`", text)
    action = "sagemaker:" + words.title().replace("-", "")
    arn = f"arn:aws:sagemaker:eu-west-1:{OURS}:training-job/dogbreed-1"
    assert allows(LAUNCHER, Need(action, arn, TAGGED))
    assert not allows(LAUNCHER, Need(action, arn))


def test_the_scheduler_deletes_endpoints_of_this_project_alone() -> None:
    arn = f"arn:aws:sagemaker:eu-west-1:{OURS}:endpoint/dogs"
    assert allows(SCHEDULER, Need("sagemaker:DeleteEndpoint", arn, TAGGED))
    assert not allows(SCHEDULER, Need("sagemaker:DeleteEndpoint", arn))
    assert not allows(SCHEDULER, Need("sagemaker:DeleteModel", arn, TAGGED))


SAGEMAKER, TIMER = "sagemaker.amazonaws.com", "scheduler.amazonaws.com"


def asked_by(account: str, arn: str) -> dict[str, str]:
    return {"aws:SourceAccount": account, "aws:SourceArn": arn.format(account)}


@pytest.mark.parametrize("role", [TRAINING, SERVING], ids=lambda path: path.stem)
def test_sagemaker_takes_on_a_role_for_this_account_alone(role: Path) -> None:
    job = "arn:aws:sagemaker:us-east-1:{}:training-job/dogbreed-1"
    assert may_assume(TRUST[role], SAGEMAKER, asked_by(OURS, job))
    for context in (
        asked_by(THEIRS, job),
        {**asked_by(OURS, job), "aws:SourceAccount": THEIRS},
        {**asked_by(THEIRS, job), "aws:SourceAccount": OURS},
        asked_by(OURS, "arn:aws:lambda:us-east-1:{}:function/x"),
        {"aws:SourceAccount": OURS},
        {},
    ):
        assert not may_assume(TRUST[role], SAGEMAKER, context), context
    for service in (TIMER, "lambda.amazonaws.com"):
        assert not may_assume(TRUST[role], service, asked_by(OURS, job))


def test_the_scheduler_takes_on_its_role_for_this_projects_schedules_alone() -> None:
    group = "arn:aws:scheduler:us-east-1:{}:schedule-group/dogbreed"
    trust = TRUST[SCHEDULER]
    assert may_assume(trust, TIMER, asked_by(OURS, group))
    assert not may_assume(trust, TIMER, asked_by(THEIRS, group))
    assert not may_assume(trust, TIMER, asked_by(OURS, group.replace("dogbreed", "default")))
    assert not may_assume(trust, SAGEMAKER, asked_by(OURS, group))


def test_one_number_stands_for_the_account_in_all_files() -> None:
    files = sorted(IAM.iterdir())
    assert {path.stem for path in files} == {
        *(policy.stem for policy in ALL),
        *(trust.stem for trust in TRUST.values()),
    }
    for path in files:
        document = json.loads(path.read_text("utf-8"))
        assert document["Version"] == "2012-10-17"
        assert EXAMPLE_ACCOUNT in path.read_text("utf-8")


def of_action(action: str) -> dict[str, Any]:
    """The launcher's one statement on an action."""
    found, *_ = (
        each
        for policy in PERSON
        for each in statements(policy)
        if action in as_list(each["Action"])
    )
    return found


def test_tags_are_given_to_what_is_made_and_to_nothing_else() -> None:
    tagging = of_action("sagemaker:AddTags")
    assert as_list(tagging["Action"]) == ["sagemaker:AddTags"]
    creations = [
        action.partition(":")[2]
        for action in as_list(of_action("sagemaker:CreateModel")["Action"])
        if action.startswith("sagemaker:Create")
    ]
    assert tagging["Condition"]["StringEquals"] == {
        "aws:RequestTag/project": "dogbreed",
        "sagemaker:TaggingAction": creations,
    }
    # This action knows no service-namespace: with that condition it would never be allowed.
    scaling = of_action(f"{SCALING}:TagResource")
    assert as_list(scaling["Action"]) == [f"{SCALING}:TagResource"]
    assert scaling["Condition"] == {"StringEquals": {"aws:RequestTag/project": "dogbreed"}}


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_one_command_makes_them_policies_of_another_partition(
    partition: str, tmp_path: Path
) -> None:
    # The command of docs/sagemaker.md: sed 's/arn:aws:/arn:PARTITION:/g'.
    for file in IAM.iterdir():
        text = file.read_text("utf-8").replace("arn:aws:", f"arn:{partition}:")
        assert len(json.dumps(json.loads(text), separators=(",", ":"))) <= 6144
        (tmp_path / file.name).write_text(text, "utf-8")
    region = {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}[partition]
    launcher, training = tmp_path / LAUNCHER.name, tmp_path / TRAINING.name
    start = f"arn:{partition}:sagemaker:{region}:{OURS}:training-job/x"
    tagged = {"aws:RequestTag/project": "dogbreed"}
    assert allows(launcher, Need("sagemaker:CreateTrainingJob", start, tagged))
    elsewhere = start.replace(partition, "aws")
    assert not allows(launcher, Need("sagemaker:CreateTrainingJob", elsewhere, tagged))
    passed = {"iam:PassedToService": "sagemaker.amazonaws.com"}
    role = f"arn:{partition}:iam::{OURS}:role/DogbreedTraining"
    assert allows(launcher, Need("iam:PassRole", role, passed))
    bucket = f"arn:{partition}:s3:::sagemaker-{region}-{OURS}"
    owned = {"aws:ResourceAccount": OURS}
    assert allows(training, Need("s3:GetObject", f"{bucket}/dogbreed/photos/a", owned))
    trust = tmp_path / TRUST[TRAINING].name
    assert may_assume(trust, SAGEMAKER, asked_by(OURS, start.replace(OURS, "{}")))
    assert not may_assume(trust, SAGEMAKER, asked_by(OURS, elsewhere.replace(OURS, "{}")))


ALLOW = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"}
DENY = {**ALLOW, "Effect": "Deny", "Resource": "arn:aws:s3:::b/secret"}
READ_A, READ_SECRET = (Need("s3:getobject", f"arn:aws:s3:::b/{key}") for key in ("a", "secret"))


def test_the_evaluator_denies_negates_and_refuses_what_it_doesnt_know() -> None:
    assert decision([ALLOW, DENY], READ_A)
    assert not decision([ALLOW, DENY], READ_SECRET)
    assert not decision([], READ_A)
    tag = {"AWS:RequestTag/project": "ours"}
    for condition, holds in (
        ({"StringNotEquals": {"aws:requesttag/project": ["theirs", "others"]}}, True),
        ({"StringNotEquals": {"aws:RequestTag/project": ["theirs", "ours"]}}, False),
        ({"StringNotLike": {"aws:RequestTag/other": "x*"}}, True),
        ({"StringLike": {"aws:RequestTag/other": "*"}}, False),
        ({"ArnEqualsIfExists": {"aws:SourceArn": "arn:x"}}, True),
    ):
        statement = {**ALLOW, "Condition": condition}
        assert decision([statement], Need(READ_A.action, READ_A.resource, tag)) is holds
    without = {key: value for key, value in ALLOW.items() if key != "Action"}
    for unknown in (
        {**without, "NotAction": "s3:Put*"},
        {**ALLOW, "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "x"}}},
        {**ALLOW, "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
    ):
        with pytest.raises(ValueError, match="the evaluator doesn't know it"):
            decision([unknown], READ_A)
