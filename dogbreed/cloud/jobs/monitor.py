"""Jobs looked at while they run: their trials, waiting with patience, and naming what is left."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sagemaker.core.resources import HyperParameterTuningJob, TrainingJob
from sagemaker.core.utils.utils import Unassigned

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.aws.polling import looks
from dogbreed.cloud.jobs.costs import cost
from dogbreed.configuration.search import DIRECTIONS, SearchConfig
from dogbreed.errors import CloudError, ConfigError, Stopped
from dogbreed.evaluation.metrics.registry import objectives
from dogbreed.search.hyperparameters import decode
from dogbreed.search.searchable import Value, searched_values
from dogbreed.search.space import FLOAT, INT, Choice, Numbers, Range, Space
from dogbreed.search.trials import COMPLETED, FAILED, RUNNING, STOPPED, Show, Trial
from dogbreed.utils.printable import printable


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A tuning job as it is now."""

    status: str
    reason: str
    trials: list[Trial]

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status not in ("InProgress", "Stopping")


def wait_for_training(account: Account, name: str, metric: str, show: Show) -> Trial:
    """Wait until a training job has ended, well or not; `show` is called with it as it goes on.

    Raises:
        CloudError: AWS refuses, or can't be reached for long.
        Stopped: Ctrl-C; the message names what still runs.
    """
    return _wait(account, name, metric, show, f"attach={name} takes it up again")


def wait_for_extraction(account: Account, name: str, show: Show) -> None:
    """Wait until the job that extracts features has ended well.

    Raises:
        CloudError: as `wait_for_training` and `check_completed`.
        Stopped: as `wait_for_training`.
    """
    check_completed(_wait(account, name, "", show, "the same command takes it up again"))


def check_completed(trial: Trial) -> None:
    """Raise a CloudError, with its reason, for a job that failed or was stopped."""
    if trial.status != COMPLETED:
        raise CloudError(f"{trial.name}: {trial.status}. {trial.reason}".strip())


def _wait(account: Account, name: str, metric: str, show: Show, again: str) -> Trial:
    with _left_running(account, name, "training", again):
        for trial in looks(lambda: look_at_training(account, name, metric)):
            show([trial])
            if trial.over:
                break
    return trial


def look_at_training(account: Account, name: str, metric: str) -> Trial:
    """A training job as it is now."""
    job = TrainingJob.get(name, session=account.session, region=account.region)
    assert job is not None
    metrics = {m.metric_name: float(m.value) for m in _given(job.final_metric_data_list) or ()}
    resources = job.resource_config
    seconds = _given(job.billable_time_in_seconds) or _elapsed(
        _given(job.training_start_time), _given(job.training_end_time)
    )
    status = _status(str(job.training_job_status))
    return Trial(
        name=name,
        status=status,
        parameters={},
        objective=metrics.get(metric),
        ci95=_interval(metrics, metric),
        started=_given(job.training_start_time),
        ended=_given(job.training_end_time),
        seconds=seconds,
        cost_usd=cost(resources.instance_type, seconds, resources.instance_count)
        if seconds is not None
        else None,
        reason=str(_given(job.secondary_status) or "")
        if status == RUNNING
        else _reason(_given(job.failure_reason)),
    )


def wait_for_tuning(account: Account, name: str, metric: str, show: Show) -> Tuning:
    """Wait until a tuning job has ended; what came of it, each trial with its interval.

    Raises:
        CloudError: AWS refuses, or can't be reached for long.
        Stopped: Ctrl-C; the message names what still runs.
    """
    again = f"attach={name} takes it up again"
    with _left_running(account, name, "hyper-parameter-tuning", again):
        for tuning in looks(lambda: _look_at_tuning(account, name)):
            show(tuning.trials)
            if tuning.over:
                break
    with translate_errors(f"looking at the trials of {name}"):
        trials = [_with_interval(account, trial, metric) for trial in tuning.trials]
    return replace(tuning, trials=trials)


