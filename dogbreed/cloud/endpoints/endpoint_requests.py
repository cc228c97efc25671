"""Request parameters for SageMaker models, endpoint configurations, endpoints, transform jobs."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.images import has_gpu, inference_ami, transform_ami
from dogbreed.cloud.aws.tags import ENDPOINT, tag_list
from dogbreed.cloud.endpoints.async_client import places_of
from dogbreed.cloud.jobs.channels import Channel
from dogbreed.configuration.deploy import ASYNC, SERVERLESS, SERVERS, DeployConfig, ServingConfig
from dogbreed.configuration.search import INDEX
from dogbreed.serving.container import GPU_VARIABLE
from dogbreed.serving.requests.invocations import JSON_TYPE, TIFF_VARIABLE

VARIANT = "AllTraffic"
# How long the previous fleet stays while alarms watch the new one: the alarms need two minutes of
# the last three, and metrics arrive a minute late.
BAKING_S = 300
PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp", JSON_TYPE)


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """One deployment; `name` is unique and names its model, endpoint configuration or job.

    `model_uri` is the S3 URI of the model archive.
    """

    name: str
    model_uri: str
    image_uri: str


def deployment_name(endpoint: str) -> str:
    """A unique name for a deployment of an endpoint."""
    return f"{endpoint}-{time.strftime('%y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def container_environment(deploy: ServingConfig) -> dict[str, str]:
    """The environment variables of the container that serves."""
    variables = dict(SERVERS[deploy.server].environment)
    if deploy.tiff:
        variables[TIFF_VARIABLE] = "1"
    if deploy.instance_type is not None and has_gpu(deploy.instance_type):
        variables[GPU_VARIABLE] = "1"
    return variables


def model_request(
    account: Account, config: DeployConfig, deployment: ServedModel
) -> dict[str, Any]:
    """The arguments of CreateModel."""
    container: dict[str, Any] = {
        "Image": deployment.image_uri,
        "ModelDataUrl": deployment.model_uri,
    }
    container["Environment"] = container_environment(config.deploy)
    request: dict[str, Any] = {
        "ModelName": deployment.name,
        "PrimaryContainer": container,
        "ExecutionRoleArn": account.role_arn,
        "Tags": tag_list(config.launcher, account.owner, **{ENDPOINT: config.endpoint}),
    }
    launcher = config.launcher
    # Installing from an index needs the network, and serverless endpoints can't be isolated
    # (developer guide, serverless-endpoints.html, "Feature exclusions").
    if config.deploy.install != INDEX and config.deploy.kind != SERVERLESS:
        request["EnableNetworkIsolation"] = True
    if launcher.subnets:
        request["VpcConfig"] = {
            "Subnets": list(launcher.subnets),
            "SecurityGroupIds": list(launcher.security_groups),
        }
    return request


def endpoint_config_request(
    account: Account, config: DeployConfig, deployment: ServedModel, instances: int | None = None
) -> dict[str, Any]:
    """The arguments of CreateEndpointConfig; `instances`: initial count, None: the minimum."""
    deploy, launcher = config.deploy, config.launcher
    variant: dict[str, Any] = {"VariantName": VARIANT, "ModelName": deployment.name}
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
        assert deploy.instance_type is not None
        ami = inference_ami(deploy.instance_type)
        if ami is not None:
            variant["InferenceAmiVersion"] = ami
    request: dict[str, Any] = {
        "EndpointConfigName": deployment.name,
        "ProductionVariants": [variant],
        "Tags": tag_list(launcher, account.owner, **{ENDPOINT: config.endpoint}),
    }
    if deploy.capture_percent:
        request["DataCaptureConfig"] = _capture(account, config)
    if deploy.volume_kms_key:
        request["KmsKeyId"] = deploy.volume_kms_key
    if deploy.kind == ASYNC:
        request["AsyncInferenceConfig"] = _async(account, config)
    return request


def _async(account: Account, config: DeployConfig) -> dict[str, Any]:
    places = places_of(account.bucket, config.launcher.prefix, config.endpoint)
    output = {"S3OutputPath": places.output, "S3FailurePath": places.failure}
    if config.launcher.output_kms_key:
        output["KmsKeyId"] = config.launcher.output_kms_key
    return {
        "OutputConfig": output,
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": config.deploy.concurrency},
    }


def _capture(account: Account, config: DeployConfig) -> dict[str, Any]:
    launcher = config.launcher
    capture: dict[str, Any] = {
        "EnableCapture": True,
        "InitialSamplingPercentage": config.deploy.capture_percent,
        "DestinationS3Uri": f"s3://{account.bucket}/{launcher.prefix}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        # Without this even JSON is captured in base64.
        "CaptureContentTypeHeader": {"JsonContentTypes": [JSON_TYPE]},
    }
    if launcher.output_kms_key:
        capture["KmsKeyId"] = launcher.output_kms_key
    return capture


def endpoint_request(
    account: Account, config: DeployConfig, deployment: ServedModel
) -> dict[str, Any]:
    """The arguments of CreateEndpoint."""
    return {
        "EndpointName": config.endpoint,
        "EndpointConfigName": deployment.name,
        "Tags": tag_list(config.launcher, account.owner, **{ENDPOINT: config.endpoint}),
    }


def update_request(
    config: DeployConfig,
    config_name: str,
    *,
    keep_count: bool,
    policy: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The arguments of UpdateEndpoint.

    `keep_count`: retain the scaled instance count. `policy` is a `rollback_policy`.
    """
    request: dict[str, Any] = {"EndpointName": config.endpoint, "EndpointConfigName": config_name}
    if policy is not None:
        request["DeploymentConfig"] = policy
    if keep_count:
        # Of the properties that can be retained, all but the instance count are excluded.
        request |= {
            "RetainAllVariantProperties": True,
            "ExcludeRetainedVariantProperties": [
                {"VariantPropertyType": "DesiredWeight"},
                {"VariantPropertyType": "DataCaptureConfig"},
            ],
        }
    return request


