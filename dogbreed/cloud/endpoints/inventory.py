"""List the resources of this project in the account, by their tag."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import code_of, is_missing
from dogbreed.cloud.aws.owner import from_folder
from dogbreed.cloud.aws.tags import ENDPOINT, OWNER, is_ours, project_tags
from dogbreed.cloud.endpoints.alarms import ALARM_SERVICE, all_alarms
from dogbreed.cloud.endpoints.archive import MODELS
from dogbreed.cloud.endpoints.expiry import schedules
from dogbreed.cloud.endpoints.lifecycle import DELETING
from dogbreed.cloud.endpoints.scaling import SCALING_SERVICE, scaled_endpoints
from dogbreed.configuration.search import AccountConfig

ENDPOINT_KIND, CONFIG_KIND, MODEL_KIND = "endpoint", "endpoint config", "model"
SCALING_KIND, SCHEDULE_KIND, ALARM_KIND = "automatic scaling", "schedule", "alarm"
TRAINING_KIND, TUNING_KIND, TRANSFORM_KIND = "training job", "tuning job", "transform job"
PACKAGE_KIND, GROUP_KIND = "model package", "model group"
PIPELINE_KIND, RULE_KIND = "pipeline", "event rule"
ARCHIVE_KIND, UPLOAD_KIND = "archive in S3", "unfinished upload to S3"
STOPPING = "Stopping"
RUNNING = ("InProgress", STOPPING)
WORKERS = 8  # concurrent requests that the service accepts without throttling


@dataclass(frozen=True, kw_only=True)
class Resource:
    """An AWS resource: kind, name, the endpoint that it was created for, its owner and status.

    `owner` is None for a resource of an earlier version, which had no such tag. `group` is the
    model group of a registered version.
    """

    kind: str
    name: str
    endpoint: str | None = None
    owner: str | None = None
    note: str = ""
    group: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" ({self.note})" if self.note else "")


# Kind, operation, field of the response, prefix of the member names, and request parameters.
_LISTS: tuple[tuple[str, str, str, str, Mapping[str, Any]], ...] = (
    (ENDPOINT_KIND, "list_endpoints", "Endpoints", "Endpoint", {}),
    (CONFIG_KIND, "list_endpoint_configs", "EndpointConfigs", "EndpointConfig", {}),
    (MODEL_KIND, "list_models", "Models", "Model", {}),
    (
        GROUP_KIND,
        "list_model_package_groups",
        "ModelPackageGroupSummaryList",
        "ModelPackageGroup",
        {},
    ),
    (PIPELINE_KIND, "list_pipelines", "PipelineSummaries", "Pipeline", {}),
    *(
        (kind, operation, f"{start}Summaries", start, {"StatusEquals": status})
        for status in RUNNING
        for kind, operation, start in (
            (TUNING_KIND, "list_hyper_parameter_tuning_jobs", "HyperParameterTuningJob"),
            (TRAINING_KIND, "list_training_jobs", "TrainingJob"),
            (TRANSFORM_KIND, "list_transform_jobs", "TransformJob"),
        )
    ),
)


def find_all(account: Account, launcher: AccountConfig) -> list[Resource]:
    """All resources of this project; errors are botocore's.

    Lists each service and reads the tags of each resource: the Resource Groups Tagging API returns
    new resources late, and deleted ones for a while.
    """
    client = account.client("sagemaker")
    found = [resource for listing in _LISTS for resource in _tagged(client, *listing)]
    groups = [resource for resource in found if resource.kind == GROUP_KIND]
    found += (resource for group in groups for resource in _packages(client, group))
    found += (
        Resource(
            kind=SCHEDULE_KIND,
            name=each.name,
            endpoint=each.endpoint,
            owner=each.owner,
            note=each.when,
        )
        for each in schedules(account.client("scheduler"))
    )
    owners = {each.name: each.owner for each in found if each.kind == ENDPOINT_KIND}
    scaled = owners.keys() & set(scaled_endpoints(account.client(SCALING_SERVICE)))
    found += (
        Resource(kind=SCALING_KIND, name=name, endpoint=name, owner=owners[name])
        for name in sorted(scaled)
    )
    found += (
        Resource(
            kind=ALARM_KIND,
            name=each.name,
            endpoint=each.endpoint,
            owner=each.tags.get(OWNER),
            note=each.state,
        )
        for each in all_alarms(account.client(ALARM_SERVICE))
    )
    found += _rules(account, [each for each in found if each.kind == PIPELINE_KIND])
    found += _archives(account, launcher)
    return found


def newest_endpoint(client: Any, owner: str) -> str | None:
    """The newest endpoint of an owner that isn't being deleted; errors are botocore's."""
    pages = client.get_paginator("list_endpoints").paginate(
        SortBy="CreationTime", SortOrder="Descending"
    )
    for each in (each for page in pages for each in page["Endpoints"]):
        if each["EndpointStatus"] != DELETING and is_ours(client, each["EndpointArn"], owner):
            return str(each["EndpointName"])
    return None


def _tagged(
    client: Any, kind: str, operation: str, field: str, start: str, parameters: Mapping[str, Any]
) -> list[Resource]:
    pages = client.get_paginator(operation).paginate(**parameters)
    listed = [each for page in pages for each in page[field]]
    with ThreadPoolExecutor(WORKERS) as pool:
        tags = pool.map(lambda each: project_tags(client, each[f"{start}Arn"]), listed)
    return [
        Resource(
            kind=kind,
            name=each[f"{start}Name"],
            endpoint=each[f"{start}Name"] if kind == ENDPOINT_KIND else found.get(ENDPOINT),
            owner=found.get(OWNER),
            note=each.get(f"{start}Status", ""),
        )
        for each, found in zip(listed, tags, strict=True)
        if found is not None
    ]


def _rules(account: Account, pipelines: Sequence[Resource]) -> Iterator[Resource]:
    """The rules of EventBridge that start pipelines of this project, which have their names."""
    owners = {pipeline.name: pipeline.owner for pipeline in pipelines}
    if not owners:
        return
    pages = account.client("events").get_paginator("list_rules").paginate()
    for name in [each["Name"] for page in pages for each in page["Rules"]]:
        if name in owners:
            yield Resource(kind=RULE_KIND, name=name, owner=owners[name])


def _packages(client: Any, group: Resource) -> Iterator[Resource]:
    """The versions in a group. They can't be tagged: their metadata have the owner.

    Versions that earlier versions of this package registered belong to the owner of the group.
    """
    pages = client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group.name)
    arns = [each["ModelPackageArn"] for page in pages for each in page["ModelPackageSummaryList"]]
    with ThreadPoolExecutor(WORKERS) as pool:
        owners = pool.map(lambda arn: _registered_by(client, arn), arns)
    for arn, owner in zip(arns, owners, strict=True):
        yield Resource(kind=PACKAGE_KIND, name=arn, owner=owner or group.owner, group=group.name)


def _registered_by(client: Any, arn: str) -> str | None:
    try:
        package = client.describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        if is_missing(error):  # deleted since the listing
            return None
        raise
    owner: str | None = package.get("CustomerMetadataProperties", {}).get(OWNER)
    return owner


def _archives(account: Account, launcher: AccountConfig) -> list[Resource]:
    """Model archives and their metrics in S3, and unfinished multipart uploads of archives.

    Inputs and outputs of training jobs aren't listed.
    """
    client, found = account.client("s3"), list[Resource]()
    place = {"Bucket": account.bucket, "Prefix": f"{launcher.prefix}/{MODELS}/"}

    def resource(kind: str, key: str, note: str = "") -> Resource:
        endpoint, owner = _made_by(key.removeprefix(place["Prefix"]))
        name = f"s3://{account.bucket}/{key}"
        return Resource(kind=kind, name=name, endpoint=endpoint, owner=owner, note=note)

    try:
        for page in client.get_paginator("list_objects_v2").paginate(**place):
            found += (resource(ARCHIVE_KIND, each["Key"]) for each in page.get("Contents", ()))
        # Parts of unfinished uploads are billed, and missing in the list of objects.
        for page in client.get_paginator("list_multipart_uploads").paginate(**place):
            found += (
                resource(UPLOAD_KIND, each["Key"], each["UploadId"])
                for each in page.get("Uploads", ())
            )
    except ClientError as error:
        if code_of(error) != "NoSuchBucket":
            raise
    return found


def _made_by(path: str) -> tuple[str, str | None]:
    """Endpoint and owner of an archive, from its path ENDPOINT/OWNER/DIGEST/FILE.

    Earlier versions wrote no owner.
    """
    endpoint, *owner = path.split("/")[:-2] or path.split("/")[:1]
    return endpoint, from_folder("/".join(owner)) or None
