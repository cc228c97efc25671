"""cloud_debugger=true: AWS's own Debugger beside a training job, and what its rules say of it.

It is closed to new customers since 2026-07-30. What our own debugger finds is in the report anyway.
"""

from dataclasses import replace
from typing import Any

from sagemaker.core import shapes
from sagemaker.core.debugger import (
    ProfilerRule,
    Rule,
    get_rule_container_image_uri,
    rule_configs,
)
from sagemaker.core.resources import TrainingJob
from sagemaker.core.utils.utils import Unassigned

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.configuration.search import FinalConfig
from dogbreed.errors import CloudError, ConfigError

LOSSES = "losses"  # the hook's name for the collection that ours are written into
# In steps. AWS's default of 500 is more than many a training of a head has.
SAVE_INTERVALS = {"train.save_interval": "10", "eval.save_interval": "1"}
PROFILE_EVERY_MS = 500

# AWS's rules that need nothing but losses, by their names in the SDK, and what they are told.
# Stalled training is left out: features are computed before the first loss, which may take longer
# than its half hour. Source: the developer guide's list of built-in rules.
RULES = {
    # It looks at validation first if it isn't told otherwise, where steps are few.
    "loss_not_decreasing": {"collection_names": LOSSES, "mode": "TRAIN", "num_steps": "100"},
    "overfit": {},
    # The usual 5 and 10 losses without a better one are reached by chance alone.
    "overtraining": {"patience_train": "100", "patience_validation": "15"},
}

STATUS_WORDS = {
    "NoIssuesFound": "no issues found",
    "IssuesFound": "issues found",
    "InProgress": "still looking",
    "Error": "could not be evaluated",
    "Stopping": "was stopped",
    "Stopped": "was stopped",
}


def with_hook(config: FinalConfig) -> FinalConfig:
    """The configuration of a training that AWS's rules have something to look at in.

    Raises:
        ConfigError: nothing is recorded of this training.
    """
    if not config.cloud_debugger:
        return config
    if not config.debug.enabled:
        raise ConfigError(
            "cloud_debugger=true: AWS's rules look at the losses that the debugger records: leave "
            "it out, or set debug.enabled=true."
        )
    return replace(config, debug=replace(config.debug, smdebug=True))


def rules_image(region: str) -> str:
    """The container that AWS's rules run in.

    Raises:
        CloudError: AWS has no Debugger in this region.
    """
    try:
        return str(get_rule_container_image_uri(None, region))
    except ValueError as error:
        raise CloudError(
            f"AWS has no Debugger in region {region}: set cloud_debugger=false, the default. The "
            "report says the same without it."
        ) from error


def debugger_request(image_uri: str, output_uri: str) -> dict[str, Any]:
    """The arguments of the SDK's TrainingJob.create that ask for rules and for the profiler.

    Their files end up below the job's folder: debug-output, profiler-output, rule-output.
    """
    losses = shapes.CollectionConfiguration(
        collection_name=LOSSES, collection_parameters=SAVE_INTERVALS
    )
    rules = [
        Rule.sagemaker(getattr(rule_configs, name)(), rule_parameters=parameters)
        for name, parameters in RULES.items()
    ]
    return {
        "debug_hook_config": shapes.DebugHookConfig(
            s3_output_path=output_uri, collection_configurations=[losses]
        ),
        "debug_rule_configurations": [
            shapes.DebugRuleConfiguration(**_rule(rule, image_uri)) for rule in rules
        ],
        "profiler_config": shapes.ProfilerConfig(
            s3_output_path=output_uri, profiling_interval_in_milliseconds=PROFILE_EVERY_MS
        ),
        "profiler_rule_configurations": [
            shapes.ProfilerRuleConfiguration(
                **_rule(ProfilerRule.sagemaker(rule_configs.ProfilerReport()), image_uri)
            )
        ],
    }


def rule_lines(account: Account, name: str) -> list[str]:
    """What AWS's rules say of a training job, a line each; none if it was started without any.

    Raises:
        CloudError: AWS refuses, or can't be reached.
    """
    with translate_errors(f"looking at {name}"):
        job = TrainingJob.get(name, session=account.session, region=account.region)
    assert job is not None
    found = (job.debug_rule_evaluation_statuses, job.profiler_rule_evaluation_statuses)
    lines = [_line(rule) for rules in found if not isinstance(rules, Unassigned) for rule in rules]
    if any(STATUS_WORDS["InProgress"] in line for line in lines):
        lines.append(f"  (attach={name} shows later what they have found)")
    return ["AWS's own rules:", *lines] if lines else []


def _line(rule: Any) -> str:
    status, details = str(rule.rule_evaluation_status), rule.status_details
    more = "" if isinstance(details, Unassigned) else f" ({' '.join(str(details).split())})"
    return f"  {rule.rule_configuration_name}: {STATUS_WORDS.get(status, status)}{more}"


def _rule(rule: Any, image_uri: str) -> dict[str, Any]:
    """A rule of the SDK's as the fields of its shape. AWS's own rules run at no cost."""
    return {
        "rule_configuration_name": rule.name,
        "rule_evaluator_image": image_uri,
        "rule_parameters": rule.rule_parameters,
    }
