"""Requests against the services' own models, patterns and all, with the key that is wrong."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("boto3")

import botocore.session  # type: ignore[import-untyped, unused-ignore]

from dogbreed.cloud.aws.request_check import CHECKED, check_request
from dogbreed.cloud.aws.service_model import compiled, problems
from dogbreed.errors import ConfigError

TRAINING: dict[str, Any] = {
    "TrainingJobName": "a-b",
    "RoleArn": "arn:aws:iam::111122223333:role/R",
    "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "i"},
    "OutputDataConfig": {"S3OutputPath": "s3://b/x"},
    "ResourceConfig": {
        "InstanceType": "ml.m5.large",
        "InstanceCount": 1,
        "VolumeSizeInGB": 1,
    },
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


def refuse(operation: str, request: dict[str, Any], service: str = "sagemaker") -> None:
    model = SimpleNamespace(name=operation, service_model=SimpleNamespace(service_name=service))
    check_request(request, model)


def test_every_pattern_of_the_services_is_understood() -> None:
    session = botocore.session.get_session()
    for service in CHECKED:
        model = session.get_service_model(service)
        for name in model.shape_names:
            pattern = model.shape_for(name).metadata.get("pattern")
            if pattern is not None:
                compiled(pattern)


@pytest.mark.parametrize(
    ("pattern", "fits", "refused"),
    [
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "größe 日本 ٣ a:b", "a!"),
        (r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,128}", "test.top1", "a\n"),
        (r"\p{Print}+", "a b", "ä"),
        (r"\d{12}", "111122223333", "١١١١٢٢٢٢٣٣٣٣"),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "a🐶", "\x01"),
        (r"\A\S[\p{Print}]*\z", "a b", " a"),
    ],
)
def test_java_s_patterns_mean_the_same_here(pattern: str, fits: str, refused: str) -> None:
    assert compiled(pattern).fullmatch(fits)
    assert not compiled(pattern).fullmatch(refused)


def test_an_unknown_pattern_is_left_to_the_service() -> None:
    with pytest.raises(re.error):
        compiled(r"\p{IsGreek}")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"RoleArn": "arn:aws:iam::1:role/R" + "x" * 9}, r"^launcher\.role: .*roleArn"),
        ({"TrainingJobName": "a_b"}, r"^search\.name: .*letters, digits and hyphens"),
        ({"Tags": [{"Key": "a!", "Value": ""}]}, r"^launcher\.tags: .*'a!'.*tags\.1\.member\.key"),
        ({"HyperParameters": {"name": "x" * 2501}}, r"^name: .*x\.\.\.'.*equal to 2500"),
        ({"OutputDataConfig": {"S3OutputPath": "x"}}, r"^launcher\.prefix: AWS would refuse 'x'"),
        (
            {"ResourceConfig": {**TRAINING["ResourceConfig"], "InstanceType": "ml.m5.lrge"}},
            r"^launcher\.instance_type: .*such as ml\.m5\.large",
        ),
        (
            {"VpcConfig": {"Subnets": ["a b"], "SecurityGroupIds": ["sg-1"]}},
            r"^launcher\.subnets: .*'a b'",
        ),
    ],
)
def test_what_the_service_would_refuse_is_named_by_its_key(
    change: dict[str, Any], sentence: str
) -> None:
    refuse("CreateTrainingJob", TRAINING)
    with pytest.raises(ConfigError, match=sentence):
        refuse("CreateTrainingJob", {**TRAINING, **change})


def test_other_services_are_checked_too() -> None:
    target = {"Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint", "RoleArn": "Role"}
    schedule = {
        "Name": "a b",
        "ScheduleExpression": "at(2030-01-01T00:00:00)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target,
    }
    with pytest.raises(ConfigError, match=r"endpoint: .*'a b'.*deploy\.ttl_role: .*'Role'"):
        refuse("CreateSchedule", schedule, "scheduler")
    assert problems("sagemaker", "NoSuchOperation", {}) == []
