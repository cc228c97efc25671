"""Jobs whose packages come from S3: the real pip in a job, without an index."""

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import PROJECT, SMALL, draw_folders
from helpers.in_process import run_in_process
from helpers.made_wheels import make_wheel

from dogbreed.cloud.aws.account import sign_in
from dogbreed.cloud.jobs import packages
from dogbreed.cloud.jobs.status import describe_training
from dogbreed.cloud.jobs.wait import check_completed
from dogbreed.cloud.wheels.resolve import resolve_wheels
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import CloudError

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures",)
pytestmark = pytest.mark.launch


@pytest.fixture
def job_variables(tmp_path: Path) -> dict[str, str]:
    """In these jobs pip installs for real, into a folder that isn't the tests' environment."""
    return {"OMP_NUM_THREADS": "1", "PIP_DRY_RUN": "0", "PIP_TARGET": str(tmp_path / "installed")}


@pytest.fixture
def launch(
    account: "SageMakerAccount", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """launch/tune.py, whose jobs install one package of their own, which needs another."""
    index = tmp_path / "index"
    make_wheel(index, "probe", requires=["part==1.0"])
    make_wheel(index, "part")
    monkeypatch.setattr(packages, "resolve_wheels", resolve_wheels)  # as it is
    monkeypatch.setattr(packages, "job_requirements", lambda *given: ("probe==1.0", "part==1.0"))
    for name, value in (("CONFIG_FILE", "/dev/null"), ("NO_INDEX", "1"), ("FIND_LINKS", index)):
        monkeypatch.setenv(f"PIP_{name}", str(value))
    photos = draw_folders(tmp_path / "photos", {"train": 4, "valid": 2, "test": 2})
    small = [each for each in SMALL if "batch_size" not in each]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        given = (f"launcher.role={account.role_arn}", f"data.root={photos}", *small, *arguments)
        script = PROJECT / "launch" / "tune.py"
        return run_in_process(script, *given, cwd=tmp_path, DOGBREED_CACHE=str(tmp_path / "cache"))

    return run


def test_every_job_of_a_search_installs_the_same_wheels_without_an_index(
    launch: Callable[..., subprocess.CompletedProcess[str]],
    account: "SageMakerAccount",
    tmp_path: Path,
) -> None:
    trials = ("search=lr_batch", "search.trials=2", "launcher.environment={KENNEL: north}")
    done = launch("search.name=one", *trials)
    assert done.returncode == 0, done.stderr
    assert "packages to s3://" in done.stdout
    assert "wheels/" in done.stdout
    assert ": 2 to upload, 0 unchanged" in done.stdout
    installed = sorted(path.name for path in (tmp_path / "installed").glob("*.py"))
    assert installed == ["part.py", "probe.py"]
    jobs = account.training_jobs
    assert len(jobs) == 3
    places = set()
    for name, job in jobs.items():
        assert "Successfully installed part-1.0 probe-1.0" in account.log(name)
        assert job.request["Environment"]["KENNEL"] == "north"
        channels = {each["ChannelName"]: each for each in job.request["InputDataConfig"]}
        places.add(channels["wheels"]["DataSource"]["S3DataSource"]["S3Uri"])
    (place,) = places

    # Somebody replaces a wheel: a job of before installs nothing, a new launch repairs it.
    key = f"{place.partition(account.bucket + '/')[2]}probe-1.0-py3-none-any.whl"
    other = make_wheel(tmp_path / "other", "probe", code="raise SystemExit('evil')").read_bytes()
    client = account.client("s3")
    client.put_object(Bucket=account.bucket, Key=key, Body=other, ChecksumAlgorithm="SHA256")
    first = next(iter(jobs.values())).request
    account.client("sagemaker").create_training_job(
        **{**first, "TrainingJobName": "replaced"},
        Tags=[{"Key": "project", "Value": "dogbreed"}],
    )
    assert account.wait("replaced", 60) == "Failed"
    assert "DO NOT MATCH THE HASHES" in account.log("replaced")
    assert "evil" not in account.log("replaced")
    config = compose_as(TuneConfig, "tune", [f"launcher.role={account.role_arn}"])
    with pytest.raises(CloudError, match=r"InstallRequirementsError.*packages weren't installed"):
        check_completed(describe_training(sign_in(config.launcher), "replaced", ""))
    again = launch("search.name=two", *trials, "wait=false")
    assert again.returncode == 0, again.stderr
    assert ": 1 to upload, 1 unchanged" in again.stdout
    assert "was replaced and is uploaded again" in again.stdout
    stored = client.get_object(Bucket=account.bucket, Key=key)["Body"].read()
    assert hashlib.sha256(stored).digest() != hashlib.sha256(other).digest()
