"""The disks of jobs: how much they need, launcher.volume_gb, and instances with a local disk."""

import csv
import functools
import math
from collections.abc import Sequence
from pathlib import Path

from dogbreed.cloud.aws.images import family_of
from dogbreed.cloud.jobs.workload import Workload
from dogbreed.configuration.schema import AUTO
from dogbreed.errors import ConfigError

# Sizes of local disks in GB. Source: EC2's DescribeInstanceTypes (InstanceStorageInfo), as copied
# by moto 5.2.5, in November 2026; all types of SageMaker's training API that were in it.
TABLE = Path(__file__).with_name("disks.csv")
GB = 1e9
MIN_VOLUME_GB, MAX_VOLUME_GB = 30, 16_384  # the former is the SDK's default, the latter the API's
# Source, installed packages (0.5 GB with OpenVINO), the model and its exports, checkpoints, logs.
OTHER_BYTES = 5_000_000_000
MARGIN = 1.2


def disk_gb(instance_type: str) -> int | None:
    """The size of an instance's local disk; None if it has none, or its size isn't known."""
    return _table().get(instance_type)


def has_local_disk(instance_type: str) -> bool:
    """Whether the instance has a local disk, to which volume_kms_key doesn't apply."""
    return family_of(instance_type) in {family_of(each) for each in _table()}


def needed_bytes(work: Workload) -> int:
    """The bytes that the largest job of a launch needs on the disk of each instance.

    Each instance gets all photos. Trials on features get the features only, which is less.
    """
    return work.photo_bytes + work.feature_bytes + work.weights_bytes + OTHER_BYTES


def volume_for(volume_gb: int | str, work: Workload, instance_types: Sequence[str]) -> int:
    """launcher.volume_gb in GB, for jobs on any of these instance types.

    Raises:
        ConfigError: with figures: it is too small, or a local disk is.
    """
    needed_gb = math.ceil(needed_bytes(work) / GB)
    local = [size for size in map(disk_gb, instance_types) if size is not None]
    for each in instance_types:
        _check_local(each, needed_gb, work)
    if volume_gb == AUTO:
        wanted_gb = max(MIN_VOLUME_GB, math.ceil(MARGIN * needed_bytes(work) / GB))
        if needed_gb > MAX_VOLUME_GB:
            raise ConfigError(
                f"The jobs need {needed_gb:,} GB on each instance ({figures(work)}), and SageMaker "
                f"has at most {MAX_VOLUME_GB:,}: train on fewer photos, or store smaller ones."
            )
        return min(wanted_gb, MAX_VOLUME_GB, *local)
    given_gb = int(volume_gb)
    if local and given_gb > min(local):
        small = next(each for each in instance_types if disk_gb(each) == min(local))
        raise ConfigError(
            f"launcher.volume_gb={given_gb}: {small} has a local disk of {min(local):,} GB, and "
            "SageMaker takes no larger number: leave it at auto."
        )
    if given_gb < needed_gb and not all(map(has_local_disk, instance_types)):
        raise ConfigError(
            f"launcher.volume_gb={given_gb}: the jobs need {needed_gb:,} GB on each instance "
            f"({figures(work)}): set at least {needed_gb}, or leave it at auto."
        )
    return given_gb


def volume_notes(work: Workload, instance_types: Sequence[str]) -> list[str]:
    """Notes for the user on local disks whose size isn't known here."""
    needed_gb = math.ceil(needed_bytes(work) / GB)
    return [
        f"the size of the local disk of {each} isn't known here: the jobs need {needed_gb:,} GB"
        for each in dict.fromkeys(instance_types)
        if has_local_disk(each) and disk_gb(each) is None
    ]


def figures(work: Workload) -> str:
    """What the needed size consists of."""
    parts = {
        "photos": work.photo_bytes,
        "features at most": work.feature_bytes,
        "weights": work.weights_bytes,
        "packages, model and output": OTHER_BYTES,
    }
    return ", ".join(f"{name} {_size(size)}" for name, size in parts.items() if size)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / GB:,.1f} GB" if size_bytes >= GB else f"{size_bytes / 1e6:,.0f} MB"


def _check_local(instance_type: str, needed_gb: int, work: Workload) -> None:
    size = disk_gb(instance_type)
    if size is not None and size < needed_gb:
        raise ConfigError(
            f"launcher.instance_type: the local disk of {instance_type} has {size:,} GB, which "
            f"can't be changed, and the jobs need {needed_gb:,} ({figures(work)}): take a larger "
            "size of it, or a type without a local disk."
        )


@functools.cache
def _table() -> dict[str, int]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["instance_type"]: int(row["disk_gb"]) for row in csv.DictReader(file)}
