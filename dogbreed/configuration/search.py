"""Every key of launch/tune.py and launch/train.py beyond those of a training."""

from dataclasses import dataclass, fields
from typing import Any

from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import key, path_key
from dogbreed.evaluation.metrics import registry

LOCAL, SAGEMAKER = "local", "sagemaker"
BAYESIAN, RANDOM, HYPERBAND, GRID = STRATEGIES = ("bayesian", "random", "hyperband", "grid")
MINIMIZE, MAXIMIZE = DIRECTIONS = (registry.MINIMIZE, registry.MAXIMIZE)
MANY, ONE = JOBS = ("many", "one")
FEATURES, PHOTOS = INPUTS = ("features", "photos")
NEWEST = "newest"


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """What is searched, for what, how, and for how long."""

    name: str = key("auto: by the time; a local search of that name is gone on with")
    space: dict[str, Any] = key("the keys that are searched, each with its range")
    objective: str = key("the metric of the epoch that a trial keeps", choices=registry.objectives)
    direction: str = key("whether less of it is better, or more", choices=DIRECTIONS)
    strategy: str = key("how the next trial is chosen", choices=STRATEGIES)
    trials: int = key("how many trials", at_least=1, at_most=10_000)
    parallel: int | str = key("trials at a time; auto: one per core, 2 jobs", at_least=1)
    early_stopping: bool = key("stop trials that are worse than others were at the same epoch")
    warm_start: tuple[str, ...] = key("earlier searches whose trials are known beforehand")
    seed: int = key("seed of what is tried", at_least=0, at_most=2147483646)
    jobs: str = key(
        "on SageMaker: many: a job per trial; one: the local search inside one job", choices=JOBS
    )
    input: str = key(
        "what SageMaker's trials read: features that one job extracted first, or photos",
        choices=INPUTS,
    )


@dataclass(frozen=True, kw_only=True)
class AccountConfig:
    """Which AWS account's region, role and bucket; and what everything made there has."""

    region: str | None = key("AWS region; null: as AWS's own configuration says")
    role: str | None = key(
        "role of what runs there, name or ARN; null: $SAGEMAKER_ROLE or caller's"
    )
    bucket: str | None = key("S3 bucket; null: sagemaker-REGION-ACCOUNT")
    prefix: str = key("folder in the bucket that everything lies in")
    output_kms_key: str | None = key("KMS key of what lies in S3; null: the bucket's")
    subnets: tuple[str, ...] = key("VPC subnets that everything runs in")
    security_groups: tuple[str, ...] = key("VPC security groups of it")
    tags: dict[str, str] = key("tags of everything that is made, name: value")


@dataclass(frozen=True, kw_only=True)
class LauncherConfig(AccountConfig):
    """Where trainings run: on this machine, or in jobs of SageMaker."""

    name: str = key("where", choices=(LOCAL, SAGEMAKER))
    image_uri: str | None = key("container to train in; null: AWS's PyTorch container")
    instance_type: str = key("of trainings and trials")
    instance_count: int = key("instances of a training, through DDP", at_least=1, at_most=100)
    extract_instance_type: str | None = key("of the feature extraction; null: as of trainings")
    extract_instance_count: int = key(
        "instances that share the photos of the extraction", at_least=1, at_most=100
    )
    spot: bool = key("spot instances: cheaper, may be interrupted, go on from the checkpoint")
    max_run_minutes: int = key("longest time of a job", at_least=1, at_most=28 * 24 * 60)
    max_wait_minutes: int = key(
        "longest wait for spot instances, on top", at_least=0, at_most=28 * 24 * 60
    )
    volume_gb: int = key("disk of an instance", at_least=1, at_most=16384)
    volume_kms_key: str | None = key("KMS key of the disks; null: AWS's own")


@dataclass(frozen=True, kw_only=True)
class LaunchConfig(Config):
    """A training's keys, and where it runs."""

    launcher: LauncherConfig
    wait: bool = key("show a live table until it ends; false: return at once")
    attach: str | None = key("take up the job of this name, running or ended, and start nothing")
    dry_run: bool = key("show what would be done, sent and paid; needs no credentials")


@dataclass(frozen=True, kw_only=True)
class TuneConfig(LaunchConfig):
    """What launch/tune.py takes."""

    search: SearchConfig


@dataclass(frozen=True, kw_only=True)
class FinalConfig(LaunchConfig):
    """What launch/train.py takes."""

    best: str | None = path_key(
        "search whose best hyperparameters are trained: its name, its best.yaml, or newest; "
        "null: what the configuration says"
    )
    cloud_debugger: bool = key(
        "on SageMaker: AWS's own Debugger too, for accounts that had it before 2026-07-30"
    )


def training_of(config: LaunchConfig) -> Config:
    """The part of a launch that is a training."""
    return Config(**{item.name: getattr(config, item.name) for item in fields(Config)})
