"""launch/iam/: no more than what is called. That it is enough is held by every test's account."""

import ast
from collections.abc import Iterator
from typing import Any

import botocore.session
from botocore import xform_name
from conftest import PROJECT
from contract.policies import LAUNCHER, ROLE, TRUST, action_of, allowed, statements

SERVICES = ("sagemaker", "sagemaker-runtime", "s3", "iam", "scheduler", "logs")
SCALING = "application-autoscaling"
# What no line of ours calls, and why it is needed nevertheless.
NOT_CALLED = {
    "iam:PassRole": "the role is handed to SageMaker and to the scheduler",
    "sagemaker:AddTags": "needed for tags in a request that makes something",
    "scheduler:TagResource": "the same, of the schedules' group",
    "application-autoscaling:TagResource": "the same, of an endpoint's scaling",
    "cloudwatch:DescribeAlarms": "Application Auto Scaling makes its alarms for the caller",
    "cloudwatch:PutMetricAlarm": "the same",
    "cloudwatch:DeleteAlarms": "the same, when an endpoint stops scaling",
    "iam:CreateServiceLinkedRole": "the same, once in an account",
    "sagemaker:UpdateEndpointWeightsAndCapacities": "checked by it in the caller's name",
    "s3:PutObject": "by put_object, and by boto's upload_fileobj",
    "s3:GetObject": "by get_object and head_object",
    # By the SDK's resources: TrainingJob, HyperParameterTuningJob.
    "sagemaker:CreateTrainingJob": "TrainingJob.create",
    "sagemaker:CreateHyperParameterTuningJob": "HyperParameterTuningJob.create",
    "sagemaker:ListTrainingJobsForHyperParameterTuningJob": "get_all_training_jobs",
}
# The service's own, under the role, beside what a container of the tests does.
NOT_CALLED_BY_JOBS = {
    "cloudwatch:PutMetricData": "the figures of jobs and endpoints",
    "ecr:GetAuthorizationToken": "fetching AWS's containers",
    "ecr:BatchCheckLayerAvailability": "the same",
    "ecr:BatchGetImage": "the same",
    "ecr:GetDownloadUrlForLayer": "the same",
    "logs:DescribeLogStreams": "asked before a stream is written",
    "s3:AbortMultipartUpload": "when a large upload breaks off",
    "sagemaker:DeleteEndpoint": "deploy.ttl_hours",
    "application-autoscaling:DeregisterScalableTarget": "the same, of an endpoint that scales",
}
CALLED_BY_JOBS = {
    *("s3:ListBucket", "s3:GetObject", "s3:PutObject"),
    *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
}


def actions_in_the_source() -> Iterator[str]:
    """Every action that a line of dogbreed/cloud/ calls through a client or a paginator."""
    session = botocore.session.get_session()
    actions = {
        xform_name(operation): action_of(service, operation)
        for service in (*SERVICES, SCALING)
        for operation in session.get_service_model(service).operation_names
    }
    for path in (PROJECT / "dogbreed" / "cloud").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.attr] if isinstance(node, ast.Attribute) else []
            names = [name for name in names if name != "search"]  # a part of the configuration
            names += [str(node.value)] if isinstance(node, ast.Constant) else []
            yield from (str(actions[name]) for name in names if actions.get(name))


def test_the_launcher_may_do_nothing_that_nothing_calls() -> None:
    actions = allowed(LAUNCHER)
    assert sorted(actions) == sorted(set(actions))
    called = set(actions_in_the_source())
    assert set(actions) - called - NOT_CALLED.keys() == set()
    assert called - set(actions) == set()
    assert NOT_CALLED.keys() <= set(actions)


def test_the_role_may_do_nothing_that_nothing_calls() -> None:
    assert set(allowed(ROLE)) == CALLED_BY_JOBS | NOT_CALLED_BY_JOBS.keys()


def test_the_policies_name_actions_one_by_one_and_bound_what_changes_things() -> None:
    for policy in (LAUNCHER, ROLE):
        for statement in statements(policy):
            for action in actions_of(statement):
                assert "*" not in action
                reads = action.split(":")[1].startswith(
                    ("Describe", "List", "Get", "PutMetricData")
                )
                assert reads or statement["Resource"] != "*" or "Condition" in statement, action


def test_the_role_is_one_that_sagemaker_and_the_scheduler_may_take_on() -> None:
    (statement,) = statements(TRUST)
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Principal"]["Service"] == [
        "sagemaker.amazonaws.com",
        "scheduler.amazonaws.com",
    ]


def of_action(action: str) -> dict[str, Any]:
    """The launcher's one statement on an action."""
    (found,) = (each for each in statements(LAUNCHER) if action in actions_of(each))
    return found


def actions_of(statement: dict[str, Any]) -> list[str]:
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else list(actions)


def test_tags_are_given_to_what_is_made_and_to_nothing_else() -> None:
    tagging = of_action("sagemaker:AddTags")
    assert actions_of(tagging) == ["sagemaker:AddTags"]
    creations = [
        action.partition(":")[2]
        for action in actions_of(of_action("sagemaker:CreateModel"))
        if action.startswith("sagemaker:Create")
    ]
    assert tagging["Condition"]["StringEquals"] == {
        "aws:RequestTag/project": "dogbreed",
        "sagemaker:TaggingAction": creations,
    }
    # This action knows no service-namespace: with that condition it would never be allowed.
    scaling = of_action(f"{SCALING}:TagResource")
    assert actions_of(scaling) == [f"{SCALING}:TagResource"]
    assert scaling["Condition"] == {"StringEquals": {"aws:RequestTag/project": "dogbreed"}}
