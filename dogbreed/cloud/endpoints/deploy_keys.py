"""Validation of the keys of launch/deploy.py that SageMaker would reject or ignore."""

import re

from dogbreed.cloud.aws.account_keys import (
    check_image,
    check_kms_key,
    check_partition,
    check_role,
    check_topic,
)
from dogbreed.cloud.aws.images import (
    ENDPOINT_TYPES,
    OLD_GPUS,
    TRANSFORM_TYPES,
    check_instance_type,
    family_of,
    has_local_disk,
    runs_aws_images,
)
from dogbreed.cloud.endpoints.lifetime import lifetime_of
from dogbreed.configuration.commands import typed
from dogbreed.configuration.deploy import ASYNC, BATCH, SERVERLESS, DeployConfig, ServingConfig
from dogbreed.configuration.search import NEWEST
from dogbreed.errors import ConfigError
from dogbreed.search.runner_limits import check_network

ROLE_NOTE = (
    "note: deploy.role isn't set: the model is served under launcher.role, which needs the "
    "permissions of launch/iam/serving.json"
)
# Names of models and endpoint configurations are the endpoint's name with time and token appended
# (`deployment_name`); the service's limit for them is 63 characters.
MAX_NAME_CHARACTERS = 43
NAME = re.compile(rf"(?=.{{1,{MAX_NAME_CHARACTERS}}}$)[a-zA-Z0-9](?:-?[a-zA-Z0-9])*")


def check_deployment(config: DeployConfig) -> None:
    """Check a deployment before anything is created.

    Raises:
        ConfigError: names the key and the reason.
    """
    deploy = config.deploy
    if deploy.role is not None:
        check_role("deploy.role", deploy.role)
    if not NAME.fullmatch(config.endpoint):
        raise ConfigError(
            f"endpoint={config.endpoint}: must be at most {MAX_NAME_CHARACTERS} letters, digits "
            "and single hyphens between them."
        )
    if config.endpoint == NEWEST:
        raise ConfigError(
            f"endpoint=newest: {typed('query')} uses this for the newest endpoint: "
            "take another name."
        )
    if deploy.photos is not None and deploy.kind != BATCH:
        raise ConfigError(
            f"deploy.photos={deploy.photos} is for deploy=batch; {typed('query')} sends photos to "
            "an endpoint. Take deploy=batch, or leave deploy.photos out."
        )
    if deploy.alarm_topic is not None and not deploy.alarms:
        raise ConfigError(
            f"deploy.alarm_topic={deploy.alarm_topic} is for alarms: set deploy.alarms=true, or "
            "leave it out."
        )
    hours = lifetime_of(deploy)
    if deploy.kind != BATCH and hours is not None:
        _check_lifetime(hours, deploy.startup_minutes)
    if deploy.kind == SERVERLESS:
        _check_serverless(config)
        return
    check_network(config.launcher)
    if deploy.kind == BATCH:
        _check_batch(config)
    if deploy.kind == ASYNC:
        _check_async(config)
    if deploy.instance_type is None:
        raise ConfigError(f"deploy.instance_type has no value: deploy={deploy.kind} needs one.")
    _check_instance_type(deploy, deploy.instance_type)
    if deploy.max_instances is not None:
        _check_scaling(deploy.instance_type, deploy.instance_count, deploy.max_instances)


def check_keys_in_region(config: DeployConfig, region: str) -> None:
    """Raise a ConfigError for an image, a role or a topic that can't be used in the region."""
    deploy = config.deploy
    check_image("deploy.image_uri", deploy.image_uri, region)
    check_kms_key("deploy.volume_kms_key", deploy.volume_kms_key, region)
    if deploy.ttl_role is not None:
        check_role("deploy.ttl_role", deploy.ttl_role, arn_only=True)
        check_partition("deploy.ttl_role", deploy.ttl_role, region)
    check_topic("deploy.alarm_topic", deploy.alarm_topic, region)


