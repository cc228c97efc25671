"""Tuning jobs of the emulated account: which values they try, how many at once, which was best."""

import itertools
import math
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from contract.training_jobs import ENDED, TrainingJob

POLL_S = 0.05
MAX_JOBS = 750  # the service's limit, where a request gives none
HOPELESS = 5  # failures without a success, and the service gives up
FAILURE = (
    "No training job succeeded after {} attempts. "
    "Please take a look at the training job failures to get more details."
)


class TuningJob:
    """The description in DescribeHyperParameterTuningJob; runs in a thread of its own.

    `launch` starts a training job from a request. `earlier` are the trials of the tuning jobs that
    this one starts from. `tags` and `arn` have the names that moto looks for.
    """

    def __init__(
        self,
        request: dict[str, Any],
        arn: str,
        launch: Callable[[dict[str, Any], str], TrainingJob],
        earlier: list["Trial"],
    ) -> None:
        self.request = {key: value for key, value in request.items() if key != "Tags"}
        self.tags: list[dict[str, str]] = list(request.get("Tags") or [])
        self.name: str = request["HyperParameterTuningJobName"]
        self.arn, self.earlier = arn, earlier
        self.status, self.failure = "InProgress", ""
        self.trials: list[Trial] = []
        self.created = self.modified = datetime.now(UTC)
        self.stop_asked, self.done = threading.Event(), threading.Event()
        self._launch = launch
        self._config = request["HyperParameterTuningJobConfig"]
        self._objective = self._config.get("HyperParameterTuningJobObjective", {})
        self._lock = threading.RLock()

    @property
    def is_minimised(self) -> bool:
        return bool(self._objective.get("Type") == "Minimize")

    def stop(self) -> bool:
        """Stop soon, with all training jobs; False if it has ended or is about to stop."""
        with self._lock:
            if self.status != "InProgress":
                return False
            self._change("Stopping")
            self.stop_asked.set()
            return True

    def __call__(self) -> None:
        draws = draw(self._config, self.name)
        limits = self._config["ResourceLimits"]
        while not self.stop_asked.is_set():
            running = [trial for trial in self.trials if not trial.job.done.is_set()]
            if self._is_hopeless():
                self.failure = FAILURE.format(HOPELESS)
            if self.failure or self._has_reached_its_target():
                break
            values = None
            if len(running) < limits["MaxParallelTrainingJobs"]:
                values = next(draws, None)
            if values is not None:
                self._try(values)
            elif not running:
                break
            else:
                time.sleep(POLL_S)
        for trial in self.trials:
            trial.job.stop()
        for trial in self.trials:
            trial.job.done.wait()
        self._finish()

    def _try(self, values: dict[str, str]) -> None:
        number = len(self.trials) + 1
        name = f"{self.name}-{number:03}-{uuid.uuid4().hex[:8]}"
        request = child_request(self.request, name, values, self.tags)
        metric = self._objective.get("MetricName", "")
        trial = Trial(self._launch(request, self.arn), self.name, metric, values)
        with self._lock:
            self.trials = [*self.trials, trial]
            self.modified = datetime.now(UTC)

    def _finish(self) -> None:
        with self._lock:
            if all(trial.job.status == "Failed" for trial in self.trials):
                self.failure = self.failure or FAILURE.format(len(self.trials))
            if self.stop_asked.is_set():
                self._change("Stopped")
            else:
                self._change("Failed" if self.failure else "Completed")
        self.done.set()

    def _change(self, status: str) -> None:
        self.status, self.modified = status, datetime.now(UTC)

    def _is_hopeless(self) -> bool:
        ended = [trial.job.status for trial in self.trials if trial.job.done.is_set()]
        return len(ended) >= HOPELESS and set(ended) == {"Failed"}

    def _has_reached_its_target(self) -> bool:
        criteria = self._config.get("TuningJobCompletionCriteria", {})
        target, best = criteria.get("TargetObjectiveMetricValue"), self._best(self.trials)
        if target is None or best is None or best.objective is None:
            return False
        return bool(best.objective <= target if self.is_minimised else best.objective >= target)

    def _best(self, trials: list["Trial"]) -> "Trial | None":
        """Of the trials that have ended well, the one with the best last objective."""
        rated = [trial for trial in trials if trial.objective_status == "Succeeded"]
        sign = -1 if self.is_minimised else 1
        return max(rated, key=lambda trial: sign * (trial.objective or 0.0), default=None)

    def describe(self) -> dict[str, Any]:
        """The answer of DescribeHyperParameterTuningJob."""
        with self._lock:
            answer = {**self.request, **self.summary()}
            if best := self._best(self.trials):
                answer["BestTrainingJob"] = best.summary()
            warm_start = self.request.get("WarmStartConfig", {}).get("WarmStartType")
            overall = self._best([*self.earlier, *self.trials])
            if warm_start == "IdenticalDataAndAlgorithm" and overall:
                answer["OverallBestTrainingJob"] = overall.summary()
            if self.status == "Failed":
                answer["FailureReason"] = self.failure
            return answer

    def summary(self) -> dict[str, Any]:
        """The job in a list of jobs."""
        with self._lock:
            statuses = [trial.job.status for trial in self.trials]
            objectives = [trial.objective_status for trial in self.trials]
            answer = {
                "HyperParameterTuningJobName": self.name,
                "HyperParameterTuningJobArn": self.arn,
                "HyperParameterTuningJobStatus": self.status,
                "Strategy": self._config["Strategy"],
                "ResourceLimits": self._config["ResourceLimits"],
                "CreationTime": self.created,
                "LastModifiedTime": self.modified,
                "TrainingJobStatusCounters": {
                    "Completed": statuses.count("Completed"),
                    "InProgress": sum(status not in ENDED for status in statuses),
                    "RetryableError": 0,
                    "NonRetryableError": statuses.count("Failed"),
                    "Stopped": statuses.count("Stopped"),
                },
                "ObjectiveStatusCounters": {
                    status: objectives.count(status)
                    for status in ("Succeeded", "Pending", "Failed")
                },
            }
            if self.done.is_set() or self.status in ENDED:
                answer["HyperParameterTuningEndTime"] = self.modified
            return answer


