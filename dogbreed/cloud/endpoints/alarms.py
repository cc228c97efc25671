"""deploy.alarms: CloudWatch alarms of an endpoint, for people and for automatic rollback."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import is_missing, translate_errors
from dogbreed.cloud.aws.tags import ENDPOINT, PROJECT, PROJECT_TAG, as_dict, tag_list
from dogbreed.cloud.endpoints.endpoint_requests import VARIANT
from dogbreed.cloud.endpoints.lifetime import lifetime_of
from dogbreed.configuration.deploy import REALTIME, DeployConfig

ALARM_SERVICE = "cloudwatch"
# launch/iam/launcher-endpoints.json gives rights to alarms of this prefix only.
PREFIX = f"{PROJECT_TAG}-"
ERRORS, LATENCY, INSTANCES = "5xx", "latency", "instances"
# Alarms that may roll back an update. The others may fire while instances are being replaced.
OF_THE_MODEL = (ERRORS, LATENCY)
ON = "ALARM"
MAX_ERROR_SHARE = 0.05
# Two of the last three minutes: one slow photo or one failed request is no alarm.
MODEL_TIMING = {"Period": 60, "EvaluationPeriods": 3, "DatapointsToAlarm": 2}
# Members of DescribeAlarms' response with which PutMetricAlarm restores an alarm of `_requests`.
SETTINGS = (
    *("AlarmName", "AlarmDescription", "ActionsEnabled", "AlarmActions", "OKActions"),
    *("Namespace", "MetricName", "Dimensions", "Statistic", "ExtendedStatistic", "Threshold"),
    *("ComparisonOperator", "TreatMissingData", "EvaluateLowSampleCountPercentile"),
    *("Period", "EvaluationPeriods", "DatapointsToAlarm"),
)


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An alarm of this project: its name, the endpoint it watches, its tags and state."""

    name: str
    endpoint: str
    tags: dict[str, str]
    state: str


def alarm_name(endpoint: str, kind: str) -> str:
    """The name of an endpoint's alarm; `kind` is ERRORS, LATENCY or INSTANCES."""
    return f"{PREFIX}{endpoint}-{kind}"


def current_alarms(client: Any, endpoint: str) -> dict[str, dict[str, Any]]:
    """Descriptions of an endpoint's alarms by their names; errors are botocore's."""
    names = [alarm_name(endpoint, kind) for kind in (*OF_THE_MODEL, INSTANCES)]
    found = client.describe_alarms(AlarmNames=names).get("MetricAlarms", ())
    return {each["AlarmName"]: each for each in found}


def put_alarms(account: Account, config: DeployConfig) -> None:
    """Create the alarms of an endpoint or update them, and delete one that no longer fits.

    Raises:
        CloudError: AWS refuses.
    """
    client = account.client(ALARM_SERVICE)
    requests = _requests(account, config)
    with translate_errors("deploy.alarms"):
        for request in requests:
            client.put_metric_alarm(**request)
        wanted = {request["AlarmName"] for request in requests}
        left = current_alarms(client, config.endpoint).keys() - wanted
        if left:
            client.delete_alarms(AlarmNames=sorted(left))


def restore_alarms(
    account: Account, config: DeployConfig, before: dict[str, dict[str, Any]]
) -> None:
    """Have an endpoint's alarms as they were `before` (`current_alarms`); errors are botocore's."""
    client = account.client(ALARM_SERVICE)
    for each in before.values():
        settings = {name: each[name] for name in SETTINGS if name in each}
        client.put_metric_alarm(**settings, Tags=_tags(account, config))
    added = current_alarms(client, config.endpoint).keys() - before.keys()
    if added:
        client.delete_alarms(AlarmNames=sorted(added))


def rollback_alarms(alarms: dict[str, dict[str, Any]], endpoint: str) -> tuple[list[str], str]:
    """The alarms that may roll back an update, and a note on those that are left out.

    An alarm that is on already would roll back every update, also the one that repairs the
    endpoint. Source: SageMaker's developer guide, "Auto-Rollback Configuration and Monitoring".
    """
    names = [alarm_name(endpoint, kind) for kind in OF_THE_MODEL]
    present = [name for name in names if name in alarms]
    on = [name for name in present if alarms[name].get("StateValue") == ON]
    note = f"{', '.join(on)} is on before the update, and can't roll it back" if on else ""
    return [name for name in present if name not in on], note


def all_alarms(client: Any) -> Iterator[Alarm]:
    """All alarms of this project, by name and tag; errors are botocore's."""
    pages = client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=PREFIX)
    for each in [alarm for page in pages for alarm in page.get("MetricAlarms", ())]:
        try:
            tags = as_dict(client.list_tags_for_resource(ResourceARN=each["AlarmArn"])["Tags"])
        except ClientError as error:
            if not is_missing(error):
                raise
            continue  # somebody has deleted it since the listing
        if tags.get(PROJECT) == PROJECT_TAG:
            yield Alarm(
                name=each["AlarmName"],
                endpoint=tags.get(ENDPOINT, ""),
                tags=tags,
                state=each["StateValue"],
            )


def delete_alarms(client: Any, names: Sequence[str]) -> None:
    """Delete alarms; errors are botocore's."""
    client.delete_alarms(AlarmNames=list(names))


def _requests(account: Account, config: DeployConfig) -> list[dict[str, Any]]:
    """The arguments of PutMetricAlarm for each alarm."""
    deploy, endpoint = config.deploy, config.endpoint
    # Sources: SageMaker's developer guide, "Amazon SageMaker AI metrics in Amazon CloudWatch": the
    # average of Invocation5XXErrors is the share of requests, ModelLatency is in microseconds.
    errors = {
        "AlarmDescription": f"more than {MAX_ERROR_SHARE:.0%} of the requests fail",
        **_metric("AWS/SageMaker", "Invocation5XXErrors"),
        "Statistic": "Average",
        "Threshold": MAX_ERROR_SHARE,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",  # nobody queries it
    }
    latency = {
        "AlarmDescription": f"a tenth of the requests take over {deploy.alarm_latency_ms} ms",
        **_metric("AWS/SageMaker", "ModelLatency"),
        "ExtendedStatistic": "p90",
        "Threshold": 1000.0 * deploy.alarm_latency_ms,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    # Every instance reports its processor each minute, also without requests. A serverless endpoint
    # has no instances, one that scales to zero or that a schedule deletes has none for a reason.
    instances = {
        "AlarmDescription": "no instance reports",
        **_metric("/aws/sagemaker/Endpoints", "CPUUtilization"),
        "Statistic": "SampleCount",
        "Threshold": 1.0,
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "breaching",
        "Period": 60,
        "EvaluationPeriods": 5,
        "DatapointsToAlarm": 5,
    }
    alarms = {ERRORS: errors, LATENCY: latency}
    if deploy.kind == REALTIME and lifetime_of(deploy) is None:
        alarms[INSTANCES] = instances
    topic = [deploy.alarm_topic] if deploy.alarm_topic else []
    return [
        {
            "AlarmName": alarm_name(endpoint, kind),
            **MODEL_TIMING,
            **alarm,
            "Dimensions": [
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": VARIANT},
            ],
            "AlarmActions": list(topic),
            "OKActions": list(topic),
            "Tags": _tags(account, config),
        }
        for kind, alarm in alarms.items()
    ]


def _metric(namespace: str, name: str) -> dict[str, str]:
    return {"Namespace": namespace, "MetricName": name}


def _tags(account: Account, config: DeployConfig) -> list[dict[str, str]]:
    return tag_list(config.launcher, account.owner, **{ENDPOINT: config.endpoint})
