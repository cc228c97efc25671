"""The keys of launch/tune.py and launch/train.py in addition to those of a training."""

from dataclasses import dataclass, fields
from typing import Any

from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import AUTO, key, path_key
from dogbreed.evaluation.metrics import registry

LOCAL, SAGEMAKER = "local", "sagemaker"
BAYESIAN, RANDOM, HYPERBAND, GRID = STRATEGIES = ("bayesian", "random", "hyperband", "grid")
MINIMIZE, MAXIMIZE = DIRECTIONS = (registry.MINIMIZE, registry.MAXIMIZE)
MANY, ONE = "many", "one"
JOBS = (MANY, ONE, AUTO)
FEATURES, PHOTOS = INPUTS = ("features", "photos")
NEWEST = "newest"
# How a container gets its packages: from wheels in S3, from an index, or not at all.
WHEELS, INDEX, NONE = INSTALLS = ("wheels", "index", "none")


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """The space, objective, strategy and budget of a search."""

    name: str = key("auto: from the time; an existing local search of that name is resumed")
    space: dict[str, Any] = key("the searched keys, each with its range")
    objective: str = key("the metric of the epoch that a trial keeps", choices=registry.objectives)
    direction: str = key("whether less of it is better, or more", choices=DIRECTIONS)
    strategy: str = key("how the next trial's values are chosen", choices=STRATEGIES)
    trials: int = key("number of trials", at_least=1, at_most=10_000)
    parallel: int | str = key("parallel trials; auto: one per core, 2 jobs", at_least=1)
    early_stopping: bool = key("stop trials that are worse than the median at the same epoch")
    warm_start: tuple[str, ...] = key("earlier searches whose trials are reused")
    seed: int = key("seed of the sampled values", at_least=0, at_most=2147483646)
    jobs: str = key(
        "on SageMaker: many: a job per trial; one: the local search in one job; auto: the cheaper",
        choices=JOBS,
    )
    input: str = key(
        "input of the trials on SageMaker: features, which one job extracts first, or photos",
        choices=INPUTS,
    )


@dataclass(frozen=True, kw_only=True)
class AccountConfig:
    """Region, role, bucket, network and tags in the AWS account."""

    region: str | None = key("AWS region; null: that of the AWS configuration")
    role: str | None = key("execution role, name or ARN; null: $SAGEMAKER_ROLE or the caller's")
    bucket: str | None = key("S3 bucket; null: sagemaker-REGION-ACCOUNT")
    prefix: str = key("folder in the bucket for all objects")
    output_kms_key: str | None = key("KMS key of objects in S3; null: the bucket's")
    subnets: tuple[str, ...] = key("VPC subnets of jobs and endpoints")
    security_groups: tuple[str, ...] = key("VPC security groups of jobs and endpoints")
    tags: dict[str, str] = key("tags of all resources, name: value")


@dataclass(frozen=True, kw_only=True)
class LauncherConfig(AccountConfig):
    """Where trainings run: on this machine, or as SageMaker jobs."""

    name: str = key("where trainings run", choices=(LOCAL, SAGEMAKER))
    image_uri: str | None = key("training container; null: AWS's PyTorch container")
    install: str = key(
        "packages of jobs: wheels from S3, which needs no network; index: by pip from an index; "
        "none: the image has them",
        choices=INSTALLS,
    )
    environment: dict[str, str] = key("variables of the container, NAME: value; no secrets")
    instance_type: tuple[str, ...] = key(
        "instance type of trainings and trials; a list: the first with capacity"
    )
    instance_count: int = key("instances of a training (DDP)", at_least=1, at_most=100)
    extract_instance_type: tuple[str, ...] = key(
        "instance type, or list, of the feature extraction; []: those of trainings"
    )
    extract_instance_count: int = key(
        "instances of the feature extraction", at_least=1, at_most=100
    )
    spot: bool = key("spot instances: cheaper, may be interrupted, resume from the checkpoint")
    max_run_minutes: int = key("maximum run time of a job", at_least=1, at_most=28 * 24 * 60)
    max_wait_minutes: int = key(
        "maximum additional wait for spot instances", at_least=0, at_most=28 * 24 * 60
    )
    # The bounds of both are those of SageMaker's API.
    retries: int = key(
        "how often a job is retried after SageMaker's own error", at_least=0, at_most=30
    )
    keep_alive_minutes: int = key(
        "after a training, keep its instances for the next one; billed while idle",
        at_least=0,
        at_most=360,
    )
    volume_gb: int | str = key(
        "disk size of an instance; auto: from the photos and features", at_least=1, at_most=16384
    )
    volume_kms_key: str | None = key("KMS key of the disks; null: AWS's")


@dataclass(frozen=True, kw_only=True)
class LaunchConfig(Config):
    """The keys of a training, and where it runs."""

    launcher: LauncherConfig
    wait: bool = key("show a live table until it ends; false: return at once")
    attach: str | None = key(
        "wait for the existing job of this name, running or ended; start nothing"
    )
    dry_run: bool = key("show requests, uploads and maximum costs; needs no credentials")


@dataclass(frozen=True, kw_only=True)
class TuneConfig(LaunchConfig):
    """The keys of launch/tune.py."""

    search: SearchConfig


@dataclass(frozen=True, kw_only=True)
class FinalConfig(LaunchConfig):
    """The keys of launch/train.py."""

    best: str | None = path_key(
        "search whose best hyperparameters are trained: its name, its best.yaml, or newest; "
        "null: the configuration as it is"
    )
    cloud_debugger: bool = key(
        "SageMaker Debugger too, for accounts that used it before 2026-07-30"
    )


def training_of(config: LaunchConfig) -> Config:
    """The training part of a launch's configuration."""
    return Config(**{item.name: getattr(config, item.name) for item in fields(Config)})
