"""Find the model to deploy: the newest one, a local folder, a job's result or an S3 archive."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.artifact.file_names import DESCRIPTION
from dogbreed.artifact.folder import find_artifact
from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.bucket_owner import check_owner
from dogbreed.cloud.aws.downloads import download_model
from dogbreed.cloud.aws.errors import is_missing, translate_errors
from dogbreed.cloud.aws.objects import split_uri
from dogbreed.cloud.aws.tags import is_ours
from dogbreed.cloud.container.entry_point import JOB, TRAIN, TRIAL
from dogbreed.cloud.endpoints.registered_models import find_registered, is_registered
from dogbreed.configuration.commands import typed
from dogbreed.configuration.search import NEWEST
from dogbreed.errors import ArtifactError, CloudError
from dogbreed.run_records.best import choose_run
from dogbreed.search.hyperparameters import decode

LATEST = "latest"
COMPLETED = "Completed"
# A training job's name as launch/train.py creates it; trials of a tuning job have longer names.
TRAINING_NAME = re.compile(r"dogbreed-\d{6}-\d{6}-[0-9a-f]{4}")


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """A trained model: a local folder or an archive in S3, and when it was created."""

    label: str
    time: datetime
    folder: Path | None = None
    uri: str | None = None


def find_model(account: Account, model: str, output_root: Path) -> ModelSource:
    """The model that the key `model` names.

    Raises:
        ArtifactError, CloudError: there is none, or AWS refuses.
    """
    if model == NEWEST:
        return _newest(account, output_root)
    if is_registered(model):
        return _registered(account, model)
    if model.startswith("s3://"):
        return ModelSource(label=model, time=datetime.now(UTC), uri=model)
    folder = choose_run(Path(model), output_root).folder
    if folder.exists():
        return _local(folder)
    if account.dry:
        raise ArtifactError(
            f"model={model}: there is no such folder, and a dry run looks up no job: name a run's "
            "folder."
        )
    client = account.client("sagemaker")
    with translate_errors(f"model={model}"):
        found = _training(client, model) or _tuning(client, model)
    if found is None:
        raise CloudError(
            f"model={model}: there is no such folder, and no training or tuning job of that name "
            f"with a model in {account.region}."
        )
    return found


def fetch(account: Account, found: ModelSource, folder: Path) -> Path:
    """The model's folder, downloaded below `folder` if it is in S3.

    Raises:
        ArtifactError, CloudError: it doesn't exist, or isn't a model.
    """
    if found.folder is not None:
        return found.folder
    assert found.uri is not None
    if account.dry:
        raise ArtifactError(f"model={found.uri}: a dry run downloads nothing: name a run's folder.")
    client, target = account.client("s3"), folder / "fetched"
    check_owner(client, split_uri(found.uri)[0], f"model={found.label}", account.id)
    download_model(client, found.uri, target)
    if not (target / DESCRIPTION).is_file():
        raise ArtifactError(f"{found.uri} is no trained model (it has no {DESCRIPTION}).")
    return target


def _registered(account: Account, model: str) -> ModelSource:
    if account.dry:
        raise ArtifactError(f"model={model}: a dry run looks up no registry: name a run's folder.")
    with translate_errors(f"model={model}"):
        found = find_registered(account.client("sagemaker"), model)
    return ModelSource(label=found.label, time=found.time, uri=found.uri)


def _local(folder: Path) -> ModelSource:
    artifact = find_artifact(folder)
    time = datetime.fromtimestamp((artifact / DESCRIPTION).stat().st_mtime, UTC)
    return ModelSource(label=str(folder), time=time, folder=artifact)


def _newest(account: Account, output_root: Path) -> ModelSource:
    found: list[ModelSource] = []
    latest = output_root / LATEST
    if latest.is_dir():
        found.append(_local(latest.resolve()))
    if not account.dry:
        client = account.client("sagemaker")
        with translate_errors("finding the newest model"):
            local = latest.resolve().name
            newest = _newest_of(client, account.owner)
            found += (each for each in newest if each.label != local)
    if not found:
        where = "" if account.dry else f", nor one of a job of {account.owner} in {account.region}"
        raise ArtifactError(
            f"There is no trained model in {output_root}{where}: train one (python -m "
            "dogbreed.train), or name one as model=FOLDER."
        )
    return max(found, key=lambda each: each.time)


def _newest_of(client: Any, owner: str) -> Iterator[ModelSource]:
    """The newest training of an owner, and the best of the owner's newest search."""
    newest_first = {"SortBy": "CreationTime", "SortOrder": "Descending"}
    jobs = client.get_paginator("list_training_jobs").paginate(
        NameContains="dogbreed-", StatusEquals=COMPLETED, **newest_first
    )
    names = (job["TrainingJobName"] for page in jobs for job in page["TrainingJobSummaries"])
    trainings = (_training(client, name, owner) for name in names if TRAINING_NAME.fullmatch(name))
    searches = client.get_paginator("list_hyper_parameter_tuning_jobs").paginate(
        StatusEquals=COMPLETED, **newest_first
    )
    tunings = (
        _tuning(client, job["HyperParameterTuningJobName"], owner)
        for page in searches
        for job in page["HyperParameterTuningJobSummaries"]
    )
    for each in (trainings, tunings):
        first = next((found for found in each if found is not None), None)
        if first is not None:
            yield first


def _training(client: Any, name: str, owner: str | None = None) -> ModelSource | None:
    """A training job's model; with `owner` only if this project created it for that owner."""
    try:
        job = client.describe_training_job(TrainingJobName=name)
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    uri = job.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    ended = job.get("TrainingEndTime")
    if uri is None or ended is None or _kind(job) != TRAIN:
        return None
    if owner is not None and not is_ours(client, job["TrainingJobArn"], owner):
        return None
    return ModelSource(label=name, time=ended, uri=uri)


def _kind(job: dict[str, Any]) -> object:
    """What a training job does; None if it isn't this project's."""
    return decode(job.get("HyperParameters", {}).get(JOB, "null"))


def _tuning(client: Any, name: str, owner: str | None = None) -> ModelSource | None:
    """The model of a tuning job's best trial; `owner` as in `_training`."""
    try:
        job = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    best = job.get("BestTrainingJob", {}).get("TrainingJobName")
    arn = job["HyperParameterTuningJobArn"]
    if best is None or (owner is not None and not is_ours(client, arn, owner)):
        return None
    if owner is None and _kind(client.describe_training_job(TrainingJobName=best)) == TRIAL:
        raise CloudError(
            f"model={name}: its trials wrote no models: train its best hyperparameters "
            f"({typed('final')} best={name}), and deploy that training."
        )
    return _training(client, best)
