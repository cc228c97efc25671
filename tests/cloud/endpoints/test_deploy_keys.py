"""Deployments that SageMaker can't do are refused before anything is made; what others cost."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from dogbreed.cloud.aws.account_keys import check_topic
from dogbreed.cloud.aws.service_model import choices_of
from dogbreed.cloud.aws.tags import all_tags
from dogbreed.cloud.endpoints.deploy_keys import MAX_NAME_CHARACTERS, check_deployment
from dogbreed.cloud.endpoints.endpoint_requests import (
    ServedModel,
    container_environment,
    deployment_name,
    endpoint_config_request,
    transform_request,
)
from dogbreed.cloud.endpoints.lifetime import lifetime_of, with_lifetime
from dogbreed.cloud.endpoints.serving_costs import serving_costs
from dogbreed.cloud.endpoints.serving_images import serving_image
from dogbreed.cloud.jobs.channels import Channel
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import DeployConfig, TeardownConfig
from dogbreed.errors import CloudError, ConfigError

DEPLOYMENT = ServedModel(name="dogs-1", model_uri="s3://b/m", image_uri="i")
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"


def composed(*overrides: str) -> DeployConfig:
    return compose_as(DeployConfig, "deploy", overrides)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("endpoint=my_dogs",), "must be at most 43 letters, digits"),
        (("endpoint=-dogs",), "must be at most 43 letters, digits"),
        (("endpoint=newest",), "take another name"),
        (("deploy.photos=x",), "Take deploy=batch"),
        (("launcher.subnets=[subnet-1]",), "launcher.security_groups go together"),
        ((f"endpoint={'d' * (MAX_NAME_CHARACTERS + 1)}",), "at most 43"),
        (("deploy.max_instances=3",), "doesn't scale burstable instances such as ml.t2.medium"),
        (
            (
                "deploy.instance_type=ml.c7i.large",
                "deploy.max_instances=1",
                "deploy.instance_count=2",
            ),
            "at least deploy.instance_count=2",
        ),
        (("deploy.instance_type=null",), "deploy=realtime needs one"),
        (
            ("deploy=serverless", "deploy.capture_percent=5"),
            "not supported by serverless endpoints",
        ),
        (("deploy=serverless", "deploy.instance_type=ml.c7i.large"), "deploy.instance_type: "),
        (("deploy=serverless", "launcher.subnets=[subnet-1]"), "launcher.subnets: "),
        (("deploy=serverless", "deploy.memory_mb=1500"), "multiple of 1024"),
        (
            ("deploy.instance_type=ml.p3.2xlarge",),
            "GPU is too old for the CUDA of AWS's containers",
        ),
        (
            ("deploy.instance_type=ml.g5.xlarge", f"deploy.volume_kms_key={KEY}"),
            "takes no key for ml.g5.xlarge, whose local disks",
        ),
        (("deploy.instance_type=ml.m5d.large", f"deploy.volume_kms_key={KEY}"), "local disks"),
        (("deploy=serverless", f"deploy.volume_kms_key={KEY}"), "not supported by serverless"),
        (("deploy=async", "deploy.instance_type=ml.t2.medium"), "doesn't scale burstable"),
        (("deploy=async", "deploy.capture_percent=5"), "in S3 anyway"),
        (("deploy=async", "deploy.max_instances=null"), "deploy=async scales between zero and"),
        (("deploy=async", "deploy.instance_count=2"), "at least deploy.instance_count=2"),
        (("deploy=async", "deploy.photos=x"), "Take deploy=batch"),
        (("deploy=batch",), "deploy.photos has no value"),
        (("deploy=batch", "deploy.photos=x", "deploy.alarms=true"), "not for batch transform jobs"),
        (("deploy.alarm_topic=arn:aws:sns:us-east-1:111122223333:t",), "set deploy.alarms=true"),
        (("deploy=batch", "deploy.photos=x", "deploy.ttl_hours=3"), "not for batch transform jobs"),
        (
            ("deploy=batch", "deploy.photos=x", "deploy.instance_type=ml.t2.large"),
            "no t2 instances",
        ),
    ],
)
def test_what_can_not_be_is_refused(overrides: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check_deployment(composed(*overrides))


@pytest.mark.parametrize(
    ("topic", "region", "sentence"),
    [
        ("dogs", "us-east-1", "write arn:aws:sns:us-east-1:ACCOUNT:NAME"),
        ("arn:aws:sns:us-east-1:111122223333:dogs.fifo", "us-east-1", "of a standard SNS topic"),
        ("arn:aws:sqs:us-east-1:111122223333:dogs", "us-east-1", "of a standard SNS topic"),
        ("arn:aws:sns:eu-west-1:111122223333:dogs", "us-east-1", "topics of that region only"),
        ("arn:aws:sns:cn-north-1:111122223333:dogs", "cn-north-1", "write arn:aws-cn:sns:cn-no"),
    ],
)
def test_a_topic_that_alarms_can_not_notify_is_refused(
    topic: str, region: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check_topic("deploy.alarm_topic", topic, region)
    check_topic("deploy.alarm_topic", "arn:aws-cn:sns:cn-north-1:111122223333:dogs", "cn-north-1")


def test_what_can_be_is_not_refused() -> None:
    for overrides in (
        (),
        ("deploy=serverless",),
        ("deploy=async",),
        ("deploy=batch", "deploy.photos=s3://b/p/"),
    ):
        check_deployment(composed(*overrides))
    longest = "d" * MAX_NAME_CHARACTERS
    check_deployment(composed(f"endpoint={longest}"))
    assert len(deployment_name(longest)) <= 63


@pytest.mark.parametrize("server", ["ray", "pytorch"])
def test_a_container_accepts_tiffs_if_configured(server: str) -> None:
    plain = container_environment(composed(f"deploy.server={server}").deploy)
    expected = container_environment(composed(f"deploy.server={server}", "deploy.tiff=true").deploy)
    assert expected == plain | {"DOGBREED_TIFF": "1"}


def config_of(*overrides: str) -> dict[str, Any]:
    """The request of an endpoint configuration."""
    account: Any = SimpleNamespace(owner="jane", bucket="b")
    return endpoint_config_request(account, composed(*overrides), DEPLOYMENT)


def job_of(*overrides: str) -> dict[str, Any]:
    """The request of a transform job."""
    account: Any = SimpleNamespace(owner="jane", bucket="b")
    config = composed("deploy=batch", "deploy.photos=s3://b/p/", *overrides)
    return transform_request(account, config, DEPLOYMENT, Channel("s3://b/p/"))


GPUS = {
    "ml.g4dn.xlarge": "al2-ami-sagemaker-inference-gpu-3-1",
    "ml.g5.xlarge": "al2-ami-sagemaker-inference-gpu-3-1",
    "ml.p5.48xlarge": "al2-ami-sagemaker-inference-gpu-3-1",
    "ml.g7e.2xlarge": "al2023-ami-sagemaker-inference-gpu-4-1",
    "ml.c7i.large": None,
}


@pytest.mark.parametrize("instance_type", GPUS)
def test_an_instance_with_a_gpu_has_a_driver_for_the_container(instance_type: str) -> None:
    ami, typed = GPUS[instance_type], f"deploy.instance_type={instance_type}"
    (variant,) = config_of(typed)["ProductionVariants"]
    assert variant.get("InferenceAmiVersion") == ami
    assert ami is None or ami in choices_of("sagemaker", "ProductionVariantInferenceAmiVersion")
    variables = container_environment(composed(typed).deploy)
    assert variables.get("DOGBREED_GPU") == (None if ami is None else "1")
    wanted = None if ami is None else "al2-ami-sagemaker-batch-gpu-535"
    assert job_of(typed)["TransformResources"].get("TransformAmiVersion") == wanted


def test_disks_are_encrypted_with_the_key_of_the_deployment() -> None:
    typed = ("deploy.instance_type=ml.c7i.large", f"deploy.volume_kms_key={KEY}")
    check_deployment(composed(*typed))
    assert config_of(*typed)["KmsKeyId"] == KEY
    assert "KmsKeyId" not in config_of()
    job = job_of(*typed, "launcher.output_kms_key=k")
    assert job["TransformResources"]["VolumeKmsKeyId"] == KEY
    assert job["TransformOutput"]["KmsKeyId"] == "k"


def test_names_of_attempts_of_one_second_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda _: "261129-120000")
    # 16 random bits: two of 50 names are equal in 2 % of the runs, ten of them practically never.
    assert len({deployment_name("dogs") for _ in range(50)}) > 40


def test_containers_are_those_of_the_sdk() -> None:
    image_uris = pytest.importorskip("sagemaker.core.image_uris")
    for instance_type in ("ml.t2.medium", "ml.g5.xlarge"):
        for region in ("eu-west-1", "me-south-1", "cn-north-1"):
            deploy = composed(
                "deploy.server=pytorch", f"deploy.instance_type={instance_type}"
            ).deploy
            assert serving_image(region, deploy).uri == image_uris.retrieve(
                "pytorch",
                region,
                version="2.6.0",
                py_version="py312",
                image_scope="inference",
                instance_type=instance_type,
            )
    deploy = composed("deploy.image_uri=1.dkr.ecr.us-east-1.amazonaws.com/mine:1").deploy
    assert serving_image("nowhere-1", deploy).uri.endswith("/mine:1")


def test_a_container_without_patches_is_warned_of_and_a_wrong_region_named() -> None:
    note = serving_image("us-east-1", composed("deploy.server=pytorch").deploy).note
    assert note is not None
    assert "2026-06-30" in note
    ray = serving_image("us-east-1", composed().deploy)
    assert ray.note is None
    assert ray.uri == "763104351884.dkr.ecr.us-east-1.amazonaws.com/ray:serve-ml-sagemaker-cpu-v1"
    with pytest.raises(CloudError, match="Did you mean eu-west-1"):
        serving_image("eu-wst-1", composed().deploy)


def test_costs_by_the_hour_the_month_and_the_second() -> None:
    lines = serving_costs(composed("deploy.instance_count=2", "deploy.ttl_hours=10").deploy)
    assert lines[0] == (
        "2 ml.t2.medium: about $0.112 an hour, about $81.76 a month, billed while idle"
    )
    assert lines[1] == "until it is deleted after 10 h: about $1.12"
    scaled = ("deploy.instance_type=ml.m5.large", "deploy.max_instances=3")
    assert "scaled up to 3 instances all the time: $251.85 a month" in serving_costs(
        composed(*scaled).deploy
    )
    lines = serving_costs(composed("deploy=serverless", "deploy.memory_mb=2048").deploy)
    assert lines[0].startswith("serverless, 2048 MB: $0.00004 a second of computing")
    assert "10,000 photos of 0.5 s each: $0.20" in lines[0]
    (line,) = serving_costs(composed("deploy.instance_type=ml.x9.large").deploy)
    assert "not in the table" in line


def test_how_long_an_endpoint_stays_is_decided_by_its_user_except_for_a_trial() -> None:
    trial = with_lifetime(composed(), sample_set=True)
    assert lifetime_of(trial.deploy) == 24
    with pytest.raises(ConfigError, match=r"ttl_hours=24 for .*, or deploy\.ttl_hours=null for"):
        with_lifetime(composed(), sample_set=False)
    for typed, hours in (("null", None), ("8", 8), ("0.5", 0.5)):
        config = composed(f"deploy.ttl_hours={typed}")
        for sample_set in (True, False):
            assert lifetime_of(with_lifetime(config, sample_set=sample_set).deploy) == hours
    # A job ends by itself.
    batch = with_lifetime(composed("deploy=batch", "deploy.photos=x"), sample_set=False)
    assert batch.deploy.ttl_hours is None


def test_the_project_s_tag_can_not_be_lost() -> None:
    launcher = compose_as(
        TeardownConfig, "teardown", ["launcher.tags={project: mine, team: kennel}"]
    ).launcher
    assert all_tags(launcher, "jane", endpoint="dogs") == {
        "project": "dogbreed",
        "owner": "jane",
        "endpoint": "dogs",
        "team": "kennel",
    }
