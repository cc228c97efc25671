"""Validation of the `launcher` keys that name AWS resources: roles, KMS keys, images, subnets."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from dogbreed.cloud.aws.instance_types import check_instance_types
from dogbreed.cloud.aws.regions import domain_of, partition_of
from dogbreed.cloud.aws.s3_names import check_bucket, normal_prefix
from dogbreed.cloud.aws.tags import checked_tags
from dogbreed.configuration.schema import flat
from dogbreed.configuration.search import AccountConfig, LauncherConfig
from dogbreed.errors import ConfigError
from dogbreed.search.runner_limits import check_network

Keys = TypeVar("Keys", bound=AccountConfig)

# Sources: IAM's user guide, "IAM and AWS STS quotas" and "IAM identifiers".
ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_ROLE_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):iam::\d{12}:role/(?:[\w+=,.@-]+/)*[\w+=,.@-]{1,64}",
    re.ASCII,
)
# Source: SageMaker's API reference, TrainingEnvironmentKey; request_check.py checks their lengths.
VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
RESERVED_VARIABLES = ("SM_", "SAGEMAKER_", "TRAINING_JOB_")
# Source: SageMaker's API reference, TrainingJobName.
JOB_NAME = re.compile(r"(?=.{1,63}$)[a-zA-Z0-9](?:-*[a-zA-Z0-9])*")
# Sources: KMS's developer guide, "Key identifiers (KeyId)"; the form of an ARN is that of KmsKeyArn
# in EventBridge Scheduler's API.
_KMS_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}", re.IGNORECASE)
_KMS_ALIAS = re.compile(r"alias/[\w/-]{1,250}", re.ASCII)
_KMS_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(key/[\w-]+|alias/[\w/-]+)", re.ASCII)
# Source: EC2's user guide, "Resource IDs": eight or seventeen hexadecimal digits.
_RESOURCE = "{}-(?:[0-9a-f]{{17}}|[0-9a-f]{{8}})"
_SUBNET, _GROUP = (re.compile(_RESOURCE.format(kind)) for kind in ("subnet", "sg"))
# SageMaker's API reference, VpcConfig.
MAX_SUBNETS, MAX_GROUPS = 16, 5

# Source: ECR's API reference, repositoryName; Docker's, tags and digests.
_REPOSITORY = r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
_IMAGE = re.compile(
    r"\d{12}\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?P<domain>[a-z0-9.-]+)/"
    rf"{_REPOSITORY}(?::[\w][\w.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?",
    re.ASCII,
)
# Source: SNS's API reference, CreateTopic; CloudWatch's user guide: alarms notify no FIFO topics.
_TOPIC_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):sns:(?P<region>[a-z0-9-]+):\d{12}:[\w-]{1,256}", re.ASCII
)
_DUAL_STACK = "on.aws"


def checked_keys(launcher: Keys) -> Keys:
    """Validate the account's keys; return them with prefix and tags normalized.

    Raises:
        ConfigError: names the key and its valid values.
    """
    refuse_empty(launcher, "launcher.")
    if launcher.bucket is not None:
        check_bucket(launcher.bucket)
    if launcher.role is not None:
        check_role("launcher.role", launcher.role)
    check_network(launcher)
    if isinstance(launcher, LauncherConfig):
        _check_environment(launcher.environment)
        check_instance_types(launcher)
    _check_ids("launcher.subnets", launcher.subnets, _SUBNET, MAX_SUBNETS, "subnet-0a1b2c3d")
    _check_ids(
        *("launcher.security_groups", launcher.security_groups, _GROUP, MAX_GROUPS),
        "sg-0a1b2c3d",
    )
    return replace(
        launcher, prefix=normal_prefix(launcher.prefix), tags=checked_tags(launcher.tags)
    )


def _check_environment(variables: Mapping[str, str]) -> None:
    """Refuse names of variables that a shell can't have, or that SageMaker and its toolkit set."""
    for name in variables:
        shown = f"launcher.environment: {name!r}"
        if not VARIABLE.fullmatch(name):
            raise ConfigError(
                f"{shown}: a variable's name has letters, digits and _, and begins with no digit."
            )
        if name.upper().startswith(RESERVED_VARIABLES):
            raise ConfigError(
                f"{shown}: names that begin with {', '.join(RESERVED_VARIABLES)} are set by "
                "SageMaker and its training toolkit: take another name."
            )


def refuse_empty(config: Any, prefix: str = "") -> None:
    """Refuse empty strings, such as the value of a shell variable that isn't set.

    Raises:
        ConfigError: names the key.
    """
    for name, value in flat(config, prefix).items():
        if value == "":
            raise ConfigError(f"{name}= is empty: give it a value, or leave it out.")


def check_attach(name: str, *, dry_run: bool) -> None:
    """Check the name of a job to attach to.

    Raises:
        ConfigError: it is no valid job name, or dry_run=true, which attaches to nothing.
    """
    if dry_run:
        raise ConfigError(
            f"attach={name} attaches to a job in the account, and a dry run sends no requests: "
            "leave one of the two out."
        )
    if not JOB_NAME.fullmatch(name):
        raise ConfigError(
            f"attach={name}: a job's name has at most 63 letters, digits and hyphens between them."
        )


