"""AWS regions and partitions, from botocore's endpoint data."""

import difflib
from functools import cache
from typing import Any

import botocore
import botocore.session

from dogbreed.errors import ConfigError

SERVICE = "sagemaker"


def partition_of(region: str) -> str:
    """The partition of a region, such as aws-cn: the second part of every ARN in it."""
    return str(_partition(region)["id"])


def domain_of(region: str) -> str:
    """The domain of the ECR registries in a region."""
    return str(_partition(region)["outputs"]["dnsSuffix"])


def nearest_region(service: str, region: str) -> str | None:
    """The region to use of a service that few regions have; None: the partition has none.

    One of the same continent, or else one of the United States, where AWS's oldest services are.
    """
    session = botocore.session.get_session()
    offered = session.get_available_regions(service, partition_of(region))
    starts = (region, region.split("-")[0], "us-")
    return next((each for start in starts for each in offered if each.startswith(start)), None) or (
        offered[0] if offered else None
    )


def check_region(region: str, source: str) -> None:
    """Check that SageMaker is available in a region; `source` is where the region was set.

    Raises:
        ConfigError: suggests the nearest region.
    """
    known = _regions()
    if region in known:
        return
    near = difflib.get_close_matches(region.strip().lower().replace("_", "-"), known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ConfigError(
        f"{source}={region}: SageMaker has no such region.{hint} (One that is newer "
        f"than botocore {botocore.__version__} needs a newer boto3.)"
    )


@cache
def _regions() -> tuple[str, ...]:
    session = botocore.session.get_session()
    partitions = session.get_available_partitions()
    return tuple(r for each in partitions for r in session.get_available_regions(SERVICE, each))


@cache
def _partition(region: str) -> dict[str, Any]:
    """botocore's entry for the partition of a region.

    An unknown region belongs to the first partition whose pattern it matches, or else to `aws`.
    """
    session = botocore.session.get_session()
    try:
        name = session.get_partition_for_region(region)
    except botocore.exceptions.UnknownRegionError:
        name = "aws"
    partitions = session.get_component("data_loader").load_data("partitions")["partitions"]
    return next(dict(each) for each in partitions if each["id"] == name)
