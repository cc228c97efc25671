"""Describe training and tuning jobs: their current state as trials with metrics and costs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sagemaker.core.resources import HyperParameterTuningJob, TrainingJob
from sagemaker.core.utils.utils import Unassigned

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.jobs.prices import PriceOf, cost, price
from dogbreed.configuration.commands import typed
from dogbreed.errors import CloudError, ConfigError
from dogbreed.search.hyperparameters import decode
from dogbreed.search.searchable import Value, searched_values
from dogbreed.search.trials import COMPLETED, FAILED, RUNNING, STOPPED, Trial


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The current state of a tuning job."""

    status: str
    reason: str
    trials: list[Trial]

    @property
    def over(self) -> bool:
        """Whether the job has ended."""
        return self.status not in ("InProgress", "Stopping")


def describe_training(account: Account, name: str, metric: str, price_of: PriceOf = price) -> Trial:
    """The current state of a training job; errors are botocore's.

    `price_of` has the prices for its costs, by default the project's table.
    """
    job = TrainingJob.get(name, session=account.session, region=account.region)
    assert job is not None
    metrics = {m.metric_name: float(m.value) for m in given(job.final_metric_data_list) or ()}
    resources = job.resource_config
    used = given(resources.selected_instance_type) or given(resources.instance_type)
    seconds = given(job.billable_time_in_seconds) or _elapsed(
        given(job.training_start_time), given(job.training_end_time)
    )
    status = _status(str(job.training_job_status))
    return Trial(
        name=name,
        status=status,
        parameters={},
        objective=metrics.get(metric),
        ci95=_interval(metrics, metric),
        started=given(job.training_start_time),
        ended=given(job.training_end_time),
        seconds=seconds,
        cost_usd=None
        if seconds is None or used is None
        else cost(str(used), seconds, resources.instance_count, price_of),
        reason=_reason_of(status, job),
    )


def describe_tuning(account: Account, name: str, price_of: PriceOf = price) -> Tuning:
    """The current state of a tuning job and its trials, as `describe_training`."""
    job = HyperParameterTuningJob.get(name, session=account.session, region=account.region)
    assert job is not None
    definition = job.training_job_definition
    trials = [
        _trial(each, *_trial_instances(definition), price_of)
        for each in job.get_all_training_jobs(session=account.session, region=account.region)
    ]
    return Tuning(
        status=str(job.hyper_parameter_tuning_job_status),
        reason=_reason(given(job.failure_reason)),
        trials=sorted(trials, key=lambda trial: trial.name),
    )


def _trial_instances(definition: Any) -> tuple[str, int]:
    """The preferred instance type of the trials, and their number of instances.

    A trial on another type of a list has the costs of its own type after `with_description`.
    """
    resources = given(definition.resource_config)
    if resources is None:
        resources = definition.hyper_parameter_tuning_resource_config.instance_configs[0]
    return str(resources.instance_type), int(resources.instance_count)


def with_description(
    account: Account, trial: Trial, metric: str, price_of: PriceOf = price
) -> Trial:
    """An ended trial with what only its own description has.

    That is the interval that its job reported, the billed costs, and the time limit that ended it.
    """
    if trial.status not in (COMPLETED, STOPPED):
        return trial
    job = describe_training(account, trial.name, metric, price_of)
    return replace(trial, ci95=job.ci95, cost_usd=job.cost_usd, reason=job.reason)


def hyperparameters_of(job: str, values: Mapping[str, Any]) -> dict[str, Value]:
    """Validate the values of a job's searched hyperparameters.

    Raises:
        CloudError: a key or a value that no search of this project has.
    """
    try:
        return searched_values(values)
    except ConfigError as error:
        raise CloudError(
            f"{job}: {error} It is no search of this project; attach one that "
            f"{typed('tune')} started."
        ) from error


def given(value: Any) -> Any:
    """A field of the SDK's resources, None if the service didn't send it."""
    return None if isinstance(value, Unassigned) else value


def _trial(summary: Any, instance_type: str, count: int, price_of: PriceOf) -> Trial:
    started, ended = given(summary.training_start_time), given(summary.training_end_time)
    seconds = _elapsed(started, ended)
    final = given(summary.final_hyper_parameter_tuning_job_objective_metric)
    tuned = given(summary.tuned_hyper_parameters) or {}
    status = _status(str(summary.training_job_status))
    return Trial(
        name=str(summary.training_job_name),
        status=status,
        parameters=hyperparameters_of(
            str(summary.training_job_name), {name: decode(text) for name, text in tuned.items()}
        ),
        objective=float(final.value) if final else None,
        started=started,
        ended=ended,
        seconds=seconds,
        cost_usd=None if seconds is None else cost(instance_type, seconds, count, price_of),
        reason=_reason(given(summary.failure_reason)) if status == FAILED else "",
    )


def _status(status: str) -> str:
    return status if status in (COMPLETED, FAILED, STOPPED) else RUNNING


def _elapsed(started: datetime | None, ended: datetime | None) -> float | None:
    return (ended - started).total_seconds() if started and ended else None


def _interval(metrics: dict[str, float], metric: str) -> tuple[float, float] | None:
    low, high = metrics.get(f"{metric}_low95"), metrics.get(f"{metric}_high95")
    return None if low is None or high is None else (low, high)


def _reason_of(status: str, job: TrainingJob) -> str:
    """The current step of a running job; of another, why it hasn't completed."""
    secondary = str(given(job.secondary_status) or "")
    if status == RUNNING:
        return secondary
    # Jobs that a time limit stopped have no failure reason: MaxRuntimeExceeded, for example.
    return _reason(given(job.failure_reason)) or ("" if secondary == status else secondary)


def _reason(reason: str | None) -> str:
    """The sentence of the failure file, without the prefix and suffix that the service adds."""
    text = (reason or "").strip()
    return text.removeprefix("AlgorithmError: ").split(", exit code:")[0]
