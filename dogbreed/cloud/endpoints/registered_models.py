"""model=registry:GROUP: the newest approved version of a group of the SageMaker Model Registry."""

import re
from datetime import datetime
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.errors import is_missing
from dogbreed.configuration.commands import typed
from dogbreed.errors import CloudError

START = "registry:"
_ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:model-package/(?P<name>[\w./-]+)")
APPROVED = "Approved"


class Registered(NamedTuple):
    """A version in the registry: its name, when it was registered, and the S3 URI of its model."""

    label: str
    time: datetime
    uri: str


def is_registered(model: str) -> bool:
    """Whether the key `model` names a group or a version of the registry."""
    return model.startswith(START) or _ARN.fullmatch(model) is not None


def find_registered(client: Any, model: str) -> Registered:
    """The version that registry:GROUP or the ARN of a version names; errors are botocore's.

    Raises:
        CloudError: there is no such group or version, or it isn't approved.
    """
    arn = model if _ARN.fullmatch(model) else _newest_approved(client, model)
    try:
        package = client.describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        if not is_missing(error):
            raise
        raise CloudError(f"model={model}: there is no such version in the registry.") from error
    status = package.get("ModelApprovalStatus")
    if status != APPROVED:
        raise CloudError(
            f"model={model}: the status of this version is {status}: {_approval(arn)} approves it."
        )
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    uri = containers[0].get("ModelDataUrl") if len(containers) == 1 else None
    if uri is None:
        raise CloudError(
            f"model={model}: this version isn't one model in S3: was it registered by "
            f"{typed('deploy')} deploy.register=GROUP?"
        )
    name = arn.rpartition(":model-package/")[2]
    return Registered(f"{START}{name}", package["CreationTime"], str(uri))


def _newest_approved(client: Any, model: str) -> str:
    """The ARN of the newest approved version of registry:GROUP."""
    group = model.removeprefix(START)
    newest_first = {"SortBy": "CreationTime", "SortOrder": "Descending"}
    place = {"ModelPackageGroupName": group, **newest_first}
    try:
        pages = client.get_paginator("list_model_packages").paginate(**place)
        versions = [each for page in pages for each in page["ModelPackageSummaryList"]]
    except ClientError as error:
        if not is_missing(error):
            raise
        versions = []
    for each in versions:
        if each.get("ModelApprovalStatus") == APPROVED:
            return str(each["ModelPackageArn"])
    if not versions:
        raise CloudError(
            f"model={model}: there is no model package group {group} with a version: "
            f"{typed('deploy')} deploy.register={group} registers one."
        )
    raise CloudError(
        f"model={model}: none of the {len(versions)} versions is approved: "
        f"{_approval(versions[0]['ModelPackageArn'])} approves the newest."
    )


def _approval(arn: str) -> str:
    return (
        f"aws sagemaker update-model-package --model-package-arn {arn} --model-approval-status "
        f"{APPROVED}"
    )
