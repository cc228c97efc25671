"""The operations on training and tuning jobs, in place of moto's or added to them."""

import base64
import binascii
import json
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from botocore.exceptions import ClientError  # type: ignore[import-untyped, unused-ignore]
from contract.debugger import debugger_problems
from contract.job_run import Platform, Run
from contract.resources import FALLBACKS, types_of, with_instances
from contract.rules import training_problems, tuning_problems
from contract.storage import list_keys, pack, upload
from contract.training_jobs import TrainingJob
from contract.tuning_jobs import TuningJob
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult, EmptyResult
from moto.iam.models import iam_backends
from moto.sagemaker.exceptions import (
    ResourceInUseException,
    ResourceNotFound,
    SagemakerClientError,
    ValidationError,
)
from moto.sagemaker.models import sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse

Answer = dict[str, Any] | None
NO_OPERATIONS = (
    "close",
    "answer",
    "add_trained",
    "scale_out",
)  # of the classes that `install` takes
SERVICE = "sagemaker.amazonaws.com"


class ResourceLimitExceeded(SagemakerClientError):
    """The service's error for a quota, which moto lacks."""

    code = "ResourceLimitExceeded"


class Operations:
    """Each public method is an operation of the API: a request as it was sent, to its answer."""

    def __init__(self, region: str, platform: Platform) -> None:
        self._region, self._platform = region, platform
        self.debugger_is_open = True
        self.without_quota: set[str] = set()  # instance types
        backend = sagemaker_backends[DEFAULT_ACCOUNT_ID][region]
        # In moto's own places, so that its AddTags, ListTags and Delete… find them there.
        self.training_jobs = cast(dict[str, TrainingJob], backend.training_jobs)
        self.tuning_jobs = cast(dict[str, TuningJob], backend.hyper_parameter_tuning_jobs)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def create_training_job(self, request: dict[str, Any]) -> Answer:
        _refuse([*training_problems(request), *debugger_problems(request, self.debugger_is_open)])
        self._check_reach(request)
        self._check_quota(request["ResourceConfig"])
        job = self._launch(request)
        return {"TrainingJobArn": job.arn}

    def describe_training_job(self, request: dict[str, Any]) -> Answer:
        return self._training_job(request).describe()

    def stop_training_job(self, request: dict[str, Any]) -> Answer:
        job = self._training_job(request)
        if not job.stop():
            raise ValidationError(
                f"The request was rejected because the training job is in status {job.status}."
            )
        return None

    def list_training_jobs(self, request: dict[str, Any]) -> Answer:
        found = [job.summary() for job in list(self.training_jobs.values())]
        return listing(request, found, "TrainingJob", "CreationTime")

    def create_hyper_parameter_tuning_job(self, request: dict[str, Any]) -> Answer:
        _refuse(tuning_problems(request))
        definition = request["TrainingJobDefinition"]
        self._check_reach(definition)
        self._check_quota(definition.get(FALLBACKS) or definition["ResourceConfig"])
        name = request["HyperParameterTuningJobName"]
        parents = request.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", [])
        earlier = [
            trial
            for parent in parents
            for trial in self._tuning_job(parent, ValidationError).trials
        ]
        job = TuningJob(
            request, self._arn("hyper-parameter-tuning-job", name), self._launch, earlier
        )
        with self._lock:
            if name in self.tuning_jobs:
                raise ResourceInUseException(
                    f"A hyperparameter tuning job with the name, {name}, already exists. "
                    "Choose a different name."
                )
            self.tuning_jobs[name] = job
        self._run(job, name)
        return {"HyperParameterTuningJobArn": job.arn}

    def describe_hyper_parameter_tuning_job(self, request: dict[str, Any]) -> Answer:
        return self._tuning_job(request).describe()

    def stop_hyper_parameter_tuning_job(self, request: dict[str, Any]) -> Answer:
        job = self._tuning_job(request)
        if not job.stop():
            raise ValidationError(
                "The request was rejected because the hyperparameter tuning job is in status "
                f"{job.status}."
            )
        return None

    def list_hyper_parameter_tuning_jobs(self, request: dict[str, Any]) -> Answer:
        found = [job.summary() for job in list(self.tuning_jobs.values())]
        return listing(request, found, "HyperParameterTuningJob", "Name")

    def list_training_jobs_for_hyper_parameter_tuning_job(self, request: dict[str, Any]) -> Answer:
        found = [trial.summary() for trial in self._tuning_job(request).trials]
        return listing(request, found, "TrainingJob", "Name")

    def add_trained(self, name: str, model: Path, place: str, role: str, owner: str) -> None:
        """A training of an owner's that has just ended, without having been run."""
        request = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {},
            "HyperParameters": {"job": '"train"'},
            "RoleArn": role,
            "OutputDataConfig": {"S3OutputPath": place},
            "Tags": [{"Key": "project", "Value": "dogbreed"}, {"Key": "owner", "Value": owner}],
        }
        job = TrainingJob(request, self._arn("training-job", name))
        job.facts["TrainingStartTime"] = job.created
        uri = f"{place}/{name}/output/model.tar.gz"
        with tempfile.TemporaryDirectory() as folder:
            pack([model], Path(folder) / "model.tar.gz")
            upload(self._platform.s3, Path(folder) / "model.tar.gz", uri)
        job.facts["ModelArtifacts"] = {"S3ModelArtifacts": uri}
        job.finish("Completed")
        self.training_jobs[name] = job

    def close(self) -> None:
        """End every job, without its grace."""
        self._platform.closing.set()
        for job in list(self.tuning_jobs.values()):
            job.stop()
        for thread in self._threads:
            thread.join(timeout=30)

    def _launch(self, request: dict[str, Any], tuning_job_arn: str = "") -> TrainingJob:
        request = with_instances(request, self._platform.lacking)
        name = request["TrainingJobName"]
        job = TrainingJob(request, self._arn("training-job", name), tuning_job_arn)
        with self._lock:
            if name in self.training_jobs:
                raise ResourceInUseException(
                    "Training job names must be unique within an AWS account and region, and a "
                    f"training job with this name already exists ({job.arn})"
                )
            self.training_jobs[name] = job
        self._run(Run(job, self._platform), name)
        return job

    def _run(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _training_job(self, request: dict[str, Any]) -> TrainingJob:
        try:
            return self.training_jobs[request["TrainingJobName"]]
        except KeyError:
            raise ValidationError("Requested resource not found.") from None

    def _tuning_job(
        self, request: dict[str, Any], error: Callable[[str], Exception] = ResourceNotFound
    ) -> TuningJob:
        name = request["HyperParameterTuningJobName"]
        try:
            return self.tuning_jobs[name]
        except KeyError:
            raise error(f"Unable to find a hyperparameter tuning job named {name}.") from None

    def _arn(self, kind: str, name: str) -> str:
        return f"arn:aws:sagemaker:{self._region}:{DEFAULT_ACCOUNT_ID}:{kind}/{name}"

    def _check_reach(self, request: dict[str, Any]) -> None:
        """The service looks at once whether it may take the role, and whether the data is there."""
        role = request["RoleArn"]
        known = iam_backends[DEFAULT_ACCOUNT_ID]["aws"].roles.values()
        if not any(one.arn == role and SERVICE in one.assume_role_policy_document for one in known):
            raise ValidationError(
                f"Could not assume role {role}. Please ensure that the role exists and allows "
                f"principal '{SERVICE}' to assume the role."
            )
        for channel in request.get("InputDataConfig", []):
            self._check_data(channel["DataSource"]["S3DataSource"]["S3Uri"], role)

    def _check_quota(self, resources: dict[str, Any]) -> None:
        """None of the listed types may be beyond the quota: the service doesn't say that it skips
        those."""
        for name in types_of(resources):
            if name in self.without_quota:
                raise ResourceLimitExceeded(
                    f"The account-level service limit '{name} for training job usage' is 0 "
                    "Instances, with current utilization of 0 Instances and a request delta of 1 "
                    "Instances. Please use AWS Service Quotas to request an increase for this "
                    "quota."
                )

    def _check_data(self, uri: str, role: str) -> None:
        reason = ""
        try:
            if list_keys(self._platform.s3, uri):
                return
        except ClientError as error:
            reason = f" Error message from S3: {error.response['Error'].get('Message', '')}"
        bucket = uri.split("/")[2]
        raise ValidationError(
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure '
            f"that the bucket exists in the selected region ({self._region}), that objects exist "
            f'under that S3 prefix, and that the role "{role}" has "s3:ListBucket" permissions on '
            f'bucket "{bucket}".{reason}'
        )


def install(*all_operations: object) -> Callable[[], None]:
    """Put operations into moto's class of answers, where it looks them up at every request; gives
    back what takes them out again. The public methods are operations, but for NO_OPERATIONS."""
    found = {
        name: getattr(operations, name)
        for operations in all_operations
        for name, value in vars(type(operations)).items()
        if not name.startswith("_") and name not in NO_OPERATIONS and callable(value)
    }
    before = {name: vars(SageMakerResponse).get(name) for name in found}
    for name, operation in found.items():
        setattr(SageMakerResponse, name, _handler(operation))

    def restore() -> None:
        for name, function in before.items():
            if function is None:
                delattr(SageMakerResponse, name)
            else:
                setattr(SageMakerResponse, name, function)

    return restore


def _handler(
    operation: Callable[[dict[str, Any]], Answer],
) -> Callable[[SageMakerResponse], ActionResult]:
    def handle(response: SageMakerResponse) -> ActionResult:
        answer = operation(json.loads(response.body or "{}"))
        return EmptyResult() if answer is None else ActionResult(answer)

    return handle


def _refuse(problems: Iterable[str]) -> None:
    for problem in problems:
        raise ValidationError(problem)


def listing(
    request: dict[str, Any], found: Sequence[dict[str, Any]], kind: str, sort_by: str
) -> dict[str, Any]:
    """One page of a list of jobs: filtered, sorted, and cut where the request says so."""
    selected = [job for job in found if _is_wanted(request, job, kind)]
    order = request.get("SortBy", sort_by)
    if order == "FinalObjectiveMetricValue":
        selected = [job for job in selected if "FinalHyperParameterTuningJobObjectiveMetric" in job]
    selected.sort(key=lambda job: _sort_key(job, order, kind))
    if request.get("SortOrder") == "Descending":
        selected.reverse()
    try:
        start = int(base64.b64decode(request.get("NextToken", "MA==")).decode())
    except (ValueError, binascii.Error):
        raise ValidationError("Invalid pagination token.") from None
    end = start + request.get("MaxResults", 10)
    answer: dict[str, Any] = {f"{kind}Summaries": selected[start:end]}
    if end < len(selected):
        answer["NextToken"] = base64.b64encode(str(end).encode()).decode()
    return answer


def _is_wanted(request: dict[str, Any], job: dict[str, Any], kind: str) -> bool:
    if request.get("NameContains", "") not in job[f"{kind}Name"]:
        return False
    if request.get("StatusEquals") not in (None, job[f"{kind}Status"]):
        return False
    for field in ("CreationTime", "LastModifiedTime"):
        after, before = request.get(f"{field}After"), request.get(f"{field}Before")
        if after is not None and job[field] <= datetime.fromtimestamp(after, UTC):
            return False
        if before is not None and job[field] >= datetime.fromtimestamp(before, UTC):
            return False
    return True


def _sort_key(job: dict[str, Any], order: str, kind: str) -> Any:
    if order == "FinalObjectiveMetricValue":
        return job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    return job["CreationTime"] if order == "CreationTime" else job[f"{kind}{order}"]
