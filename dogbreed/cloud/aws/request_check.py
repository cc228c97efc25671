"""Validate every request against the service model before it is sent; errors name our key."""

import difflib
import re
from typing import Any

from dogbreed.cloud.aws.service_model import Problem, problems
from dogbreed.errors import ConfigError

# botocore's names of the services whose requests are checked.
CHECKED = ("sagemaker", "application-autoscaling", "scheduler", "cloudwatch", "sagemaker-runtime")
MAX_SHOWN = 100  # characters of a value
MAX_LISTED = 3  # problems of a request, and suggestions for a value
NAME_PATTERN = re.compile(r"pattern: \[a-zA-Z0-9\]\(-\*\[a-zA-Z0-9\]\)\{0,\d+\}$")

# The configuration key that sets a member, by the member's path in the request; the first match
# counts. `deploy.` keys belong to the operations that launch/deploy.py sends.
_DEPLOYS = r"^(CreateModel|CreateEndpoint|UpdateEndpoint|CreateTransform)\w*: .*"
_KEYS = (
    (r"hyperParameters\.(?!sagemaker_|job\.)(.+)\.member$", r"\1"),
    (
        r"^Create(HyperParameterTuning|Training)Job: .*(?i:environment)(\.|$)",
        "launcher.environment",
    ),
    (r"(?i)tags(\.|$)", "launcher.tags"),
    (r"^CreateSchedule: target\.roleArn", "deploy.ttl_role"),
    (r"executionRoleArn$", "deploy.role"),
    (r"(?i)roleArn$", "launcher.role"),
    (
        r"^(CreateEndpointConfig: kmsKeyId|CreateTransform.*volumeKmsKeyId)$",
        "deploy.volume_kms_key",
    ),
    (r"volumeKmsKeyId$", "launcher.volume_kms_key"),
    (r"(?i)kmsKeyId$", "launcher.output_kms_key"),
    (r"vpcConfig\.subnets", "launcher.subnets"),
    (r"vpcConfig\.securityGroupIds", "launcher.security_groups"),
    (r"trainingImage$", "launcher.image_uri"),
    (r"\.image$", "deploy.image_uri"),
    (_DEPLOYS + r"nstanceType$", "deploy.instance_type"),
    (_DEPLOYS + r"nstanceCount$", "deploy.instance_count"),
    (r"instanceType$", "launcher.instance_type"),
    (r"instanceCount$", "launcher.instance_count"),
    (r"volumeSizeInGB$", "launcher.volume_gb"),
    (r"maxRuntimeInSeconds$", "launcher.max_run_minutes"),
    (r"maxWaitTimeInSeconds$", "launcher.max_wait_minutes"),
    (r"memorySizeInMB$", "deploy.memory_mb"),
    (r"(?i)maxConcurren", "deploy.concurrency"),
    (r"maxPayloadInMB$", "deploy.max_photo_mb"),
    (r"initialSamplingPercentage$", "deploy.capture_percent"),
    (r"modelPackageGroupName$", "deploy.register"),
    (r"modelPackageDescription$", "model"),
    (r"targetValue$", "deploy.photos_per_minute"),
    (r"alarmActions|oKActions", "deploy.alarm_topic"),
    (r"(min|max)Capacity$", "deploy.max_instances"),
    (r"transformInput\..*s3Uri$", "deploy.photos"),
    (r"(?i)(s3Uri|s3OutputPath|modelDataUrl)$", "launcher.prefix"),
    (r"parentHyperParameterTuningJobs", "search.warm_start"),
    (r"^Create(HyperParameterTuning|Training)Job: \w*JobName$", "search.name"),
    (r"^Describe(HyperParameterTuning|Training)Job: \w*JobName$", "attach"),
    (r"(endpointName|endpointConfigName|modelName|transformJobName|resourceId|name)$", "endpoint"),
    (r"alarmName$", "endpoint"),
)


def check_request(params: dict[str, Any], model: Any, **more: Any) -> None:
    """Handler of botocore's event provide-client-params: validate a request before it is sent.

    Raises:
        ConfigError: names the invalid values and the configuration keys that set them.
    """
    found = problems(model.service_model.service_name, model.name, params)
    if found:
        raise ConfigError(
            "; ".join(_sentence(model.name, each) for each in found[:MAX_LISTED]) + "."
        )


def _sentence(operation: str, problem: Problem) -> str:
    place = f"{operation}: {problem.place}"
    found = ((re.search(pattern, place), key) for pattern, key in _KEYS)
    key = next((match.expand(key) for match, key in found if match), None)
    value = str(problem.value)
    if len(value) > MAX_SHOWN:
        value = f"{value[:MAX_SHOWN]}..."
    start = f"{key}: " if key else ""
    return f"{start}AWS would refuse {value!r} ({place}): it must {_rule(problem)}"


def _rule(problem: Problem) -> str:
    if NAME_PATTERN.search(problem.rule):
        return "consist of letters, digits and hyphens between them"
    if not problem.choices:
        return problem.rule
    near = difflib.get_close_matches(str(problem.value), problem.choices, n=MAX_LISTED)
    if len(problem.choices) <= 2 * MAX_LISTED:
        near = list(problem.choices)
    listed = f", such as {', '.join(near)}" if near else ""
    return f"be one of its {len(problem.choices)} values{listed}"
