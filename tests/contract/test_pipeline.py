"""launch/pipeline.py: the definitions, upserted and executed in an emulated account."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from conftest import PROJECT, SMALL, draw_folders
from contract.pipelines import Execution, StepFailedError
from contract.storage import split_uri
from helpers.in_process import run_in_process
from helpers.made_wheels import make_wheel
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sagemaker.models import sagemaker_backends

from dogbreed.cloud.endpoints import serving_wheels
from dogbreed.cloud.endpoints.teardown import tear_down
from dogbreed.cloud.wheels.wheel_files import Wheel, WheelSet
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import TeardownConfig

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures",)
pytestmark = [
    pytest.mark.launch,
    # sagemaker.mlops (SDK 3.27) imports modules that the SDK itself has moved.
    pytest.mark.filterwarnings("ignore:.*(moved|deprecated):DeprecationWarning"),
]

KMS_KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
KEYS = (
    *(each for each in SMALL if "batch_size" not in each),
    *("+experiment=hpo", "search.trials=2", "launcher.instance_type=ml.m5.large"),
    *("deploy.volume_kms_key=" + KMS_KEY, "deploy.instance_type=ml.c5.large"),
    *("pipeline.name=breeds", "pipeline.group=breeds", "pipeline.endpoint=breeds"),
)


def test_the_pipeline_searches_trains_evaluates_and_registers(
    account: "SageMakerAccount", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_wheel(tmp_path, "probe", "1.0")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    wheel = Wheel(name="probe", version="1.0", file=file, sha256=digest)
    packages = WheelSet(versions={"probe": "1.0"}, wheels=(wheel,))
    monkeypatch.setattr(serving_wheels, "resolve_wheels", lambda *given: packages)
    photos = draw_folders(tmp_path / "photos", {"train": 6, "valid": 2, "test": 2})
    roles = (
        *(f"launcher.role={account.role_arn}", f"deploy.role={account.serving_role_arn}"),
        "pipeline.role=DogbreedPipeline",
    )

    def launch(*arguments: str) -> Any:
        script = PROJECT / "launch" / "pipeline.py"
        typed = (f"data.root={photos}", *roles, *KEYS, *arguments)
        return run_in_process(script, *typed, cwd=tmp_path)

    done = launch("pipeline.min_top1=0.0")
    assert done.returncode == 0, done.stderr
    assert "pipeline breeds: created" in done.stdout
    assert "INFO:" not in done.stderr
    assert "pipeline breeds: updated" in launch("pipeline.min_top1=0.0").stdout
    client = account.client("sagemaker")
    names = [each["PipelineName"] for each in client.list_pipelines()["PipelineSummaries"]]
    assert sorted(names) == ["breeds", "breeds-deploy"]
    described = client.describe_pipeline(PipelineName="breeds")
    definition = json.loads(described["PipelineDefinition"])

    steps = Execution(account, definition).run()
    best = steps["Tune"]["BestTrainingJob"]["TunedHyperParameters"]
    trained = steps["TrainBest"]["HyperParameters"]
    assert {name: trained[name] for name in best} == best
    package = steps["Register"]
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    (container,) = package["InferenceSpecification"]["Containers"]
    packed = container["ModelDataUrl"]
    assert packed == steps["Evaluate"]["ModelArtifacts"]["S3ModelArtifacts"]
    bucket, key = split_uri(packed)
    body = account.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tape:
        members = {name.removeprefix("./") for name in tape.getnames()}
    assert {"model.json", "deployment.py", "code/inference.py"} <= members
    assert any(name.startswith("code/packages/probe") for name in members)
    assert "code/requirements.txt" not in members
    metrics_uri = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    bucket, key = split_uri(metrics_uri)
    body = account.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    top1 = json.loads(body)["test"]["top1"]
    reported = {
        each["MetricName"]: each["Value"] for each in steps["Evaluate"]["FinalMetricDataList"]
    }
    assert reported == {"test_top1": pytest.approx(top1, abs=1e-6)}

    check_deployment(account, package["ModelPackageArn"], photos)
    check_without_endpoint(account, launch)

    strict = Execution(account, definition, MinTop1=1.1)
    strict.steps = steps
    with pytest.raises(StepFailedError, match=r"^test top-1 .* < 1\.1$"):
        strict.run_step("IsGoodEnough")


def check_deployment(account: "SageMakerAccount", package: str, photos: Path) -> None:
    """The second pipeline serves a version once it is approved, under the role of endpoints."""
    client = account.client("sagemaker")
    described = client.describe_pipeline(PipelineName="breeds-deploy")
    definition = json.loads(described["PipelineDefinition"])
    deployment = Execution(account, definition, ModelPackageArn=package)
    with pytest.raises(ClientError, match="is not approved"):
        deployment.run()
    client.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")
    steps = deployment.run()
    assert steps["CreateConfig"]["KmsKeyId"] == KMS_KEY
    photo = next(photos.rglob("*.jpg"))
    response = account.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="breeds", Body=photo.read_bytes()
    )
    (entry,) = json.loads(response["Body"].read())["predictions"]
    assert len(entry["classes"]) > 1


def check_without_endpoint(account: "SageMakerAccount", launch: Any) -> None:
    """pipeline.endpoint=null ends automatic deployment; teardown stops what runs."""
    done = launch("pipeline.endpoint=null", "pipeline.start=true")
    assert "pipeline breeds-deploy and its rule: deleted, as pipeline.endpoint=null" in done.stdout
    client = account.client("sagemaker")
    names = [each["PipelineName"] for each in client.list_pipelines()["PipelineSummaries"]]
    assert names == ["breeds"]
    assert account.client("events").list_rules()["Rules"] == []
    (execution,) = (
        sagemaker_backends[DEFAULT_ACCOUNT_ID]["us-east-1"]
        .pipelines["breeds"]
        .pipeline_executions.values()
    )
    execution.pipeline_execution_status = "Executing"
    config = compose_as(TeardownConfig, "teardown", ["all=true", "wait_minutes=0.1"])
    assert tear_down(config)
    assert execution.pipeline_execution_status == "Stopped"
    assert client.list_pipelines()["PipelineSummaries"] == []