class Trial:
    """A training job of a tuning job, with the values that it tries."""

    def __init__(self, job: TrainingJob, tuning_job: str, metric: str, values: dict[str, str]):
        self.job, self.values = job, values
        self._tuning_job, self._metric = tuning_job, metric

    @property
    def objective(self) -> float | None:
        """The latest value of the objective."""
        found = self.job.metrics.get(self._metric)
        return found["Value"] if found else None

    @property
    def objective_status(self) -> str:
        if self.job.status not in ENDED:
            return "Pending"
        good = self.job.status != "Failed" and self.objective is not None
        return "Succeeded" if good else "Failed"

    def summary(self) -> dict[str, Any]:
        """The trial in ListTrainingJobsForHyperParameterTuningJob, or as the best one."""
        answer = {
            **self.job.summary(),
            **self.job.facts,
            "TuningJobName": self._tuning_job,
            "TunedHyperParameters": self.values,
            "ObjectiveStatus": self.objective_status,
        }
        if self.objective is not None:
            metric = {"MetricName": self._metric, "Value": self.objective}
            answer["FinalHyperParameterTuningJobObjectiveMetric"] = metric
        return answer


def child_request(
    tuning: dict[str, Any], name: str, values: dict[str, str], tags: list[dict[str, str]]
) -> dict[str, Any]:
    """The training job that the service makes of a tuning job's definition and values."""
    request = dict(tuning["TrainingJobDefinition"])
    objective = tuning["HyperParameterTuningJobConfig"].get("HyperParameterTuningJobObjective", {})
    request["TrainingJobName"] = name
    request["HyperParameters"] = {
        **request.pop("StaticHyperParameters", {}),
        **values,
        "_tuning_objective_metric": objective.get("MetricName", ""),
    }
    request["Tags"] = tags
    return request


def draw(config: dict[str, Any], name: str) -> Iterator[dict[str, str]]:
    """The values of all trials: for Grid every combination, for all other strategies random ones,
    the same ones for the same RandomSeed (without one: for the same name)."""
    ranges = config.get("ParameterRanges", {})
    choices = ranges.get("CategoricalParameterRanges", [])
    if config["Strategy"] == "Grid":
        for values in itertools.product(*(choice["Values"] for choice in choices)):
            yield {choice["Name"]: value for choice, value in zip(choices, values, strict=True)}
        return
    chance = random.Random(config.get("RandomSeed", name))
    for _ in range(config["ResourceLimits"].get("MaxNumberOfTrainingJobs", MAX_JOBS)):
        drawn = {choice["Name"]: chance.choice(choice["Values"]) for choice in choices}
        for one in ranges.get("IntegerParameterRanges", []):
            drawn[one["Name"]] = str(round(_between(one, chance)))
        for one in ranges.get("ContinuousParameterRanges", []):
            drawn[one["Name"]] = repr(_between(one, chance))
        yield drawn


def _between(bounds: dict[str, str], chance: random.Random) -> float:
    """A value of a range, uniform on the range's own scale."""
    low, high = float(bounds["MinValue"]), float(bounds["MaxValue"])
    scale = bounds.get("ScalingType", "Auto")
    if scale == "Logarithmic":
        value = math.exp(chance.uniform(math.log(low), math.log(high)))
    elif scale == "ReverseLogarithmic":
        value = 1 - math.exp(chance.uniform(math.log(1 - high), math.log(1 - low)))
    else:
        value = chance.uniform(low, high)
    return min(max(value, low), high)