def searched_by(account: Account, name: str, search: SearchConfig) -> tuple[SearchConfig, Space]:
    """What a tuning job searches, in place of what the configuration says now.

    Raises:
        CloudError: AWS refuses, or it is no search of this project's.
    """
    with translate_errors(f"looking at {name}"):
        job = HyperParameterTuningJob.get(name, session=account.session, region=account.region)
    assert job is not None
    config = job.hyper_parameter_tuning_job_config
    objective = config.hyper_parameter_tuning_job_objective
    limits, ranges = config.resource_limits, config.parameter_ranges
    space: dict[str, Range] = {}
    for kind, own in (
        (FLOAT, ranges.continuous_parameter_ranges),
        (INT, ranges.integer_parameter_ranges),
    ):
        for each in _given(own) or ():
            log_scale = _given(each.scaling_type) == "Logarithmic"
            space[each.name] = Numbers(
                kind, float(each.min_value), float(each.max_value), log_scale
            )
    for each in _given(ranges.categorical_parameter_ranges) or ():
        space[each.name] = Choice(tuple(decode(text) for text in each.values))
    known = replace(
        search,
        name=name,
        objective=str(objective.metric_name),
        direction=str(objective.type).lower(),
        trials=int(limits.max_number_of_training_jobs),
    )
    if known.objective not in objectives() or known.direction not in DIRECTIONS:
        raise CloudError(
            f"{name} searches for the {known.direction} of {printable(known.objective)}: it is no "
            "search of this project's; attach one that launch/tune.py started."
        )
    _check_ranges(name, space)
    return known, space


def _check_ranges(job: str, space: Space) -> None:
    """Make sure that a tuning job, which may be somebody else's, searches what a search may."""
    for name, each in space.items():
        for value in each.values if isinstance(each, Choice) else (each.low, each.high):
            _searched(job, {name: value})


def _searched(job: str, values: Mapping[str, Any]) -> dict[str, Value]:
    """The values that a job of the account was given for its searched keys."""
    try:
        return searched_values(values)
    except ConfigError as error:
        raise CloudError(
            f"{job}: {error} It is no search of this project's; attach one that launch/tune.py "
            "started."
        ) from error


def _look_at_tuning(account: Account, name: str) -> Tuning:
    job = HyperParameterTuningJob.get(name, session=account.session, region=account.region)
    assert job is not None
    definition = job.training_job_definition
    resources = definition.resource_config
    trials = [
        _trial(each, str(resources.instance_type), int(resources.instance_count))
        for each in job.get_all_training_jobs(session=account.session, region=account.region)
    ]
    return Tuning(
        status=str(job.hyper_parameter_tuning_job_status),
        reason=_reason(_given(job.failure_reason)),
        trials=sorted(trials, key=lambda trial: trial.name),
    )


def _trial(summary: Any, instance_type: str, instance_count: int) -> Trial:
    started, ended = _given(summary.training_start_time), _given(summary.training_end_time)
    seconds = _elapsed(started, ended)
    final = _given(summary.final_hyper_parameter_tuning_job_objective_metric)
    tuned = _given(summary.tuned_hyper_parameters) or {}
    status = _status(str(summary.training_job_status))
    return Trial(
        name=str(summary.training_job_name),
        status=status,
        parameters=_searched(
            str(summary.training_job_name), {name: decode(text) for name, text in tuned.items()}
        ),
        objective=float(final.value) if final else None,
        started=started,
        ended=ended,
        seconds=seconds,
        cost_usd=None if seconds is None else cost(instance_type, seconds, instance_count),
        reason=_reason(_given(summary.failure_reason)) if status == FAILED else "",
    )


def _with_interval(account: Account, trial: Trial, metric: str) -> Trial:
    """The trial with the interval that its job told, and what was billed."""
    if trial.status != COMPLETED:
        return trial
    told = look_at_training(account, trial.name, metric)
    return replace(trial, ci95=told.ci95, cost_usd=told.cost_usd)


@contextmanager
def _left_running(account: Account, name: str, kind: str, again: str) -> Iterator[None]:
    """Name what still runs in whatever ends the block early."""
    left = (
        f"{name} still runs and costs: {again}, `aws sagemaker "
        f"stop-{kind}-job --{kind}-job-name {name} --region {account.region}` stops it."
    )
    try:
        with translate_errors(f"waiting for {name}"):
            yield
    except Stopped as stopped:
        raise Stopped(f"no longer waiting: {left}", stopped.exit_code - 128) from stopped
    except CloudError as error:
        raise CloudError(f"{error} {left}") from error


def _given(value: Any) -> Any:
    """A field of the SDK's, None where the service didn't send it."""
    return None if isinstance(value, Unassigned) else value


def _status(status: str) -> str:
    return status if status in (COMPLETED, FAILED, STOPPED) else RUNNING


def _elapsed(started: datetime | None, ended: datetime | None) -> float | None:
    return (ended - started).total_seconds() if started and ended else None


def _interval(metrics: dict[str, float], metric: str) -> tuple[float, float] | None:
    low, high = metrics.get(f"{metric}_low95"), metrics.get(f"{metric}_high95")
    return None if low is None or high is None else (low, high)


def _reason(reason: str | None) -> str:
    """The sentence of the failure file, without what the service puts before it."""
    text = (reason or "").strip()
    return text.removeprefix("AlgorithmError: ").split(", exit code:")[0]
