"""Trials on extracted features: neither weights nor a network, and no model."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from conftest import PROJECT, SMALL, draw_folders
from contract.small_job import read_archive
from helpers.in_process import run_in_process

from dogbreed.backbone.architecture import build_backbone

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures",)
pytestmark = pytest.mark.launch


@pytest.fixture
def job_variables() -> dict[str, str]:
    """No job reaches further than this machine, so that none can download weights."""
    nowhere = {f"{name}_proxy": "http://127.0.0.1:9" for name in ("http", "https")}
    return {"OMP_NUM_THREADS": "1", "no_proxy": "127.0.0.1,localhost", **nowhere}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    network = build_backbone("resnet18", "none", "all").tail
    torch.save(network.state_dict(), path)
    return path


@pytest.mark.parametrize("trainable", ["head", "last_stage"])
def test_a_trial_reads_features_alone_and_writes_no_model(
    account: "SageMakerAccount", tmp_path: Path, weights: Path, trainable: str
) -> None:
    photos = draw_folders(tmp_path / "photos", {"train": 6, "valid": 3, "test": 2})
    small = [each for each in SMALL if not each.startswith(("data.batch_size", "model.weights"))]

    given = (f"data.root={photos}", f"model.weights={weights}", f"model.trainable={trainable}")
    done = run_in_process(
        PROJECT / "launch" / "tune.py",
        *(*small, *given, "search.trials=1", "search.name=light", "search=lr_batch"),
        f"launcher.role={account.role_arn}",
        cwd=tmp_path,
    )
    extraction, trial = list(account.training_jobs)
    assert done.returncode == 0, done.stderr + account.log(trial)
    inputs = {
        name: [each["ChannelName"] for each in job.request["InputDataConfig"]]
        for name, job in account.training_jobs.items()
    }
    assert inputs == {extraction: ["photos", "photo_listing", "weights"], trial: ["features"]}
    assert "of the feature set" in account.log(trial)
    assert "valid_loss_low95=" in account.log(trial)
    client = account.client("s3")
    listed = client.list_objects_v2(Bucket=account.bucket, Prefix="dogbreed/checkpoints/features/")
    keys = {each["Key"].rpartition("/")[2]: each["Key"] for each in listed["Contents"]}
    assert "backbone.json" in keys
    assert ("trained.safetensors" in keys) is (trainable == "last_stage")
    # An empty archive is what SageMaker makes of an empty folder.
    assert read_archive(account, f"dogbreed/jobs/{trial}/output/model.tar.gz") == {}
    outputs = read_archive(account, f"dogbreed/jobs/{trial}/output/output.tar.gz")
    assert json.loads(outputs["metrics.json"])["valid"]["loss"] > 0
    assert "report.html" not in outputs
    if trainable == "head":
        script, role = PROJECT / "launch" / "deploy.py", f"launcher.role={account.role_arn}"
        deployed = run_in_process(script, "model=light", role, cwd=tmp_path)
        assert "its trials wrote no models: train its best" in deployed.stderr