def rollback_policy(alarms: Sequence[str], instances: int) -> dict[str, Any]:
    """The DeploymentConfig of an update to `instances`, which the alarms roll back.

    Sources: SageMaker's developer guide, deployment-guardrails*.html: not for serverless endpoints;
    a canary has at most half of the instances, so a single instance takes over all at once; without
    alarms there is no baking.
    """
    routing: dict[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    if instances > 1:
        size = {"Type": "INSTANCE_COUNT", "Value": 1}
        routing = {"Type": "CANARY", "WaitIntervalInSeconds": BAKING_S, "CanarySize": size}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": BAKING_S,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]},
    }


def predictions_uri(account: Account, config: DeployConfig, deployment: ServedModel) -> str:
    """The S3 folder of a transform job's output."""
    return f"s3://{account.bucket}/{config.launcher.prefix}/answers/{deployment.name}/"


def transform_request(
    account: Account, config: DeployConfig, deployment: ServedModel, photos: Channel
) -> dict[str, Any]:
    """The arguments of CreateTransformJob: each photo is a request, each response a file."""
    deploy, launcher = config.deploy, config.launcher
    # MaxConcurrentTransforms * MaxPayloadInMB must not exceed 100 (SageMaker's API reference).
    concurrency = max(1, min(deploy.concurrency, 100 // deploy.max_photo_mb))
    output = {"S3OutputPath": predictions_uri(account, config, deployment)}
    if launcher.output_kms_key:
        output["KmsKeyId"] = launcher.output_kms_key
    return {
        "TransformJobName": deployment.name,
        "ModelName": deployment.name,
        "MaxConcurrentTransforms": concurrency,
        "MaxPayloadInMB": deploy.max_photo_mb,
        "BatchStrategy": "SingleRecord",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": photos.data_type, "S3Uri": photos.uri}},
            "ContentType": PHOTO_TYPES[0],  # the model detects the format itself
        },
        "TransformOutput": {**output, "Accept": JSON_TYPE},
        "TransformResources": _transform_resources(config),
        "Tags": tag_list(launcher, account.owner, **{ENDPOINT: config.endpoint}),
    }


def _transform_resources(config: DeployConfig) -> dict[str, Any]:
    deploy = config.deploy
    assert deploy.instance_type is not None
    resources: dict[str, Any] = {
        "InstanceType": deploy.instance_type,
        "InstanceCount": deploy.instance_count,
    }
    if deploy.volume_kms_key:
        resources["VolumeKmsKeyId"] = deploy.volume_kms_key
    ami = transform_ami(deploy.instance_type)
    if ami is not None:
        resources["TransformAmiVersion"] = ami
    return resources
