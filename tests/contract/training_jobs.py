"""Training jobs as the service knows them: the request as it was sent, the state, the metrics."""

import math
import re
import struct
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from contract.debugger import rule_statuses

ENDED = ("Completed", "Failed", "Stopped")
SPOT_SHARE = 0.3  # of the training time is billed: a saving of 70 %

MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "Training job interrupted",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
}


class TrainingJob:
    """DescribeTrainingJob's response. `tags` and `arn` have the names that moto looks for."""

    def __init__(self, request: dict[str, Any], arn: str, tuning_job_arn: str = "") -> None:
        self.request = {key: value for key, value in request.items() if key != "Tags"}
        self.tags: list[dict[str, str]] = list(request.get("Tags") or [])
        self.name: str = request["TrainingJobName"]
        self.arn, self.tuning_job_arn = arn, tuning_job_arn
        self.status = "InProgress"
        self.transitions: list[dict[str, Any]] = []
        self.lines: list[str] = []  # what the job printed
        self.metrics: dict[str, dict[str, Any]] = {}  # the latest of each
        self.facts: dict[str, Any] = {}  # fields of some jobs only
        self.findings: dict[str, str] = {}  # of Debugger's rules, see debugger.py
        self.training_s = 0.0
        self.created = self.modified = datetime.now(UTC)
        self.stop_asked, self.interruption, self.done = (threading.Event() for _ in range(3))
        self._lock = threading.RLock()
        self._definitions = [
            (definition["Name"], re.compile(definition["Regex"]))
            for definition in request["AlgorithmSpecification"].get("MetricDefinitions", [])
        ]
        self.enter("Starting")

    @property
    def is_spot(self) -> bool:
        return bool(self.request.get("EnableManagedSpotTraining"))

    @property
    def secondary_status(self) -> str:
        return str(self.transitions[-1]["Status"])

    def enter(self, status: str) -> None:
        """Pass on to the next secondary status."""
        with self._lock:
            self.modified = datetime.now(UTC)
            if self.transitions:
                self.transitions[-1]["EndTime"] = self.modified
            message = MESSAGES[status]
            entry = {"Status": status, "StartTime": self.modified, "StatusMessage": message}
            self.transitions = [*self.transitions, entry]

    def stop(self) -> bool:
        """Stop soon; False if the job has ended or is about to stop."""
        with self._lock:
            if self.status != "InProgress":
                return False
            self.status = "Stopping"
            self.enter("Stopping")
            self.stop_asked.set()
            return True

    def finish(self, status: str, secondary: str = "", failure: str = "") -> None:
        """The end, and the bill."""
        with self._lock:
            self.enter(secondary or status)
            self.transitions[-1]["EndTime"] = self.modified
            if "TrainingStartTime" in self.facts:
                seconds = math.ceil(self.training_s)
                billed = max(1, round(seconds * SPOT_SHARE)) if self.is_spot else seconds
                self.facts["TrainingTimeInSeconds"] = seconds
                self.facts["BillableTimeInSeconds"] = billed
                self.facts["TrainingEndTime"] = self.modified
            if failure:
                self.facts["FailureReason"] = failure
            self.status = status
        self.done.set()

    def read(self, lines: Sequence[str]) -> None:
        """Look for the metrics in what the job prints, with the expressions as they were sent."""
        for line in lines:
            self.lines.append(line)
            for name, expression in self._definitions:
                for match in expression.finditer(line):
                    self._note(name, match.group(1))

    def _note(self, name: str, text: str) -> None:
        try:
            value = single(float(text))
        except (ValueError, OverflowError):
            return
        if math.isfinite(value):
            now = datetime.now(UTC)
            self.metrics[name] = {"MetricName": name, "Value": value, "Timestamp": now}

    def describe(self) -> dict[str, Any]:
        """The answer of DescribeTrainingJob."""
        with self._lock:
            answer = {
                **self.request,
                **self.summary(),
                **self.facts,
                **rule_statuses(
                    self.request,
                    ended=self.status in ENDED,
                    findings=self.findings,
                    now=self.modified,
                ),
                "SecondaryStatusTransitions": self.transitions,
            }
            if self.tuning_job_arn:
                answer["TuningJobArn"] = self.tuning_job_arn
            if self.metrics:
                answer["FinalMetricDataList"] = list(self.metrics.values())
            return answer

    def summary(self) -> dict[str, Any]:
        """The job in a list of jobs."""
        with self._lock:
            answer = {
                "TrainingJobName": self.name,
                "TrainingJobArn": self.arn,
                "CreationTime": self.created,
                "LastModifiedTime": self.modified,
                "TrainingJobStatus": self.status,
                "SecondaryStatus": self.secondary_status,
            }
            if "TrainingEndTime" in self.facts:
                answer["TrainingEndTime"] = self.facts["TrainingEndTime"]
            return answer


def single(value: float) -> float:
    """In single precision, as the service stores metrics: 0.9 comes back as 0.8999999761581421."""
    return float(struct.unpack("f", struct.pack("f", value))[0])