def _check_instance_type(deploy: ServingConfig, instance_type: str) -> None:
    types = TRANSFORM_TYPES if deploy.kind == BATCH else ENDPOINT_TYPES
    check_instance_type("deploy.instance_type", instance_type, types)
    if deploy.image_uri is None and not runs_aws_images(instance_type):
        raise ConfigError(
            f"deploy.instance_type={instance_type}: AWS's containers need an x86 processor, or one "
            "with NVIDIA's GPUs: take another, such as ml.c7i.large, or name a container of yours "
            "as deploy.image_uri."
        )
    if deploy.image_uri is None and family_of(instance_type) in OLD_GPUS:
        raise ConfigError(
            f"deploy.instance_type={instance_type}: the GPU is too old for the CUDA of AWS's "
            "containers: take another, such as ml.g5.xlarge, or ml.c7i.large without a GPU."
        )
    if deploy.volume_kms_key is not None and has_local_disk(instance_type):
        raise ConfigError(
            f"deploy.volume_kms_key: SageMaker takes no key for {instance_type}, whose local disks "
            "the hardware encrypts with its own: leave it out, or take an instance type without "
            "local disks, such as ml.c7i.large."
        )


def _check_lifetime(ttl_hours: float, startup_minutes: int) -> None:
    if 60 * ttl_hours <= startup_minutes:
        raise ConfigError(
            f"deploy.ttl_hours={ttl_hours:.12g}: the endpoint would be deleted before it has to be "
            f"in service (deploy.startup_minutes={startup_minutes}): set a longer time."
        )


def _check_serverless(config: DeployConfig) -> None:
    deploy = config.deploy
    # Source: SageMaker's developer guide, serverless-endpoints.html, "Feature exclusions".
    excluded = {
        "deploy.instance_type": deploy.instance_type,
        "deploy.max_instances": deploy.max_instances,
        "deploy.capture_percent": deploy.capture_percent,
        "deploy.volume_kms_key": deploy.volume_kms_key,
        "launcher.subnets": config.launcher.subnets,
        "launcher.security_groups": config.launcher.security_groups,
    }
    for name, value in excluded.items():
        if value:
            raise ConfigError(
                f"{name}: not supported by serverless endpoints: leave it out, or take "
                "deploy=realtime."
            )
    if deploy.memory_mb % 1024:
        raise ConfigError(f"deploy.memory_mb={deploy.memory_mb}: must be a multiple of 1024.")


def _check_async(config: DeployConfig) -> None:
    deploy = config.deploy
    if deploy.capture_percent:
        raise ConfigError(
            f"deploy.capture_percent={deploy.capture_percent}: asynchronous endpoints have their "
            "requests and responses in S3 anyway: leave it out, or take deploy=realtime."
        )
    if deploy.max_instances is None:
        raise ConfigError(
            "deploy.max_instances has no value: deploy=async scales between zero and that."
        )


def _check_batch(config: DeployConfig) -> None:
    deploy = config.deploy
    for_endpoints_only = {
        "deploy.max_instances": deploy.max_instances,
        "deploy.capture_percent": deploy.capture_percent,
        "deploy.alarms": deploy.alarms,
        "deploy.ttl_hours": lifetime_of(deploy),
    }
    for name, value in for_endpoints_only.items():
        if value:
            raise ConfigError(f"{name}={value}: not for batch transform jobs: leave it out.")
    if deploy.photos is None:
        raise ConfigError(
            "deploy.photos has no value: deploy=batch needs a folder, or s3://BUCKET/PREFIX/."
        )
    if deploy.instance_type and family_of(deploy.instance_type) == "t2":
        raise ConfigError(
            f"deploy.instance_type={deploy.instance_type}: SageMaker has no t2 instances for "
            "batch transform: take another, such as ml.c7i.xlarge."
        )


def _check_scaling(instance_type: str, min_instances: int, max_instances: int) -> None:
    # Source: SageMaker's developer guide, on registering a variant for automatic scaling.
    if family_of(instance_type) == "t2":
        raise ConfigError(
            f"deploy.max_instances={max_instances}: SageMaker doesn't scale burstable instances "
            f"such as {instance_type}: take another deploy.instance_type, such as ml.c7i.large."
        )
    if max_instances < min_instances:
        raise ConfigError(
            f"deploy.max_instances={max_instances}: must be at least "
            f"deploy.instance_count={min_instances}."
        )
