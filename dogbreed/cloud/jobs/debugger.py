"""cloud_debugger=true: SageMaker Debugger rules and profiler for a training job.

SageMaker Debugger is closed to new customers since 2026-07-30. The report has the findings of this
project's debugger in any case.
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

LOSSES = "losses"  # smdebug's collection that the losses are recorded in
# In steps. AWS's default, 500, is more than the training of a head often has.
SAVE_INTERVALS = {"train.save_interval": "10", "eval.save_interval": "1"}
PROFILE_EVERY_MS = 500

# Built-in rules that need only losses, by their SDK names, with parameters. StalledTraining is left
# out: computing the features before the first loss may take longer than its half hour.
# Source: the developer guide's list of built-in rules.
RULES = {
    # Its default mode is validation, which has few steps.
    "loss_not_decreasing": {"collection_names": LOSSES, "mode": "TRAIN", "num_steps": "100"},
    "overfit": {},
    # The defaults, 5 and 10 losses without an improvement, occur by chance.
    "overtraining": {"patience_train": "100", "patience_validation": "15"},
}

STATUS_WORDS = {
    "NoIssuesFound": "no issues found",
    "IssuesFound": "issues found",
    "InProgress": "still evaluating",
    "Error": "could not be evaluated",
    "Stopping": "was stopped",
    "Stopped": "was stopped",
}


def with_hook(config: FinalConfig) -> FinalConfig:
    """The configuration with debug.smdebug=true, which records the losses for the rules.

    Raises:
        ConfigError: debug.enabled=false, so nothing is recorded.
    """
    if not config.cloud_debugger:
        return config
    if not config.debug.enabled:
        raise ConfigError(
            "cloud_debugger=true evaluates the losses that the debugger records: leave it out, or "
            "set debug.enabled=true."
        )
    return replace(config, debug=replace(config.debug, smdebug=True))


def rules_image(region: str) -> str:
    """The image URI of the built-in rules.

    Raises:
        CloudError: SageMaker Debugger isn't available in this region.
    """
    try:
        return str(get_rule_container_image_uri(None, region))
    except ValueError as error:
        raise CloudError(
            f"SageMaker Debugger isn't available in region {region}: set cloud_debugger=false, the "
            "default. The report has the same findings."
        ) from error


def debugger_request(image_uri: str, output_uri: str) -> dict[str, Any]:
    """The arguments of the SDK's TrainingJob.create for rules and profiler.

    Their output is in the job's output folder: debug-output, profiler-output, rule-output.
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
    """The results of the rules of a training job, a line each; empty if it has no rules.

    Raises:
        CloudError: AWS refuses, or can't be reached.
    """
    with translate_errors(f"reading {name}"):
        job = TrainingJob.get(name, session=account.session, region=account.region)
    assert job is not None
    found = (job.debug_rule_evaluation_statuses, job.profiler_rule_evaluation_statuses)
    lines = [_line(rule) for rules in found if not isinstance(rules, Unassigned) for rule in rules]
    if any(STATUS_WORDS["InProgress"] in line for line in lines):
        lines.append(f"  (attach={name} shows their results later)")
    return ["SageMaker Debugger rules:", *lines] if lines else []


def _line(rule: Any) -> str:
    status, details = str(rule.rule_evaluation_status), rule.status_details
    more = "" if isinstance(details, Unassigned) else f" ({' '.join(str(details).split())})"
    return f"  {rule.rule_configuration_name}: {STATUS_WORDS.get(status, status)}{more}"


def _rule(rule: Any, image_uri: str) -> dict[str, Any]:
    """A rule of the SDK as the fields of its shape. Built-in rules are free of charge."""
    return {
        "rule_configuration_name": rule.name,
        "rule_evaluator_image": image_uri,
        "rule_parameters": rule.rule_parameters,
    }
