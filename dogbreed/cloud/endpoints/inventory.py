"""What this project made in the account and still is there, found by its tag."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import code_of
from dogbreed.cloud.aws.tags import ENDPOINT, is_ours, own_tags
from dogbreed.cloud.endpoints.archive import MODELS
from dogbreed.cloud.endpoints.endpoints import DELETING
from dogbreed.cloud.endpoints.expiry import schedules
from dogbreed.cloud.endpoints.scaling import SERVICE as SCALING_SERVICE
from dogbreed.cloud.endpoints.scaling import scaled_endpoints
from dogbreed.configuration.search import AccountConfig

ENDPOINT_KIND, CONFIG_KIND, MODEL_KIND = "endpoint", "endpoint config", "model"
SCALING_KIND, SCHEDULE_KIND = "automatic scaling", "schedule"
TRAINING_KIND, TUNING_KIND, TRANSFORM_KIND = "training job", "tuning job", "transform job"
PACKAGE_KIND, GROUP_KIND = "model package", "model group"
ARCHIVE_KIND, UPLOAD_KIND = "archive in S3", "unfinished upload to S3"
STOPPING = "Stopping"
RUNNING = ("InProgress", STOPPING)
WORKERS = 8  # as many requests at a time as the service takes without slowing down


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something in the account: what it is, its name, and the endpoint that it was made for."""

    kind: str
    name: str
    endpoint: str | None = None
    note: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" ({self.note})" if self.note else "")


# Kind, operation, field of its answer, start of the fields' names, and what else it is asked.
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


def find_all(account: Account, launcher: AccountConfig) -> list[Thing]:
    """Everything that this project made; errors are botocore's.

    The services' own lists are asked, each thing for its tags: the service that finds things by
    their tags knows new ones late, and deleted ones for a while.
    """
    client = account.client("sagemaker")
    found = [thing for wanted in _LISTS for thing in _tagged(client, *wanted)]
    groups = [thing.name for thing in found if thing.kind == GROUP_KIND]
    found += (thing for group in groups for thing in _packages(client, group))
    found += (
        Thing(kind=SCHEDULE_KIND, name=each.name, endpoint=each.endpoint, note=each.when)
        for each in schedules(account.client("scheduler"))
    )
    endpoints = {thing.name for thing in found if thing.kind == ENDPOINT_KIND}
    scaled = endpoints & set(scaled_endpoints(account.client(SCALING_SERVICE)))
    found += (Thing(kind=SCALING_KIND, name=name, endpoint=name) for name in sorted(scaled))
    found += _archives(account, launcher)
    return found


def newest_endpoint(client: Any) -> str | None:
    """The newest endpoint of this project that isn't about to go; errors are botocore's."""
    pages = client.get_paginator("list_endpoints").paginate(
        SortBy="CreationTime", SortOrder="Descending"
    )
    for each in (each for page in pages for each in page["Endpoints"]):
        if each["EndpointStatus"] != DELETING and is_ours(client, each["EndpointArn"]):
            return str(each["EndpointName"])
    return None


def _tagged(
    client: Any, kind: str, operation: str, field: str, start: str, asked: Mapping[str, Any]
) -> list[Thing]:
    pages = client.get_paginator(operation).paginate(**asked)
    listed = [each for page in pages for each in page[field]]
    with ThreadPoolExecutor(WORKERS) as pool:
        tags = pool.map(lambda each: own_tags(client, each[f"{start}Arn"]), listed)
    return [
        Thing(
            kind=kind,
            name=each[f"{start}Name"],
            endpoint=each[f"{start}Name"] if kind == ENDPOINT_KIND else own.get(ENDPOINT),
            note=each.get(f"{start}Status", ""),
        )
        for each, own in zip(listed, tags, strict=True)
        if own is not None
    ]


def _packages(client: Any, group: str) -> Iterator[Thing]:
    pages = client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    for page in pages:
        for each in page["ModelPackageSummaryList"]:
            yield Thing(kind=PACKAGE_KIND, name=each["ModelPackageArn"])


def _archives(account: Account, launcher: AccountConfig) -> list[Thing]:
    """Packed models, with what lies beside them, and large ones of which a part was sent.

    What trainings need and left isn't among them.
    """
    client, found = account.client("s3"), list[Thing]()
    place = {"Bucket": account.bucket, "Prefix": f"{launcher.prefix}/{MODELS}/"}
    start = f"s3://{account.bucket}/"
    try:
        for page in client.get_paginator("list_objects_v2").paginate(**place):
            for each in page.get("Contents", ()):
                name, endpoint = start + each["Key"], _endpoint_of(each["Key"], launcher)
                found.append(Thing(kind=ARCHIVE_KIND, name=name, endpoint=endpoint))
        # Their parts are billed, and in no list of objects.
        for page in client.get_paginator("list_multipart_uploads").paginate(**place):
            for each in page.get("Uploads", ()):
                name, endpoint = start + each["Key"], _endpoint_of(each["Key"], launcher)
                number = each["UploadId"]
                found.append(Thing(kind=UPLOAD_KIND, name=name, endpoint=endpoint, note=number))
    except ClientError as error:
        if code_of(error) != "NoSuchBucket":
            raise
    return found


def _endpoint_of(key: str, launcher: AccountConfig) -> str:
    """The endpoint that something in S3 was packed for: the folder below that of all models."""
    return key.removeprefix(f"{launcher.prefix}/{MODELS}/").split("/")[0]
