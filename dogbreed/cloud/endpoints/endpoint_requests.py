"""What SageMaker is asked for to put a model to use: requests of models, endpoints and jobs."""

import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.images import (
    ENDPOINT_TYPES,
    TRANSFORM_TYPES,
    check_instance_type,
    family_of,
    runs_aws_images,
)
from dogbreed.cloud.aws.tags import ENDPOINT, tag_list
from dogbreed.configuration.deploy import BATCH, SERVERLESS, SERVERS, DeployConfig, ServingConfig
from dogbreed.configuration.search import NEWEST
from dogbreed.errors import ConfigError
from dogbreed.search.runner_limits import check_network
from dogbreed.serving.requests.invocations import JSON_TYPE, TIFF_VARIABLE

VARIANT = "AllTraffic"
# What is made for an endpoint has its name and the time; 63 characters are the service's limit.
LONGEST_NAME = 43
NAME = re.compile(rf"(?=.{{1,{LONGEST_NAME}}}$)[a-zA-Z0-9](?:-?[a-zA-Z0-9])*")
PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp", JSON_TYPE)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One attempt to put a model to use; `name` is its own, of the model and of what it serves in.

    `model_uri` is the archive's place in S3.
    """

    name: str
    model_uri: str
    image_uri: str


def rollout_name(endpoint: str) -> str:
    """A name that no other deployment of an endpoint has."""
    return f"{endpoint}-{time.strftime('%y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def check_deployment(config: DeployConfig) -> None:
    """Refuse what SageMaker can't do, before anything is made.

    Raises:
        ConfigError: which key, and why.
    """
    deploy = config.deploy
    if not NAME.fullmatch(config.endpoint):
        raise ConfigError(
            f"endpoint={config.endpoint}: must be letters, digits and single hyphens "
            f"between them, {LONGEST_NAME} at most."
        )
    if config.endpoint == NEWEST:
        raise ConfigError(
            "endpoint=newest: to launch/query.py that is the newest of all: take another name."
        )
    if deploy.photos is not None and deploy.kind != BATCH:
        raise ConfigError(
            f"deploy.photos={deploy.photos} is for deploy=batch; an endpoint is asked by "
            "launch/query.py once it is up. Take deploy=batch, or leave it out."
        )
    if deploy.kind != BATCH and deploy.ttl_hours is not None:
        _check_lifetime(deploy.ttl_hours, deploy.startup_minutes)
    if deploy.kind == SERVERLESS:
        _check_serverless(config)
        return
    check_network(config.launcher)
    if deploy.kind == BATCH:
        _check_batch(config)
    if deploy.instance_type is None:
        raise ConfigError(f"deploy.instance_type has no value: deploy={deploy.kind} needs one.")
    types = TRANSFORM_TYPES if deploy.kind == BATCH else ENDPOINT_TYPES
    check_instance_type("deploy.instance_type", deploy.instance_type, types)
    if deploy.image_uri is None and not runs_aws_images(deploy.instance_type):
        raise ConfigError(
            f"deploy.instance_type={deploy.instance_type}: AWS's containers need an x86 processor, "
            "or one with NVIDIA's GPUs: take another, such as ml.c7i.large, or name a container of "
            "yours as deploy.image_uri."
        )
    if deploy.max_instances is not None:
        _check_scaling(deploy.instance_type, deploy.instance_count, deploy.max_instances)


def _check_lifetime(ttl_hours: float, startup_minutes: int) -> None:
    if 60 * ttl_hours <= startup_minutes:
        raise ConfigError(
            f"deploy.ttl_hours={ttl_hours:g}: the endpoint would be deleted before it has to be up "
            f"(deploy.startup_minutes={startup_minutes}): set a longer time."
        )


def _check_serverless(config: DeployConfig) -> None:
    deploy = config.deploy
    # Source: SageMaker's developer guide, serverless-endpoints.html, "Feature exclusions".
    excluded = {
        "deploy.instance_type": deploy.instance_type,
        "deploy.max_instances": deploy.max_instances,
        "deploy.capture_percent": deploy.capture_percent,
        "launcher.subnets": config.launcher.subnets,
        "launcher.security_groups": config.launcher.security_groups,
    }
    for name, value in excluded.items():
        if value:
            raise ConfigError(
                f"{name}: a serverless endpoint has no such thing: leave it out, or take "
                "deploy=realtime."
            )
    if deploy.memory_mb % 1024:
        raise ConfigError(
            f"deploy.memory_mb={deploy.memory_mb}: must be a whole number of times 1024."
        )


def _check_batch(config: DeployConfig) -> None:
    deploy = config.deploy
    endpoints_alone = {
        "deploy.max_instances": deploy.max_instances,
        "deploy.capture_percent": deploy.capture_percent,
        "deploy.ttl_hours": deploy.ttl_hours,
    }
    for name, value in endpoints_alone.items():
        if value:
            raise ConfigError(f"{name}={value}: a job ends by itself: leave it out.")
    if deploy.photos is None:
        raise ConfigError(
            "deploy.photos has no value: deploy=batch needs a folder, or s3://BUCKET/PREFIX/."
        )
    if deploy.instance_type and family_of(deploy.instance_type) == "t2":
        raise ConfigError(
            f"deploy.instance_type={deploy.instance_type}: jobs run on none of the t2: take "
            "another, such as ml.c7i.xlarge."
        )


def _check_scaling(instance_type: str, fewest: int, most: int) -> None:
    # Source: SageMaker's developer guide, on registering a variant for automatic scaling.
    if family_of(instance_type) == "t2":
        raise ConfigError(
            f"deploy.max_instances={most}: SageMaker doesn't scale burstable instances such as "
            f"{instance_type}: take another deploy.instance_type, such as ml.c7i.large."
        )
    if most < fewest:
        raise ConfigError(
            f"deploy.max_instances={most}: must be at least deploy.instance_count={fewest}."
        )


def container_environment(deploy: ServingConfig) -> dict[str, str]:
    """The environment variables of the container that serves."""
    return dict(SERVERS[deploy.server].environment) | ({TIFF_VARIABLE: "1"} if deploy.tiff else {})


def model_request(account: Account, config: DeployConfig, it: Deployment) -> dict[str, Any]:
    """The arguments of CreateModel."""
    container: dict[str, Any] = {"Image": it.image_uri, "ModelDataUrl": it.model_uri}
    container["Environment"] = container_environment(config.deploy)
    request: dict[str, Any] = {
        "ModelName": it.name,
        "PrimaryContainer": container,
        "ExecutionRoleArn": account.role_arn,
        "Tags": tag_list(config.launcher, **{ENDPOINT: config.endpoint}),
    }
    launcher = config.launcher
    # What installs something at its start needs the network, and a serverless endpoint can't be
    # without (developer guide, serverless-endpoints.html, "Feature exclusions").
    if not config.deploy.install and config.deploy.kind != SERVERLESS:
        request["EnableNetworkIsolation"] = True
    if launcher.subnets:
        request["VpcConfig"] = {
            "Subnets": list(launcher.subnets),
            "SecurityGroupIds": list(launcher.security_groups),
        }
    return request


def endpoint_config_request(
    account: Account, config: DeployConfig, it: Deployment, instances: int | None = None
) -> dict[str, Any]:
    """The arguments of CreateEndpointConfig; `instances` to start with, if not the fewest."""
    deploy, launcher = config.deploy, config.launcher
    variant: dict[str, Any] = {"VariantName": VARIANT, "ModelName": it.name}
    if deploy.kind == SERVERLESS:
        serverless = {"MemorySizeInMB": deploy.memory_mb, "MaxConcurrency": deploy.concurrency}
        variant["ServerlessConfig"] = serverless
    else:
        variant |= {
            "InstanceType": deploy.instance_type,
            "InitialInstanceCount": instances or deploy.instance_count,
            "InitialVariantWeight": 1.0,
            "ContainerStartupHealthCheckTimeoutInSeconds": 60 * deploy.startup_minutes,
        }
    request: dict[str, Any] = {
        "EndpointConfigName": it.name,
        "ProductionVariants": [variant],
        "Tags": tag_list(launcher, **{ENDPOINT: config.endpoint}),
    }
    if deploy.capture_percent:
        request["DataCaptureConfig"] = _capture(account, config)
    return request


def _capture(account: Account, config: DeployConfig) -> dict[str, Any]:
    launcher = config.launcher
    capture: dict[str, Any] = {
        "EnableCapture": True,
        "InitialSamplingPercentage": config.deploy.capture_percent,
        "DestinationS3Uri": f"s3://{account.bucket}/{launcher.prefix}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        # Without this even JSON is kept in base64.
        "CaptureContentTypeHeader": {"JsonContentTypes": [JSON_TYPE]},
    }
    if launcher.output_kms_key:
        capture["KmsKeyId"] = launcher.output_kms_key
    return capture


def endpoint_request(config: DeployConfig, it: Deployment) -> dict[str, Any]:
    """The arguments of CreateEndpoint."""
    return {
        "EndpointName": config.endpoint,
        "EndpointConfigName": it.name,
        "Tags": tag_list(config.launcher, **{ENDPOINT: config.endpoint}),
    }


def update_request(config: DeployConfig, it: Deployment, *, keep_count: bool) -> dict[str, Any]:
    """The arguments of UpdateEndpoint; `keep_count`: with as many instances as it has scaled to."""
    request: dict[str, Any] = {"EndpointName": config.endpoint, "EndpointConfigName": it.name}
    if keep_count:
        # All that it could retain is excluded but the number of instances.
        request |= {
            "RetainAllVariantProperties": True,
            "ExcludeRetainedVariantProperties": [
                {"VariantPropertyType": "DesiredWeight"},
                {"VariantPropertyType": "DataCaptureConfig"},
            ],
        }
    return request


def answers_uri(account: Account, config: DeployConfig, it: Deployment) -> str:
    """Where in S3 a job's answers lie."""
    return f"s3://{account.bucket}/{config.launcher.prefix}/answers/{it.name}/"


def transform_request(
    account: Account, config: DeployConfig, it: Deployment, photos_uri: str
) -> dict[str, Any]:
    """The arguments of CreateTransformJob: each photo is a request, each answer a file."""
    deploy, launcher = config.deploy, config.launcher
    # Together the photos under way may have 100 MB.
    concurrency = max(1, min(deploy.concurrency, 100 // deploy.max_photo_mb))
    output = {"S3OutputPath": answers_uri(account, config, it)}
    if launcher.output_kms_key:
        output["KmsKeyId"] = launcher.output_kms_key
    return {
        "TransformJobName": it.name,
        "ModelName": it.name,
        "MaxConcurrentTransforms": concurrency,
        "MaxPayloadInMB": deploy.max_photo_mb,
        "BatchStrategy": "SingleRecord",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": photos_uri}},
            "ContentType": PHOTO_TYPES[0],  # the bytes decide, whatever is said of them
        },
        "TransformOutput": {**output, "Accept": JSON_TYPE},
        "TransformResources": {
            "InstanceType": deploy.instance_type,
            "InstanceCount": deploy.instance_count,
        },
        "Tags": tag_list(launcher, **{ENDPOINT: config.endpoint}),
    }
