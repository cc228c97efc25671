"""One training job in a container, as the SageMaker SDK's local mode runs it under podman."""

import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, SMALL, draw_folders

from dogbreed.cloud.aws.images import training_image
from dogbreed.cloud.container.entry_point import PHOTOS, TRAIN
from dogbreed.cloud.jobs.channels import Channel
from dogbreed.cloud.jobs.job import Job
from dogbreed.cloud.jobs.source import job_requirements, pack_source
from dogbreed.configuration.composing import compose
from dogbreed.search.hyperparameters import as_hyperparameters, changed

pytestmark = [
    pytest.mark.containers,
    # The SDK (3.27) leaves the pipe open through which it reads docker-compose.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# A training container of your own; without it one is built here, by image.sh.
VARIABLE = "DOGBREED_CONTAINER_IMAGE"
STAND_IN = "localhost/dogbreed-stand-in"
BUILD = Path(__file__).with_name("image.sh")
REGION = "us-east-1"  # the SDK needs one
# What the stand-in has of Python comes to it as a channel, and must be made for its Python.
PACKAGES = "packages"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
MAX_S = 900  # a job
# What podman gives a container by itself is more than every machine lets it give.
LIMITS = {"nofile": 1024, "nproc": 1024}
SAME_PYTHON = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{PYTHON}')"


def complaint(*command: str) -> str | None:
    """The last line of what a command says when it fails; None if it doesn't."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode == 0:
        return None
    return (done.stderr or done.stdout).strip().split("\n")[-1] or f"exit code {done.returncode}"


@pytest.fixture
def podman(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Podman where the SDK's `docker` and `docker-compose` look for Docker."""
    if shutil.which("podman") is None:
        pytest.skip("podman isn't installed")
    folder = tmp_path_factory.mktemp("podman")  # a short name: sockets' paths are limited
    if shutil.which("docker") is None:
        (folder / "docker").symlink_to(str(shutil.which("podman")))
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    if shutil.which("docker-compose") is None and complaint("docker", "compose", "version"):
        pytest.skip("docker-compose isn't installed, by which the SDK starts containers")
    socket = folder / "socket"
    command = ["podman", "system", "service", "--time=0", f"unix://{socket}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        try:
            while not socket.exists():
                if service.poll() is not None:
                    last = service.communicate()[1].strip().split("\n")[-1]
                    pytest.skip(f"podman's service doesn't start here: {last}")
                time.sleep(0.05)
            monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
            yield
        finally:
            service.terminate()
            service.communicate()


@pytest.fixture
def image(podman: None) -> str:
    """The image that the variable names, else the stand-in."""
    name = os.environ.get(VARIABLE) or STAND_IN
    if complaint("podman", "image", "exists", name):
        why = build() if name == STAND_IN else complaint("podman", "pull", name)
        if why:
            pytest.skip(f"there is no image ({why}): name a training container as {VARIABLE}")
    limits = [f"--ulimit={limit}={most}:{most}" for limit, most in LIMITS.items()]
    start = ("podman", "run", "--rm", "--network=none", *limits)
    if why := complaint(*start, "--entrypoint=true", name):
        pytest.skip(f"podman can't run containers here: {why}")
    if name == STAND_IN and complaint(*start, "--entrypoint=python3", name, "-c", SAME_PYTHON):
        pytest.skip(f"the stand-in's Python isn't {PYTHON}: name a container as {VARIABLE}")
    return name


def build() -> str | None:
    """Build the stand-in; why not, if it can't be."""
    if os.getuid() != 0 or shutil.which("debootstrap") is None:
        return "a stand-in is built by debootstrap, as root"
    return complaint("sh", str(BUILD), STAND_IN)


def request(image: str, source: Path, photos: Path, output: Path) -> dict[str, object]:
    """What is sent to SageMaker, with folders of this machine where S3 stands there."""
    settings = changed(compose(SMALL), compose([]))
    job = Job(
        name="dogbreed-in-a-container",
        kind=TRAIN,
        hyperparameters=as_hyperparameters(settings),
        channels={PHOTOS: Channel(str(photos))},
        image_uri=image,
        source_uri=f"file://{source}",
        output_uri=f"file://{output}",
        checkpoints_uri=None,
        types=("local",),
        instance_count=1,
        volume_gb=30,
    )
    channels = {name: each.uri for name, each in job.channels.items()}
    if image == STAND_IN:
        channels[PACKAGES] = sysconfig.get_path("purelib")
    return {
        "TrainingJobName": job.name,
        "HyperParameters": job.all_hyperparameters(),
        "AlgorithmSpecification": {"TrainingImage": job.image_uri, "TrainingInputMode": "File"},
        "InputDataConfig": [channel(*each) for each in channels.items()],
        "OutputDataConfig": {"S3OutputPath": job.output_uri},
        "ResourceConfig": {"InstanceType": job.types[0], "InstanceCount": 1},
        # Not every podman has names of hosts in its networks, for which the toolkit would wait.
        "Environment": {"SM_STUDIO_LOCAL_MODE": "true"},
    }


def channel(name: str, folder: str) -> dict[str, object]:
    source = {"FileUri": f"file://{folder}", "FileDataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"FileDataSource": source}}


def local_session(folder: Path) -> Any:
    """The SDK's session for this machine; it knows no account, and what it sends can't leave."""
    import boto3
    from sagemaker.core.local import LocalSession

    quiet = {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}
    session = LocalSession(
        boto3.Session("not-a-key", "not-a-secret", region_name=REGION),
        sagemaker_config={"SchemaVersion": "1.0", "SageMaker": quiet},
    )
    session.config = {
        "local": {"container_root": str(folder), "container_config": {"ulimits": LIMITS}}
    }
    return session


@contextmanager
def containers_below(folder: Path) -> Iterator[Path]:
    """A folder for the SDK; what it starts there is ended after `MAX_S`, and removed."""
    compose = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]

    def remove() -> None:
        for file in folder.glob("*/docker-compose.yaml"):
            complaint(*compose, "-f", str(file), "down", "--timeout=5")

    folder.mkdir()
    timer = threading.Timer(MAX_S, remove)
    timer.start()
    try:
        yield folder
    finally:
        timer.cancel()
        remove()


def unpack(data: bytes, folder: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def test_a_job_in_a_container_trains_a_model(image: str, tmp_path: Path) -> None:
    carried = training_image(REGION, "ml.c7i.xlarge", image, date.today()).carries
    source = unpack(
        pack_source(PROJECT, job_requirements(PROJECT, carried)).data, tmp_path / "source"
    )
    photos = draw_folders(tmp_path / "photos", {"train": 12, "valid": 4, "test": 4})
    output = tmp_path / "output"
    with containers_below(tmp_path / "containers") as folder:
        client = local_session(folder).sagemaker_client
        client.create_training_job(**request(image, source, photos, output))
    model = unpack((output / "model.tar.gz").read_bytes(), tmp_path / "model")
    papers = unpack((output / "output.tar.gz").read_bytes(), tmp_path / "papers")
    assert (model / "model.safetensors").stat().st_size > 1_000_000
    metrics = json.loads((papers / "data" / "metrics.json").read_text("utf-8"))
    assert metrics["test"]["n"] == 12
    assert not (papers / "failure").exists()
