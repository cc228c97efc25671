"""The instances of a job: what the service checks in a request, and which of them it takes."""

import gzip
import json
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

NO_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
    "different ML instance type."
)
SINGLE = ("InstanceType", "InstanceGroups", "InstancePlacementConfig")
MEMBERS = ("InstanceType", "InstanceCount", "VolumeSizeInGB")
FALLBACKS = "HyperParameterTuningResourceConfig"


def resource_problems(config: dict[str, Any], *, spot: bool) -> Iterator[str]:
    """What is wrong with the ResourceConfig of a training job (botocore's documentation of it)."""
    preferences = config.get("InstancePreferences")
    if config.get("KeepAlivePeriodInSeconds") and spot:
        yield "KeepAlivePeriodInSeconds is not supported with EnableManagedSpotTraining."
    if preferences is None:
        if "InstanceType" not in config and "InstanceGroups" not in config:
            yield "InstanceType is required."
    else:
        if given := [name for name in SINGLE if name in config]:
            yield f"InstancePreferences is mutually exclusive with {given[0]}."
        if spot:
            yield "InstancePreferences is mutually exclusive with EnableManagedSpotTraining."
        names = Counter(each["InstanceType"] for each in preferences)
        if twice := [name for name, count in names.items() if count > 1]:
            yield f"Duplicate instance type in InstancePreferences: {twice[0]}."
        counts = {"InstanceCount" in each for each in preferences}
        if counts != {"InstanceCount" not in config}:
            yield "InstanceCount must be given per preference or once for the job."
    for name in types_of(config):
        yield from _volume_problems(name, config)


def tuning_resource_problems(definition: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the instances of a tuning job's definition."""
    if ("ResourceConfig" in definition) == (FALLBACKS in definition):
        yield f"Exactly one of ResourceConfig and {FALLBACKS} is required."
        return
    if "ResourceConfig" in definition:
        config = definition["ResourceConfig"]
        if "InstancePreferences" in config or "KeepAlivePeriodInSeconds" in config:
            yield "InstancePreferences and KeepAlivePeriodInSeconds aren't for tuning jobs."
        spot = bool(definition.get("EnableManagedSpotTraining"))
        yield from resource_problems(config, spot=spot)
        return
    config = definition[FALLBACKS]
    choices = config.get("InstanceConfigs")
    if choices and any(name in config for name in MEMBERS):
        yield f"With InstanceConfigs, {FALLBACKS} takes no {', '.join(MEMBERS)}."
    for each in choices or [config]:
        yield from _volume_problems(each["InstanceType"], each)


def types_of(config: dict[str, Any]) -> list[str]:
    """The instance types of a resource configuration, the preferred ones first."""
    several = config.get("InstancePreferences") or config.get("InstanceConfigs")
    return [each["InstanceType"] for each in several or [config] if "InstanceType" in each]


def with_instances(request: dict[str, Any], lacking: Collection[str]) -> dict[str, Any]:
    """A trial of a tuning job on the first of its instance configurations that has capacity."""
    if FALLBACKS not in request:
        return request
    config = request[FALLBACKS]
    choices = config.get("InstanceConfigs") or [config]
    choice = next((each for each in choices if each["InstanceType"] not in lacking), choices[-1])
    resources = {name: choice[name] for name in MEMBERS}
    rest = {name: value for name, value in request.items() if name != FALLBACKS}
    return {**rest, "ResourceConfig": resources}


def _volume_problems(name: str, config: dict[str, Any]) -> Iterator[str]:
    size = _disks().get(name.removeprefix("ml."))
    if size is not None and config.get("VolumeSizeInGB", 0) > size:
        yield f"VolumeSizeInGB can't be greater than the {size} GB of local storage of {name}."
    if size is not None and "VolumeKmsKeyId" in config:
        yield f"VolumeKmsKeyId isn't supported for {name}, which has local storage."


@cache
def _disks() -> dict[str, int]:
    """The local disks of EC2's instance types, in GB, from moto's copy of DescribeInstanceTypes."""
    packed = files("moto.ec2.resources").joinpath("instance_types.json.gz").read_bytes()
    types: dict[str, Any] = json.loads(gzip.decompress(packed))
    stored = {name: each.get("InstanceStorageInfo") for name, each in types.items()}
    return {name: int(each["TotalSizeInGB"]) for name, each in stored.items() if each}
