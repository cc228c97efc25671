"""AWS's regions and their partitions, as botocore knows them."""

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
    """The domain of AWS's registries of containers in a region."""
    return str(_partition(region)["outputs"]["dnsSuffix"])


def check_region(region: str, source: str) -> None:
    """Refuse what is no region that SageMaker is in; `source` is where it was set.

    Raises:
        ConfigError: with the nearest region.
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
    """botocore's entry for the partition of a region; regions that it doesn't know are in the
    first partition that has their form, or else in AWS's own."""
    session = botocore.session.get_session()
    try:
        name = session.get_partition_for_region(region)
    except botocore.exceptions.UnknownRegionError:
        name = "aws"
    partitions = session.get_component("data_loader").load_data("partitions")["partitions"]
    return next(dict(each) for each in partitions if each["id"] == name)
