"""Every key of launch/deploy.py, launch/query.py and launch/teardown.py."""

from dataclasses import dataclass
from typing import Any

from dogbreed.configuration.run import FolderConfig
from dogbreed.configuration.schema import key, path_key
from dogbreed.configuration.search import AccountConfig
from dogbreed.utils.registry import Registry

REALTIME, SERVERLESS, BATCH = KINDS = ("realtime", "serverless", "batch")
RAY, PYTORCH = "ray", "pytorch"
# A dogbreed.artifact.servers.base.Server each.
SERVERS: Registry[Any] = Registry("server", "dogbreed.artifact.servers")


@dataclass(frozen=True, kw_only=True)
class ServingConfig:
    """How a model is put to use."""

    kind: str = key(
        "an endpoint on instances, one without, or a job over many photos", choices=KINDS
    )
    server: str = key(
        "AWS's container: Ray Serve, or TorchServe, which gets no patches any more",
        choices=SERVERS.names,
    )
    image_uri: str | None = key("container to serve in; null: AWS's of that server")
    role: str | None = key("role that models are served under, name or ARN; null: launcher.role")
    install: bool = key(
        "have the container install OpenVINO and Pillow; false: it computes with its own, isolated"
    )
    instance_type: str | None = key("of the endpoint or the job")
    instance_count: int = key("instances, the fewest where they scale", at_least=1, at_most=100)
    max_instances: int | None = key(
        "scale up to so many; null: no scaling", at_least=1, at_most=100
    )
    photos_per_minute: int = key("of an instance, before another is added", at_least=1)
    memory_mb: int = key(
        "of a serverless endpoint: whole gigabytes of 1024", at_least=1024, at_most=6144
    )
    concurrency: int = key(
        "photos at a time: of a serverless endpoint, or of a job's instance",
        at_least=1,
        at_most=200,
    )
    startup_minutes: int = key("how long the server may take to start", at_least=1, at_most=60)
    capture_percent: int = key(
        "of requests and answers that are kept in S3", at_least=0, at_most=100
    )
    tiff: bool = key("decode TIFFs too, whoever sends them; else they get 415")
    register: str | None = key("group of the model registry that the model is entered in")
    ttl_hours: float | None = key(
        "delete the endpoint by itself after so long", above=0, at_most=8760
    )
    ttl_role: str | None = key("ARN of the role that deletes it; null: the one that serves")
    photos: str | None = path_key("of a job: a folder here, or s3://BUCKET/PREFIX/")
    max_photo_mb: int = key("largest photo of a job", at_least=1, at_most=25)


@dataclass(frozen=True, kw_only=True)
class DeployConfig:
    """What launch/deploy.py takes."""

    deploy: ServingConfig
    endpoint: str = key("its name; one of that name is updated in place, and goes on answering")
    model: str = path_key(
        "newest, a run's folder, a training or tuning job, or s3://.../model.tar.gz"
    )
    photo: str | None = path_key("sent when it is up; null: one that is drawn")
    output_root: str = path_key("folder of the runs")
    dry_run: bool = key("show what would be sent and what it costs; needs no credentials")
    data: FolderConfig
    launcher: AccountConfig


@dataclass(frozen=True, kw_only=True)
class QueryConfig:
    """What launch/query.py takes beside photos."""

    endpoint: str = key("its name; newest: the newest that this project made")
    top_k: int = key("how many breeds, the likeliest first", at_least=1)
    explain: bool = key("write a picture of what speaks for the breed beside the answer")
    max_px: int = key("longer side that larger photos are scaled down to", at_least=64)
    patience_s: float = key("how long to try again when it is busy or starting", at_least=0)
    timeout_s: float = key("for each URL, from its name to its last byte", above=0)
    max_bytes: int = key("of each URL", at_least=1)
    logs: bool = key("print what the endpoint's server wrote")
    log_minutes: float = key("how far back", above=0)
    data: FolderConfig
    launcher: AccountConfig


@dataclass(frozen=True, kw_only=True)
class TeardownConfig:
    """What launch/teardown.py takes."""

    endpoint: str | None = key("delete this endpoint and all that was made for it")
    all: bool = key("delete everything that this project made")
    wait_minutes: float = key("how long to wait for what can't be deleted yet", at_least=0)
    launcher: AccountConfig