def check_region_of(
    launcher: AccountConfig, region: str, *, role_key: str = "launcher.role"
) -> None:
    """Check that KMS keys, role and image belong to the region and its partition.

    Raises:
        ConfigError: names the key and the required region.
    """
    check_kms_key("launcher.output_kms_key", launcher.output_kms_key, region)
    if launcher.role is not None:
        check_partition(role_key, launcher.role, region)
    if isinstance(launcher, LauncherConfig):
        check_kms_key("launcher.volume_kms_key", launcher.volume_kms_key, region)
        if launcher.volume_kms_key and "alias/" in launcher.volume_kms_key:
            raise ConfigError(
                f"launcher.volume_kms_key={launcher.volume_kms_key}: SageMaker takes no alias for "
                "disks: give the key's id or its ARN."
            )
        check_image("launcher.image_uri", launcher.image_uri, region)


def check_role(key: str, role: str, *, arn_only: bool = False) -> None:
    """Check the name or ARN of an IAM role.

    Raises:
        ConfigError: names `key` and the correct format.
    """
    shown = f"{key}={role}"
    if _ROLE_ARN.fullmatch(role) or (not arn_only and ROLE_NAME.fullmatch(role)):
        return
    right = "arn:aws:iam::ACCOUNT:role/NAME, with the twelve digits of the account"
    if role.startswith("arn:"):
        if ":role/" in role:
            why = "it isn't a valid ARN of an IAM role"
        else:
            why = "it is the ARN of something other than an IAM role"
        raise ConfigError(f"{shown}: {why}: write {right}.")
    if arn_only:
        raise ConfigError(f"{shown}: give the role's ARN: {right}.")
    if "/" in role:
        raise ConfigError(
            f"{shown}: a role's name has no path: write {key}={role.rsplit('/')[-1]}, "
            "or the role's ARN."
        )
    raise ConfigError(
        f"{shown}: a role's name has at most 64 letters, digits and characters of +=,.@_-; or give "
        f"its ARN: {right}."
    )


def check_partition(key: str, role: str, region: str) -> None:
    """Check that a role's ARN is in the region's partition.

    Raises:
        ConfigError: names `key`.
    """
    found = _ROLE_ARN.fullmatch(role)
    partition = partition_of(region)
    if found and found["partition"] != partition:
        raise ConfigError(
            f"{key}={role}: the role is in the partition {found['partition']}, and region {region} "
            f"in {partition}: roles of another partition can't be used. Name one that begins with "
            f"arn:{partition}:iam::, or set launcher.region."
        )


def check_kms_key(name: str, key: str | None, region: str) -> None:
    """Check the id, alias or ARN of a KMS key of the region.

    Raises:
        ConfigError: names the configuration's key.
    """
    if key is None or _KMS_ID.fullmatch(key) or _KMS_ALIAS.fullmatch(key):
        return
    shown = f"{name}={key}"
    if not _KMS_ARN.fullmatch(key):
        near = f"alias/{key}"
        hint = f" Did you mean {near}?" if ":" not in key and _KMS_ALIAS.fullmatch(near) else ""
        raise ConfigError(
            f"{shown}: it is no KMS key: give the key's id (1234abcd-12ab-34cd-56ef-1234567890ab), "
            f"its ARN (arn:aws:kms:REGION:ACCOUNT:key/ID), or an alias (alias/NAME).{hint}"
        )
    start = f"arn:{partition_of(region)}:kms:{region}:"
    if not key.startswith(start):
        raise ConfigError(
            f"{shown}: what it encrypts is in {region}: name a key of that region ({start}...), or "
            "set launcher.region."
        )


def check_image(key: str, image_uri: str | None, region: str) -> None:
    """Check that an image is in an ECR registry that SageMaker can pull from in this region.

    Raises:
        ConfigError: names `key`.
    """
    if image_uri is None:
        return
    shown = f"{key}={image_uri}"
    right = f"ACCOUNT.dkr.ecr.{region}.{domain_of(region)}/REPOSITORY:TAG"
    found = _IMAGE.fullmatch(image_uri)
    if found is None:
        raise ConfigError(
            f"{shown}: SageMaker pulls container images from Amazon ECR only: write {right}."
        )
    if found["region"] != region or found["domain"] not in (domain_of(region), _DUAL_STACK):
        raise ConfigError(
            f"{shown}: it would run in {region}: copy it to a registry there ({right}), or set "
            "launcher.region."
        )


def check_topic(key: str, topic: str | None, region: str) -> None:
    """Check the ARN of a standard SNS topic in the region; None is valid.

    Raises:
        ConfigError: names `key` and the correct format.
    """
    if topic is None:
        return
    right = f"arn:{partition_of(region)}:sns:{region}:ACCOUNT:NAME"
    found = _TOPIC_ARN.fullmatch(topic)
    if found is None:
        raise ConfigError(
            f"{key}={topic}: it isn't the ARN of a standard SNS topic: write {right}, with the "
            "twelve digits of the account."
        )
    if (found["partition"], found["region"]) != (partition_of(region), region):
        raise ConfigError(
            f"{key}={topic}: alarms in {region} notify topics of that region only: write {right}, "
            "or set launcher.region."
        )


def _check_ids(
    key: str, ids: Sequence[str], form: re.Pattern[str], max_ids: int, example: str
) -> None:
    for each in ids:
        if not form.fullmatch(each):
            raise ConfigError(
                f"{key}: {each!r} is no valid id: write it as {example}, with 8 or 17 "
                "hexadecimal digits."
            )
        if ids.count(each) > 1:
            raise ConfigError(f"{key}: {each} is given twice.")
    if len(ids) > max_ids:
        raise ConfigError(f"{key}: {len(ids)} are given; SageMaker takes at most {max_ids}.")
