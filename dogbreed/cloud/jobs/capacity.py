"""Where jobs run: lists of instance types, warm pools and retries, as SageMaker's fields.

SageMaker itself takes the first type of a list that has capacity: InstancePreferences of a training
job, InstanceConfigs of a tuning job. So one request starts one job, whatever is available.
"""

import re
from collections.abc import Callable
from typing import Any

from sagemaker.core.shapes import (
    HyperParameterTuningInstanceConfig,
    HyperParameterTuningResourceConfig,
    InstancePreference,
)
from sagemaker.core.training.configs import Compute

from dogbreed.cloud.aws.errors import LIMITED, code_of
from dogbreed.configuration.search import LauncherConfig
from dogbreed.errors import CloudError
from dogbreed.training.run_folder import log

# The start of a failure reason, and the rest of it without the code (endpoints).
NO_CAPACITY = ("CapacityError", "Unable to provision requested ML compute capacity")


def training_resources(
    launcher: LauncherConfig, types: tuple[str, ...], count: int, volume_gb: int
) -> dict[str, Any]:
    """The fields of the SDK's Compute with the instances of a training job."""
    resources: dict[str, Any] = {"instance_count": count, "volume_size_in_gb": volume_gb}
    if launcher.volume_kms_key:
        resources["volume_kms_key_id"] = launcher.volume_kms_key
    if launcher.keep_alive_minutes:
        resources["keep_alive_period_in_seconds"] = 60 * launcher.keep_alive_minutes
    if len(types) > 1:
        preferences = [_preference(each) for each in types]
        return {"instance_preferences": preferences, **resources}
    return {"instance_type": types[0], **resources}


def tuning_resources(compute: Compute) -> HyperParameterTuningResourceConfig | None:
    """The instances of a tuning job's trials if there is a choice of types, else None.

    A tuning job keeps its instances from trial to trial by itself and takes no warm pool.
    """
    types = types_of(compute)
    if len(types) == 1:
        return None
    sizes = {
        "instance_count": compute.instance_count,
        "volume_size_in_gb": compute.volume_size_in_gb,
    }
    key = {"volume_kms_key_id": compute.volume_kms_key_id} if compute.volume_kms_key_id else {}
    return HyperParameterTuningResourceConfig(
        allocation_strategy="Prioritized",
        instance_configs=[
            HyperParameterTuningInstanceConfig(instance_type=each, **sizes) for each in types
        ],
        **key,
    )


def types_of(compute: Compute) -> tuple[str, ...]:
    """The instance types of a trainer, the preferred one first."""
    preferences = compute.instance_preferences
    if preferences:
        return tuple(str(each.instance_type) for each in preferences)
    return (str(compute.instance_type),)


def _preference(instance_type: str) -> InstancePreference:
    # Not left out: the SDK (3.27) warns about a list that isn't assigned, and sends no None.
    return InstancePreference(instance_type=instance_type, training_plan_arns=None)


def with_types(compute: Compute, types: tuple[str, ...]) -> Compute:
    """The same instances, of other types."""
    if len(types) == 1:
        fields: dict[str, Any] = {"instance_type": types[0], "instance_preferences": None}
    else:
        preferences = [_preference(each) for each in types]
        fields = {"instance_type": None, "instance_preferences": preferences}
    return compute.model_copy(update=fields)


def start_within_quotas(
    types: tuple[str, ...], start: Callable[[tuple[str, ...]], None]
) -> tuple[str, ...]:
    """Start a job on some types, without those that the account's quota doesn't allow.

    Returns the types that it was started with.

    Raises:
        CloudError: as `start`, or the quota allows none of the types.
    """
    try:
        start(types)
        return types
    except CloudError as error:
        left = _within_quota(types, error)
        if left in ((), types):
            raise
    log.warning(
        "warning: the account's quota doesn't allow %s: the next type is used, %s",
        *(", ".join(each for each in types if each not in left), left[0]),
    )
    return start_within_quotas(left, start)


def warm_pool_lines(launcher: LauncherConfig, name: str, region: str) -> list[str]:
    """Sentences for the user on the instances that stay after a training; empty if none do."""
    if not launcher.keep_alive_minutes:
        return []
    return [
        f"after it ends, its instances stay for {launcher.keep_alive_minutes} min and are billed "
        "while idle; the next training on the same instance types, disk and role starts on them "
        "(the account needs a quota for warm pools, which is 0 at first: without it none stay)",
        f"`aws sagemaker update-training-job --training-job-name {name} --resource-config "
        f"KeepAlivePeriodInSeconds=0 --region {region}` releases them earlier",
    ]


def _within_quota(types: tuple[str, ...], error: CloudError) -> tuple[str, ...]:
    """The types that a refusal doesn't name: 'ml.g5.xlarge for training job usage' is 0."""
    if code_of(error.__cause__) not in LIMITED:
        return types
    return tuple(
        each for each in types if not re.search(rf"\b{re.escape(each)}(?![\w.])", str(error))
    )
