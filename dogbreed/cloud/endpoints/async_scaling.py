"""deploy=async: scaling of an endpoint from zero instances by its backlog, and back to zero."""

from typing import Any

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.tags import ENDPOINT, PROJECT_TAG, tag_list
from dogbreed.configuration.deploy import DeployConfig

BACKLOG_POLICY, WAKE_POLICY = "waiting-photos", "first-instance"
# Source of metrics, statistics, periods and cooldowns: SageMaker's developer guide, "Autoscale an
# asynchronous endpoint".
NAMESPACE = "AWS/SageMaker"
BACKLOG, NO_CAPACITY = "ApproximateBacklogSizePerInstance", "HasBacklogWithoutCapacity"
SCALE_IN_S, SCALE_OUT_S = 600, 300
ALARM_SERVICE = "cloudwatch"
# Shown in a dry run, where no policy is created.
EXAMPLE_POLICY = "arn:aws:autoscaling:REGION:ACCOUNT:scalingPolicy:ID"


def alarm_name(endpoint: str) -> str:
    """The name of the alarm that starts the first instance."""
    return f"{PROJECT_TAG}-{endpoint}-backlog"


def put_policies(
    account: Account, config: DeployConfig, place: dict[str, Any], target: int
) -> None:
    """Scale a registered endpoint by its backlog; errors are botocore's.

    A backlog per instance can't be computed without an instance, so a second policy starts the
    first one: an alarm calls it when photos wait and there is none.
    """
    client = account.client("application-autoscaling")
    client.put_scaling_policy(
        **place,
        PolicyName=BACKLOG_POLICY,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": float(target),
            "CustomizedMetricSpecification": {
                "MetricName": BACKLOG,
                "Namespace": NAMESPACE,
                "Dimensions": _dimensions(config),
                "Statistic": "Average",
            },
            "ScaleInCooldown": SCALE_IN_S,
            "ScaleOutCooldown": SCALE_OUT_S,
        },
    )
    policy = client.put_scaling_policy(
        **place,
        PolicyName=WAKE_POLICY,
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Average",
            "Cooldown": SCALE_OUT_S,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )
    _put_alarm(account, config, policy.get("PolicyARN", EXAMPLE_POLICY))


def _put_alarm(account: Account, config: DeployConfig, policy_arn: str) -> None:
    """Call the policy when photos have waited for two minutes without an instance."""
    account.client(ALARM_SERVICE).put_metric_alarm(
        AlarmName=alarm_name(config.endpoint),
        AlarmDescription="photos wait, and the endpoint has no instance",
        AlarmActions=[policy_arn],
        Namespace=NAMESPACE,
        MetricName=NO_CAPACITY,
        Dimensions=_dimensions(config),
        Statistic="Average",
        Period=60,
        EvaluationPeriods=2,
        DatapointsToAlarm=2,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="missing",
        Tags=tag_list(config.launcher, account.owner, **{ENDPOINT: config.endpoint}),
    )


def _dimensions(config: DeployConfig) -> list[dict[str, str]]:
    return [{"Name": "EndpointName", "Value": config.endpoint}]


def backlog_target(policies: list[dict[str, Any]]) -> int | None:
    """The target of the policy of `put_policies` among an endpoint's; None without."""
    for policy in policies:
        if policy["PolicyName"] == BACKLOG_POLICY:
            return int(policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"])
    return None


def delete_alarm(account: Account, endpoint: str) -> None:
    """Delete the alarm if there is one; the policies go with the scaling. Errors are botocore's."""
    client, names = account.client(ALARM_SERVICE), [alarm_name(endpoint)]
    if client.describe_alarms(AlarmNames=names).get("MetricAlarms"):
        client.delete_alarms(AlarmNames=names)
