"""Automatic scaling of an endpoint by its invocations per instance and minute."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import code_of, is_existing, translate_errors
from dogbreed.cloud.aws.tags import ENDPOINT, all_tags
from dogbreed.cloud.endpoints.async_scaling import backlog_target, delete_alarm, put_policies
from dogbreed.cloud.endpoints.endpoint_requests import VARIANT
from dogbreed.configuration.deploy import ASYNC, DeployConfig

SCALING_SERVICE = "application-autoscaling"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
METRIC = "SageMakerVariantInvocationsPerInstance"
POLICY = "photos-per-minute"


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Limits of the instance count, and the target of invocations per instance and minute.

    `backlog`: the target of waiting photos per instance of an asynchronous endpoint, else None.
    """

    min_instances: int
    max_instances: int
    photos_per_minute: float
    backlog: int | None = None


def configured(config: DeployConfig) -> Scaling | None:
    """The configured scaling; None for a fixed number of instances."""
    deploy = config.deploy
    if deploy.max_instances is None:
        return None
    if deploy.kind == ASYNC:
        return Scaling(
            min_instances=0,
            max_instances=deploy.max_instances,
            photos_per_minute=0,
            backlog=deploy.backlog,
        )
    return Scaling(
        min_instances=deploy.instance_count,
        max_instances=deploy.max_instances,
        photos_per_minute=deploy.photos_per_minute,
    )


def current(client: Any, endpoint: str) -> Scaling | None:
    """The current scaling of an endpoint, None without; errors are botocore's."""
    place = _place(endpoint)
    targets = client.describe_scalable_targets(
        ServiceNamespace=place["ServiceNamespace"], ResourceIds=[place["ResourceId"]]
    )["ScalableTargets"]
    if not targets:
        return None
    policies = client.describe_scaling_policies(**place)["ScalingPolicies"]
    targets_per_minute = [
        policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"]
        for policy in policies
        if policy["PolicyName"] == POLICY
    ]
    return Scaling(
        min_instances=targets[0]["MinCapacity"],
        max_instances=targets[0]["MaxCapacity"],
        photos_per_minute=targets_per_minute[0] if targets_per_minute else 0,
        backlog=backlog_target(policies),
    )


def scale(account: Account, config: DeployConfig, scaling: Scaling) -> None:
    """Start automatic scaling of an endpoint that is in service.

    Raises:
        CloudError: AWS refuses.
    """
    client, place = account.client(SCALING_SERVICE), _place(config.endpoint)
    with translate_errors("deploy.max_instances"):
        limits = {"MinCapacity": scaling.min_instances, "MaxCapacity": scaling.max_instances}
        tags = all_tags(config.launcher, account.owner, **{ENDPOINT: config.endpoint})
        _register(client, place | limits, tags)
        if scaling.backlog is not None:
            put_policies(account, config, place, scaling.backlog)
        if not scaling.photos_per_minute:
            return
        client.put_scaling_policy(
            **place,
            PolicyName=POLICY,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": float(scaling.photos_per_minute),
                "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
            },
        )


def _register(client: Any, target: dict[str, Any], tags: dict[str, str]) -> None:
    """Register a target with its tags; an existing target accepts no tags."""
    try:
        client.register_scalable_target(**target, Tags=tags)
    except ClientError as error:
        if not is_existing(error):
            raise
        client.register_scalable_target(**target)


def replace(account: Account, config: DeployConfig, scaling: Scaling | None) -> None:
    """Have an endpoint scale as described, None: not at all.

    Raises:
        CloudError: AWS refuses.
    """
    if scaling is not None:
        scale(account, config, scaling)
        return
    with translate_errors(f"the scaling of endpoint {config.endpoint}"):
        stop_scaling(account.client(SCALING_SERVICE), config.endpoint)
        delete_alarm(account, config.endpoint)


def stop_scaling(client: Any, endpoint: str) -> None:
    """Stop automatic scaling at the current instance count; errors are botocore's."""
    try:
        client.deregister_scalable_target(
            **_place(endpoint)
        )  # also deletes its policies and alarms
    except ClientError as error:
        if code_of(error) != "ObjectNotFoundException":  # deregistered already
            raise


def scaled_endpoints(client: Any) -> list[str]:
    """The names of all scaled endpoints in the account; errors are botocore's."""
    pages = client.get_paginator("describe_scalable_targets").paginate(
        ServiceNamespace="sagemaker", ScalableDimension=DIMENSION
    )
    targets = [target["ResourceId"] for page in pages for target in page["ScalableTargets"]]
    return [target.split("/")[1] for target in targets]


def _place(endpoint: str) -> dict[str, Any]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/{VARIANT}",
        "ScalableDimension": DIMENSION,
    }
