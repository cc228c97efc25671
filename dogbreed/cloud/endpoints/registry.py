"""deploy.register: a model version with metrics in the SageMaker Model Registry."""

import hashlib
import json
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import is_missing, translate_errors
from dogbreed.cloud.aws.objects import upload_bytes
from dogbreed.cloud.aws.tags import OWNER, is_ours, tag_list
from dogbreed.cloud.endpoints.archive import Archive
from dogbreed.cloud.endpoints.endpoint_requests import (
    PHOTO_TYPES,
    ServedModel,
    container_environment,
)
from dogbreed.cloud.endpoints.lifecycle import create_once
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.configuration.schema import leaves
from dogbreed.configuration.search import AccountConfig
from dogbreed.errors import CloudError
from dogbreed.serving.requests.invocations import JSON_TYPE
from dogbreed.utils.printable import printable

MAX_PROPERTIES = 50
TOKEN_CHARACTERS = 36
MAX_VALUE_CHARACTERS = 256


def check_group(account: Account, group: str, key: str = "deploy.register") -> None:
    """Check that the model package group, the value of `key`, is this project's or doesn't exist.

    Raises:
        CloudError: it isn't this project's, or AWS refuses.
    """
    client = account.client("sagemaker")
    with translate_errors(f"{key}={group}"):
        arn = _arn_of(client, group)
        if arn is not None and not is_ours(client, arn):
            raise CloudError(
                f"{key}={group}: the group exists and isn't this project's: take another "
                f"{key}=NAME."
            )


def create_group(account: Account, group: str, launcher: AccountConfig) -> None:
    """Create the model package group, unless it exists; errors are botocore's."""
    client = account.client("sagemaker")
    if account.dry or _arn_of(client, group) is None:
        tags, create = tag_list(launcher, account.owner), client.create_model_package_group
        create_once(lambda: create(ModelPackageGroupName=group, Tags=tags))


def register(
    account: Account, config: DeployConfig, archive: Archive, deployment: ServedModel
) -> str:
    """Register the model as a new version of its group; return the version's ARN.

    Raises:
        CloudError: AWS refuses.
    """
    group = config.deploy.register
    assert group is not None
    client = account.client("sagemaker")
    metrics_uri = f"{archive.uri.rpartition('/')[0]}/metrics.json"
    if not account.dry:
        text = json.dumps(archive.metrics, indent=1, sort_keys=True).encode()
        upload_bytes(
            account.client("s3"), text, metrics_uri, kms_key=config.launcher.output_kms_key
        )
    with translate_errors(f"deploy.register={group}"):
        create_group(account, group, config.launcher)
        request = _request(config, archive, deployment, metrics_uri)
        request["CustomerMetadataProperties"] = {
            # Versions can't be tagged.
            OWNER: account.owner,
            **dict(list(_figures(archive).items())[: MAX_PROPERTIES - 1]),
        }
        response = client.create_model_package(**request)
    return str(response.get("ModelPackageArn", ""))


def _arn_of(client: Any, group: str) -> str | None:
    try:
        response = client.describe_model_package_group(ModelPackageGroupName=group)
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    return str(response["ModelPackageGroupArn"])


def _request(
    config: DeployConfig, archive: Archive, deployment: ServedModel, metrics_uri: str
) -> dict[str, Any]:
    """The arguments of CreateModelPackage. Versions inherit the tags of their group."""
    container: dict[str, Any] = {
        "Image": deployment.image_uri,
        "ModelDataUrl": deployment.model_uri,
    }
    container["Environment"] = container_environment(config.deploy)
    return {
        "ModelPackageGroupName": config.deploy.register,
        "ModelPackageDescription": f"{archive.classes} classes, from {printable(archive.label)}",
        # A person approves it for further deployment.
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": list(PHOTO_TYPES),
            "SupportedResponseMIMETypes": [JSON_TYPE],
        },
        "ModelMetrics": {
            "ModelQuality": {"Statistics": {"ContentType": JSON_TYPE, "S3Uri": metrics_uri}}
        },
        # The same for each retry of this deployment: if a response was lost, the service returns
        # the existing version.
        "ClientToken": hashlib.sha256(deployment.name.encode()).hexdigest()[:TOKEN_CHARACTERS],
    }


def _figures(archive: Archive) -> dict[str, str]:
    """The metrics, as the metadata of a version."""
    return {
        name: f"{value:.6g}"[:MAX_VALUE_CHARACTERS]
        for name, value in leaves(archive.metrics).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
