"""What the service would refuse is refused before anything is sent; what is sent twice is one."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import PROJECT, draw_folders
from contract.made_models import make_run
from helpers.in_process import run_in_process

from dogbreed.cloud.aws.account import sign_in
from dogbreed.cloud.endpoints.archive import pack
from dogbreed.cloud.endpoints.deploy import deploy
from dogbreed.cloud.endpoints.endpoint_requests import ServedModel
from dogbreed.cloud.endpoints.model_source import find_model
from dogbreed.cloud.endpoints.registry import register
from dogbreed.cloud.jobs.search import Search
from dogbreed.cloud.jobs.training import Training
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.errors import CloudError, ConfigError

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures",)
pytestmark = pytest.mark.launch

LOOKING = ("Get", "Head", "List", "Describe")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "first", 0)


def start(command: str, overrides: Sequence[str]) -> None:
    if command == "deploy":
        deploy(compose_as(DeployConfig, "deploy", ["deploy.ttl_hours=null", *overrides]))
    elif command == "tune":
        Search(*overrides).run()
    else:
        Training("best=null", *overrides).run()


@pytest.mark.parametrize(
    ("command", "override", "sentence"),
    [
        ("deploy", "deploy.register=our_dogs", r"^deploy\.register: .*letters, digits and hyphens"),
        ("deploy", "launcher.bucket=s3://b", r"^launcher\.bucket=s3://b: "),
        ("deploy", "deploy.instance_type=ml.c7i.lrge", "no SageMaker instance type"),
        (
            "deploy",
            "deploy.ttl_hours=auto",
            r"ttl_hours=24 for an endpoint .* or deploy\.ttl_hours=n",
        ),
        ("deploy", "deploy.ttl_role=Role", r"^deploy\.ttl_role=Role: give the role's ARN"),
        ("deploy", "launcher.tags.a=b!", r"^launcher\.tags: 'a': !"),
        ("train", f"name={'a' * 2600}", r"^name: AWS would refuse .*2500"),
        ("train", "launcher.image_uri=mine:1", r"^launcher\.image_uri=mine:1: "),
        ("train", "launcher.region=eu-west1", r"^launcher\.region=eu-west1: .*eu-west-1"),
        ("train", "launcher.instance_type=ml.t2.medium", "no such instance type for that use"),
        ("train", "launcher.volume_gb=5", r"^launcher\.volume_gb=5: the jobs need 6 GB"),
        ("tune", "launcher.volume_gb=5", r"^launcher\.volume_gb=5: the jobs need 6 GB"),
        ("tune", "launcher.keep_alive_minutes=5", r"^launcher\.keep_alive_minutes=5: .*trainings"),
        ("tune", f"name={'a' * 2600}", r"^name: AWS would refuse .*2500"),
        ("tune", "search.warm_start=[a_b]", r"^search\.warm_start='a_b'"),
        ("tune", "attach=a_b", r"^attach=a_b: "),
    ],
)
def test_nothing_is_sent_of_what_would_be_refused(
    command: str,
    override: str,
    sentence: str,
    account: "SageMakerAccount",
    run_folder: Path,
    tmp_path: Path,
) -> None:
    arguments = [f"model={run_folder}"]
    if command != "deploy":
        photos = draw_folders(tmp_path / "photos", {"train": 2, "valid": 1, "test": 1})
        arguments = [f"data.root={photos}", "wait=false"]
    arguments += [f"output_root={tmp_path / 'outputs'}", f"launcher.role={account.role_arn}"]
    with pytest.raises(ConfigError, match=sentence):
        start(command, [*arguments, override])
    assert [call for call in account.calls if not call[1].startswith(LOOKING)] == []


def test_a_deployment_is_registered_once_however_often_it_is_sent(
    account: "SageMakerAccount", run_folder: Path
) -> None:
    role = f"launcher.role={account.role_arn}"
    typed = [f"model={run_folder}", "deploy.register=our-dogs", "endpoint=dogs", role]
    config = compose_as(DeployConfig, "deploy", typed)
    signed_in = sign_in(config.launcher)
    with tempfile.TemporaryDirectory() as folder:
        archive = pack(signed_in, config, Path(folder))
        first, second = (
            ServedModel(name=f"dogs-{n}", model_uri=archive.uri, image_uri="i") for n in (1, 2)
        )
        account.lose_answer("CreateModelPackageGroup")
        account.lose_answer("CreateModelPackage")
        arn = register(signed_in, config, archive, first)
        assert register(signed_in, config, archive, first) == arn
        assert register(signed_in, config, archive, second) != arn
    client = account.client("sagemaker")
    packages = client.list_model_packages(ModelPackageGroupName="our-dogs")
    assert len(packages["ModelPackageSummaryList"]) == 2

    # Deployed from there is what somebody has approved.
    def found(model: str) -> str:
        return str(find_model(signed_in, model, Path("outputs")).label)

    with pytest.raises(CloudError, match=r"none of the 2 versions is approved: aws sagemaker upd"):
        found("registry:our-dogs")
    with pytest.raises(CloudError, match=r"the status of this version is PendingManualApproval: "):
        found(arn)
    with pytest.raises(CloudError, match=r"no model package group cats with a version: "):
        found("registry:cats")
    with pytest.raises(CloudError, match="there is no such version in the registry"):
        found(arn.replace("our-dogs/1", "our-dogs/7"))
    client.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    assert found("registry:our-dogs") == found(arn) == "registry:our-dogs/1"
    assert find_model(signed_in, arn, Path("outputs")).uri == archive.uri
    newer = arn.replace("our-dogs/1", "our-dogs/2")
    client.update_model_package(ModelPackageArn=newer, ModelApprovalStatus="Approved")
    assert found("registry:our-dogs") == "registry:our-dogs/2"
    client.update_model_package(ModelPackageArn=newer, ModelApprovalStatus="Rejected")
    assert found("registry:our-dogs") == "registry:our-dogs/1"


@pytest.mark.parametrize(
    ("script", "arguments", "sentence"),
    [
        ("deploy.py", ("dry_run=true", "launcher.bucket=s3://b"), "launcher.bucket=s3://b: "),
        ("train.py", ("dry_run=true", "best=null", "launcher.tags={a: [}"), "is never closed"),
        ("tune.py", ("dry_run=true", "launcher.prefix=../x"), "launcher.prefix=../x: "),
        ("query.py", ("launcher.bucket=s3://b", "photo.jpg"), "launcher.bucket=s3://b: "),
        ("query.py", ("endpoint=my dogs", "photo.jpg"), "endpoint=my dogs: "),
        ("teardown.py", ("launcher.bucket=B/x",), "launcher.bucket=B/x: "),
        ("teardown.py", ("endpoint=my_dogs",), "endpoint=my_dogs: "),
    ],
)
def test_commands_refuse_it_in_one_line(
    script: str, arguments: Sequence[str], sentence: str, tmp_path: Path
) -> None:
    done = run_in_process(PROJECT / "launch" / script, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
