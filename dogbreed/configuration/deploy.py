"""The keys of launch/deploy.py, launch/query.py and launch/teardown.py."""

from dataclasses import dataclass
from typing import Any

from dogbreed.configuration.run import FolderConfig
from dogbreed.configuration.schema import key, path_key
from dogbreed.configuration.search import INDEX, INSTALLS, NONE, AccountConfig
from dogbreed.utils.registry import Registry

REALTIME, ASYNC, SERVERLESS, BATCH = KINDS = ("realtime", "async", "serverless", "batch")
RAY, PYTORCH = "ray", "pytorch"
ME, EVERYBODY = "me", "all"  # values of the key `owner` that name nobody
# A dogbreed.artifact.servers.base.Server each.
SERVERS: Registry[Any] = Registry("server", "dogbreed.artifact.servers")


@dataclass(frozen=True, kw_only=True)
class ServingConfig:
    """How a model is deployed."""

    kind: str = key(
        "endpoint on instances, one that scales to zero, serverless (experimental: not yet seen on "
        "AWS), or batch transform job",
        choices=KINDS,
    )
    server: str = key(
        "AWS's container: Ray Serve, or TorchServe, which gets no more patches",
        choices=SERVERS.names,
    )
    image_uri: str | None = key("serving container; null: AWS's for that server")
    role: str | None = key("execution role of the model, name or ARN; null: launcher.role")
    install: str = key(
        "OpenVINO and Pillow of the container: wheels: in the model's archive, which needs no "
        "network; index: by pip from an index; none: the container's torch and Pillow",
        choices=INSTALLS,
        former={"true": INDEX, "false": NONE},
    )
    instance_type: str | None = key("instance type of the endpoint or job")
    volume_kms_key: str | None = key("KMS key of the disks of the endpoint or job; null: AWS's")
    instance_count: int = key("instances; with scaling the minimum", at_least=1, at_most=100)
    max_instances: int | None = key(
        "maximum instances of automatic scaling; null: no scaling", at_least=1, at_most=100
    )
    photos_per_minute: int = key(
        "target of an instance, above which scaling adds another", at_least=1
    )
    backlog: int = key(
        "async: target of waiting photos per instance, above which scaling adds another",
        at_least=1,
    )
    memory_mb: int = key(
        "memory of a serverless endpoint, a multiple of 1024", at_least=1024, at_most=6144
    )
    concurrency: int = key(
        "concurrent photos of a serverless endpoint, or of an async endpoint's or a job's instance",
        at_least=1,
        at_most=200,
    )
    startup_minutes: int = key("maximum start-up time of the server", at_least=1, at_most=60)
    capture_percent: int = key(
        "percentage of requests and responses captured in S3", at_least=0, at_most=100
    )
    tiff: bool = key("accept TIFF from any client; false: they get 415")
    register: str | None = key("model package group in which the model is registered")
    alarms: bool = key(
        "CloudWatch alarms for failed requests, latency, missing instances; they roll back updates"
    )
    alarm_topic: str | None = key("ARN of the SNS topic that the alarms notify; null: none")
    alarm_latency_ms: int = key(
        "latency that a tenth of the requests may exceed without an alarm",
        at_least=1,
        at_most=60000,
    )
    ttl_hours: float | str | None = key(
        "delete the endpoint automatically after this time; null: never; auto: 24 for models of "
        "the sample set, others must set it",
        above=0,
        at_most=8760,
    )
    ttl_role: str | None = key("ARN of the role that deletes it; null: the execution role")
    photos: str | None = path_key("photos of a job: a local folder, or s3://BUCKET/PREFIX/")
    max_photo_mb: int = key("maximum size of a photo of a job", at_least=1, at_most=25)


@dataclass(frozen=True, kw_only=True)
class DeployConfig:
    """The keys of launch/deploy.py."""

    deploy: ServingConfig
    endpoint: str = key("its name; an existing endpoint is updated, and continues to serve")
    model: str = path_key(
        "newest (of yours), a run's folder, best or latest (of outputs), a training or tuning job, "
        "registry:GROUP (its newest approved version), or s3://.../model.tar.gz"
    )
    photo: str | None = path_key("photo of the smoke test; null: a generated one")
    output_root: str = path_key("folder of the runs")
    dry_run: bool = key("show requests, uploads and costs; needs no credentials")
    data: FolderConfig
    launcher: AccountConfig


@dataclass(frozen=True, kw_only=True)
class QueryConfig:
    """The keys of launch/query.py, in addition to photos."""

    endpoint: str = key("its name; newest: your newest endpoint of this project")
    top_k: int = key("number of classes, the most likely first", at_least=1)
    explain: bool = key("write the Grad-CAM overlay of the most likely class")
    max_px: int = key("longer side that larger photos are scaled down to", at_least=64)
    patience_s: float | str = key(
        "how long to retry while it is busy or starting; auto: 120, async endpoints 900", at_least=0
    )
    timeout_s: float = key("time limit of each URL, including name resolution", above=0)
    max_bytes: int = key("maximum size of each URL's response", at_least=1)
    logs: bool = key("print the log of the endpoint's server")
    log_minutes: float = key("minutes of the log to print", above=0)
    data: FolderConfig
    launcher: AccountConfig


@dataclass(frozen=True, kw_only=True)
class TeardownConfig:
    """The keys of launch/teardown.py."""

    endpoint: str | None = key("delete this endpoint and all its resources")
    all: bool = key("delete all resources of this project that the owner has")
    owner: str = key(
        "whose resources are deleted: me, another owner's name, or all, also those of nobody"
    )
    wait_minutes: float = key(
        "how long to wait for resources that can't be deleted yet", at_least=0
    )
    launcher: AccountConfig
