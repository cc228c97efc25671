"""SageMaker Debugger around an emulated training job: its hook's files, and its rules' statuses.

As the service documents them: the fields of the request, where the hook finds its configuration,
where its files go, the words for a status. Made up: no rule looks at anything. Each is InProgress
while its job runs and NoIssuesFound from the job's end on (in the service a rule has a job of its
own, which ends some minutes later), unless a test says otherwise in `TrainingJob.findings`. And how
an account is refused that never used Debugger: that it is, is documented, in which words isn't.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from contract.instance import Instance
from contract.storage import files_of, upload

FIELDS = (
    "DebugHookConfig",
    "DebugRuleConfigurations",
    "ProfilerConfig",
    "ProfilerRuleConfigurations",
)
RULES = {
    "DebugRuleConfigurations": "DebugRuleEvaluationStatuses",
    "ProfilerRuleConfigurations": "ProfilerRuleEvaluationStatuses",
}
MAX_RULES = 20
TENSORS = "/opt/ml/output/tensors"
# The note that stands above the developer guide's pages on Debugger.
CLOSED = "Amazon SageMaker Debugger is no longer open to new customers."


def debugger_problems(request: Mapping[str, Any], is_open: bool) -> Iterator[str]:
    """The service's error for the Debugger of a request."""
    if not is_open and any(field in request for field in FIELDS):
        yield CLOSED
    names = [rule["RuleConfigurationName"] for field in RULES for rule in request.get(field, [])]
    if len(names) > MAX_RULES:
        yield f"A training job can't have more than {MAX_RULES} rules."
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        yield f"Names of rule configurations must be unique: {', '.join(repeated)}."


def rule_statuses(
    request: Mapping[str, Any], *, ended: bool, findings: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """The rules in DescribeTrainingJob's response."""
    return {
        status_field: [
            _status(rule["RuleConfigurationName"], ended, findings, now) for rule in rules
        ]
        for field, status_field in RULES.items()
        if (rules := request.get(field))
    }


def _status(name: str, ended: bool, findings: Mapping[str, str], now: datetime) -> dict[str, Any]:
    status = findings.get(name, "NoIssuesFound") if ended else "InProgress"
    answer = {
        "RuleConfigurationName": name,
        "RuleEvaluationStatus": status,
        "LastModifiedTime": now,
    }
    if status == "IssuesFound":
        met = f"Evaluation of the rule {name} at step 30 resulted in the condition being met\n"
        answer["StatusDetails"] = f"RuleEvaluationConditionMet: {met}"
    return answer


def configure_hook(instance: Instance, request: Mapping[str, Any]) -> None:
    """Write what smdebug's hook reads."""
    if hook := request.get("DebugHookConfig"):
        local = instance.local(hook.get("LocalPath", TENSORS))
        instance.configure(debughookconfig={**hook, "LocalPath": str(local)})


def keep_tensors(s3: Any, instance: Instance, request: Mapping[str, Any]) -> None:
    """Upload what the hook has written. The service does it while the job runs."""
    if hook := request.get("DebugHookConfig"):
        place = f"{hook['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/debug-output"
        for name, file in files_of([instance.local(hook.get("LocalPath", TENSORS))]).items():
            upload(s3, file, f"{place}/{name}")
