"""Which model is deployed: the newest there is, or the one that is named."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dogbreed.cloud.endpoints.model_source import find_model
from dogbreed.errors import ArtifactError, CloudError

OURS = [{"Key": "project", "Value": "dogbreed"}, {"Key": "owner", "Value": "jane"}]
COLLEAGUES = [{"Key": "project", "Value": "dogbreed"}, {"Key": "owner", "Value": "bob"}]
EARLIER = [{"Key": "project", "Value": "dogbreed"}]  # by a version without owners


def at(day: int) -> datetime:
    return datetime(2026, 11, day, tzinfo=UTC)


class Client:
    """A SageMaker with some jobs: name to description; tags by name, ours by default."""

    def __init__(
        self, trainings: dict[str, Any], tunings: dict[str, Any], others: dict[str, Any]
    ) -> None:
        self.trainings, self.tunings, self.others = trainings, tunings, others

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:
        return self._describe(self.trainings, TrainingJobName, "Requested resource not found.")

    def describe_hyper_parameter_tuning_job(
        self, HyperParameterTuningJobName: str
    ) -> dict[str, Any]:
        return self._describe(self.tunings, HyperParameterTuningJobName, "Unable to find a job.")

    def list_tags(self, ResourceArn: str) -> dict[str, Any]:
        return {"Tags": self.others.get(ResourceArn, OURS)}

    def get_paginator(self, operation: str) -> "Client":
        self.listed = operation
        return self

    def paginate(self, **parameters: Any) -> list[dict[str, Any]]:
        assert parameters["StatusEquals"] == "Completed"
        if self.listed == "list_training_jobs":
            names = sorted(self.trainings, reverse=True)
            return [{"TrainingJobSummaries": [{"TrainingJobName": name} for name in names]}]
        names = sorted(self.tunings, reverse=True)
        jobs = [{"HyperParameterTuningJobName": name} for name in names]
        return [{"HyperParameterTuningJobSummaries": jobs}]

    @staticmethod
    def _describe(jobs: dict[str, Any], name: str, missing: str) -> dict[str, Any]:
        if name not in jobs:
            raise ClientError({"Error": {"Code": "ValidationException", "Message": missing}}, "x")
        found: dict[str, Any] = jobs[name]
        return found


class Account:
    region, owner = "eu-west-1", "jane"

    def __init__(self, client: Client | None) -> None:
        self.dry, self._client = client is None, client

    def client(self, service: str) -> Any:
        return self._client


def training(name: str, day: int, kind: str = "train") -> dict[str, Any]:
    return {
        "TrainingJobArn": name,
        "TrainingEndTime": at(day),
        "HyperParameters": {"job": f'"{kind}"'},
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://bucket/{name}/model.tar.gz"},
    }


FINAL, OLD, TRIAL = "dogbreed-261110-101010-abcd", "dogbreed-261101-101010-abcd", "breeds-001-x"
FOREIGN, EXTRACT = "dogbreed-261120-101010-abcd", "dogbreed-extract-0123456789abcdef"
BOBS, NOBODYS = "dogbreed-261122-101010-abcd", "dogbreed-261123-101010-abcd"


def account(*, tuned_on: int) -> Any:
    trainings = {
        FOREIGN: training(FOREIGN, 20),
        BOBS: training(BOBS, 22),
        NOBODYS: training(NOBODYS, 23),
        FINAL: training(FINAL, 10),
        OLD: training(OLD, 1),
        TRIAL: training(TRIAL, tuned_on),
        EXTRACT: training(EXTRACT, 21, "extract"),
    }
    best = {"BestTrainingJob": {"TrainingJobName": TRIAL}, "HyperParameterTuningJobArn": "breeds"}
    others = {FOREIGN: [], BOBS: COLLEAGUES, NOBODYS: EARLIER, "by-bob": COLLEAGUES}
    tunings = {"breeds": best, "by-bob": {**best, "HyperParameterTuningJobArn": "by-bob"}}
    return Account(Client(trainings, tunings, others))


@pytest.fixture
def outputs(tmp_path: Path, tiny_model: Path) -> Path:
    """A folder of runs, the latest of them of 5 November."""
    root = tmp_path / "outputs"
    (root / "run" / "model").mkdir(parents=True)
    file = root / "run" / "model" / "model.json"
    file.write_bytes((tiny_model / "model" / "model.json").read_bytes())
    os.utime(file, (at(5).timestamp(), at(5).timestamp()))
    (root / "latest").symlink_to("run")
    return root


def test_the_newest_is_the_newest_of_here_the_trainings_and_the_searches(outputs: Path) -> None:
    # Not one of another project's or another owner's, nor an extraction.
    assert find_model(account(tuned_on=4), "newest", outputs).label == FINAL
    assert find_model(account(tuned_on=12), "newest", outputs).label == TRIAL
    os.utime(outputs / "run" / "model" / "model.json", (at(15).timestamp(), at(15).timestamp()))
    found = find_model(account(tuned_on=12), "newest", outputs)
    assert found.folder == outputs / "run" / "model"


def test_a_training_that_was_brought_here_is_deployed_from_here(outputs: Path) -> None:
    (outputs / "run").rename(outputs / FINAL)
    (outputs / "latest").unlink()
    (outputs / "latest").symlink_to(FINAL)
    assert find_model(account(tuned_on=4), "newest", outputs).folder is not None


def test_a_dry_run_looks_here_alone(outputs: Path, tmp_path: Path) -> None:
    dry: Any = Account(None)
    assert find_model(dry, "newest", outputs).folder == outputs / "run" / "model"
    with pytest.raises(ArtifactError, match="There is no trained model in "):
        find_model(dry, "newest", tmp_path / "nothing")
    with pytest.raises(ArtifactError, match="a dry run looks up no job"):
        find_model(dry, FINAL, outputs)


def test_a_model_is_named_by_folder_job_search_or_place(outputs: Path) -> None:
    signed_in = account(tuned_on=4)
    assert find_model(signed_in, str(outputs / "run"), outputs).folder == outputs / "run" / "model"
    assert find_model(signed_in, OLD, outputs).uri == f"s3://bucket/{OLD}/model.tar.gz"
    assert find_model(signed_in, "breeds", outputs).uri == f"s3://bucket/{TRIAL}/model.tar.gz"
    assert find_model(signed_in, "s3://b/m.tar.gz", outputs).uri == "s3://b/m.tar.gz"
    trainings = signed_in.client("sagemaker").trainings
    trainings["theirs"] = training("theirs", 2)
    trainings["theirs"]["HyperParameters"] = {"job": "no JSON"}
    trainings["running"] = {**training("running", 2), "TrainingEndTime": None}
    for name in ("nobody", EXTRACT, "theirs", "running"):
        with pytest.raises(CloudError, match="no training or tuning job of that name"):
            find_model(signed_in, name, outputs)
