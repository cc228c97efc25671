"""Automatic scaling of an endpoint's instances, by the photos that each answers in a minute."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import code_of, translate_errors
from dogbreed.cloud.aws.tags import ENDPOINT, all_tags
from dogbreed.cloud.endpoints.endpoint_requests import VARIANT
from dogbreed.configuration.deploy import DeployConfig

SERVICE = "application-autoscaling"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
METRIC = "SageMakerVariantInvocationsPerInstance"
POLICY = "photos-per-minute"


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Between how many instances, and the photos a minute that one of them is to answer."""

    fewest: int
    most: int
    photos_per_minute: float


def wanted(config: DeployConfig) -> Scaling | None:
    """What the configuration asks for; None for a fixed number of instances."""
    deploy = config.deploy
    if deploy.max_instances is None:
        return None
    return Scaling(
        fewest=deploy.instance_count,
        most=deploy.max_instances,
        photos_per_minute=deploy.photos_per_minute,
    )


def current(client: Any, endpoint: str) -> Scaling | None:
    """How an endpoint scales now; errors are botocore's."""
    place = _place(endpoint)
    targets = client.describe_scalable_targets(
        ServiceNamespace=place["ServiceNamespace"], ResourceIds=[place["ResourceId"]]
    )["ScalableTargets"]
    if not targets:
        return None
    policies = client.describe_scaling_policies(**place)["ScalingPolicies"]
    aims = [
        policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"]
        for policy in policies
        if policy["PolicyName"] == POLICY
    ]
    return Scaling(
        fewest=targets[0]["MinCapacity"],
        most=targets[0]["MaxCapacity"],
        photos_per_minute=aims[0] if aims else 0,
    )


def scale(account: Account, config: DeployConfig, scaling: Scaling) -> None:
    """Have an endpoint that is in service scale from now on.

    Raises:
        CloudError: AWS refuses.
    """
    client, place = account.client(SERVICE), _place(config.endpoint)
    with translate_errors("deploy.max_instances"):
        limits = {"MinCapacity": scaling.fewest, "MaxCapacity": scaling.most}
        _register(client, place | limits, all_tags(config.launcher, **{ENDPOINT: config.endpoint}))
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
    """With its tags if it is new: those of one that is there can't be given again."""
    try:
        client.register_scalable_target(**target, Tags=tags)
    except ClientError as error:
        if "already exists" not in str(error).lower():
            raise
        client.register_scalable_target(**target)


def stop_scaling(client: Any, endpoint: str) -> None:
    """Let an endpoint have as many instances as it has; errors are botocore's."""
    try:
        client.deregister_scalable_target(**_place(endpoint))  # its policies and alarms go with it
    except ClientError as error:
        if code_of(error) != "ObjectNotFoundException":  # an answer was lost, or somebody was first
            raise


def scaled_endpoints(client: Any) -> list[str]:
    """The names of all endpoints that scale, of anybody's; errors are botocore's."""
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
