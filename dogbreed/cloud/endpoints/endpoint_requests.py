"""Request parameters for SageMaker models, endpoint configurations, endpoints, transform jobs."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.tags import ENDPOINT, tag_list
from dogbreed.configuration.deploy import SERVERLESS, SERVERS, DeployConfig, ServingConfig
from dogbreed.configuration.search import INDEX
from dogbreed.serving.requests.invocations import JSON_TYPE, TIFF_VARIABLE

VARIANT = "AllTraffic"
PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp", JSON_TYPE)


@dataclass(frozen=True, kw_only=True)
class Deployment:
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
    return dict(SERVERS[deploy.server].environment) | ({TIFF_VARIABLE: "1"} if deploy.tiff else {})


def model_request(account: Account, config: DeployConfig, deployment: Deployment) -> dict[str, Any]:
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
        "Tags": tag_list(config.launcher, **{ENDPOINT: config.endpoint}),
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
    account: Account, config: DeployConfig, deployment: Deployment, instances: int | None = None
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
    request: dict[str, Any] = {
        "EndpointConfigName": deployment.name,
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
        # Without this even JSON is captured in base64.
        "CaptureContentTypeHeader": {"JsonContentTypes": [JSON_TYPE]},
    }
    if launcher.output_kms_key:
        capture["KmsKeyId"] = launcher.output_kms_key
    return capture


def endpoint_request(config: DeployConfig, deployment: Deployment) -> dict[str, Any]:
    """The arguments of CreateEndpoint."""
    return {
        "EndpointName": config.endpoint,
        "EndpointConfigName": deployment.name,
        "Tags": tag_list(config.launcher, **{ENDPOINT: config.endpoint}),
    }


def update_request(
    config: DeployConfig, deployment: Deployment, *, keep_count: bool
) -> dict[str, Any]:
    """The arguments of UpdateEndpoint; `keep_count`: retain the scaled instance count."""
    request: dict[str, Any] = {
        "EndpointName": config.endpoint,
        "EndpointConfigName": deployment.name,
    }
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


def predictions_uri(account: Account, config: DeployConfig, deployment: Deployment) -> str:
    """The S3 folder of a transform job's output."""
    return f"s3://{account.bucket}/{config.launcher.prefix}/answers/{deployment.name}/"


def transform_request(
    account: Account, config: DeployConfig, deployment: Deployment, photos_uri: str
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
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": photos_uri}},
            "ContentType": PHOTO_TYPES[0],  # the model detects the format itself
        },
        "TransformOutput": {**output, "Accept": JSON_TYPE},
        "TransformResources": {
            "InstanceType": deploy.instance_type,
            "InstanceCount": deploy.instance_count,
        },
        "Tags": tag_list(launcher, **{ENDPOINT: config.endpoint}),
    }
