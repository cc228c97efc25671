"""Request parameters for training and tuning jobs, built from the SDK's shapes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker.core import shapes

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.tags import all_tags
from dogbreed.cloud.container.entry_point import JOB, TRAIN
from dogbreed.cloud.jobs.capacity import retry_strategy, training_resources, tuning_resources
from dogbreed.cloud.jobs.source import ENTRY_POINT
from dogbreed.configuration.search import (
    BAYESIAN,
    GRID,
    HYPERBAND,
    RANDOM,
    LauncherConfig,
    SearchConfig,
)
from dogbreed.evaluation.metrics.registry import objectives
from dogbreed.search.hyperparameters import encode
from dogbreed.search.space import Space, as_parameter_ranges
from dogbreed.utils.metric_lines import metric_regexes

STRATEGY_WORDS = {BAYESIAN: "Bayesian", RANDOM: "Random", HYPERBAND: "Hyperband", GRID: "Grid"}
MIN_TUNING_S, MAX_TUNING_S = 120, 15_768_000  # limits of the service


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training job, or the definition of all trials of a tuning job.

    `channels` maps the name of an input channel to its S3 prefix; `checkpoints_uri` is synchronized
    with /opt/ml/checkpoints, None without checkpoints. `types` are the instance types, of which the
    first with capacity is used; each instance has a disk of `volume_gb`.
    """

    name: str
    kind: str
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, str]
    image_uri: str
    source_uri: str
    output_uri: str
    checkpoints_uri: str | None
    types: tuple[str, ...]
    instance_count: int
    volume_gb: int

    def all_hyperparameters(self) -> dict[str, str]:
        """With those of the container's training toolkit: program, source, distribution."""
        toolkit = {
            "sagemaker_program": encode(ENTRY_POINT),
            "sagemaker_submit_directory": encode(self.source_uri),
            JOB: encode(self.kind),
        }
        if self.instance_count > 1 and self.kind == TRAIN:
            toolkit["sagemaker_torch_distributed_enabled"] = encode(True)
        return toolkit | dict(self.hyperparameters)


def training_request(account: Account, launcher: LauncherConfig, job: Job) -> dict[str, Any]:
    """The arguments of the SDK's TrainingJob.create."""
    return {
        "training_job_name": job.name,
        "hyper_parameters": job.all_hyperparameters(),
        "algorithm_specification": shapes.AlgorithmSpecification(
            training_image=job.image_uri,
            training_input_mode="File",
            metric_definitions=_metrics(),
        ),
        "tags": _tags(launcher),
        **_common(account, launcher, job, training_resources(launcher, *_place(job))),
    }


def tuning_request(
    account: Account,
    launcher: LauncherConfig,
    job: Job,
    search: SearchConfig,
    space: Space,
    epochs: int | str,
) -> dict[str, Any]:
    """The arguments of the SDK's HyperParameterTuningJob.create; `job` is each of its trials."""
    request: dict[str, Any] = {
        "hyper_parameter_tuning_job_name": job.name,
        "hyper_parameter_tuning_job_config": _tuning(launcher, search, space, epochs),
        "training_job_definition": shapes.HyperParameterTrainingJobDefinition(
            static_hyper_parameters=job.all_hyperparameters(),
            algorithm_specification=shapes.HyperParameterAlgorithmSpecification(
                training_image=job.image_uri,
                training_input_mode="File",
                metric_definitions=_metrics(),
            ),
            **_common(account, launcher, job, tuning_resources(launcher, *_place(job))),
        ),
        "tags": _tags(launcher),
    }
    if search.warm_start:
        parents = [
            shapes.ParentHyperParameterTuningJob(hyper_parameter_tuning_job_name=name)
            for name in search.warm_start
        ]
        request["warm_start_config"] = shapes.HyperParameterTuningJobWarmStartConfig(
            parent_hyper_parameter_tuning_jobs=parents, warm_start_type="TransferLearning"
        )
    return request


def _common(
    account: Account, launcher: LauncherConfig, job: Job, resources: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments that a training job and the definition of a trial have in common."""
    run_s = 60 * launcher.max_run_minutes
    stopping = {"max_runtime_in_seconds": run_s}
    if launcher.spot:
        stopping["max_wait_time_in_seconds"] = run_s + 60 * launcher.max_wait_minutes
    output = {"s3_output_path": job.output_uri}
    if launcher.output_kms_key:
        output["kms_key_id"] = launcher.output_kms_key
    common: dict[str, Any] = {
        "role_arn": account.role_arn,
        "input_data_config": [_channel(*item) for item in job.channels.items()],
        "output_data_config": shapes.OutputDataConfig(**output),
        **resources,
        "stopping_condition": shapes.StoppingCondition(**stopping),
        "enable_managed_spot_training": launcher.spot,
        "enable_inter_container_traffic_encryption": False,
        # The toolkit downloads the source from S3 and installs requirements.txt.
        "enable_network_isolation": False,
        "environment": {"PYTHONUNBUFFERED": "1"},
        **retry_strategy(launcher),
    }
    if job.checkpoints_uri:
        common["checkpoint_config"] = shapes.CheckpointConfig(s3_uri=job.checkpoints_uri)
    if launcher.subnets:
        common["vpc_config"] = shapes.VpcConfig(
            subnets=list(launcher.subnets), security_group_ids=list(launcher.security_groups)
        )
    return common


def _place(job: Job) -> tuple[tuple[str, ...], int, int]:
    """Where a job runs: instance types, number of instances, size of their disks in GB."""
    return job.types, job.instance_count, job.volume_gb


def _channel(name: str, uri: str) -> shapes.Channel:
    source = shapes.S3DataSource(
        s3_data_type="S3Prefix", s3_uri=uri, s3_data_distribution_type="FullyReplicated"
    )
    return shapes.Channel(
        channel_name=name,
        input_mode="File",
        data_source=shapes.DataSource(s3_data_source=source),
    )


def _tuning(
    launcher: LauncherConfig, search: SearchConfig, space: Space, epochs: int | str
) -> shapes.HyperParameterTuningJobConfig:
    """Strategy, objective, limits and ranges."""
    ranges = as_parameter_ranges(space)
    more: dict[str, Any] = {}
    if search.strategy == HYPERBAND:
        # A trial that reaches max_resource is stopped before its model is written, so none may. It
        # reports its objective after each epoch, and once more at its end.
        max_resource = int(epochs) + 2
        more["strategy_config"] = shapes.HyperParameterTuningJobStrategyConfig(
            hyperband_strategy_config=shapes.HyperbandStrategyConfig(
                min_resource=1, max_resource=max_resource
            )
        )
    # Hyperband stops trials by itself, and is refused with any other early stopping.
    early = search.early_stopping and search.strategy != HYPERBAND
    return shapes.HyperParameterTuningJobConfig(
        strategy=STRATEGY_WORDS[search.strategy],
        hyper_parameter_tuning_job_objective=shapes.HyperParameterTuningJobObjective(
            type=search.direction.capitalize(), metric_name=search.objective
        ),
        resource_limits=shapes.ResourceLimits(
            max_number_of_training_jobs=search.trials,
            max_parallel_training_jobs=int(search.parallel),
            max_runtime_in_seconds=_max_runtime_s(launcher, search),
        ),
        parameter_ranges=shapes.ParameterRanges(
            **{
                _snake(kind): [
                    {_snake(field): value for field, value in each.items()} for each in numbers
                ]
                for kind, numbers in ranges.items()
            }
        ),
        training_job_early_stopping_type="Auto" if early else "Off",
        random_seed=search.seed + 1,  # the SDK (3.27) leaves a 0 out
        **more,
    )


def _max_runtime_s(launcher: LauncherConfig, search: SearchConfig) -> int:
    """The run time of a tuning job if each trial takes its maximum time."""
    wait = launcher.max_wait_minutes if launcher.spot else 0
    rounds = math.ceil(search.trials / int(search.parallel))
    return min(MAX_TUNING_S, max(MIN_TUNING_S, 60 * (launcher.max_run_minutes + wait) * rounds))


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _metrics() -> list[shapes.MetricDefinition]:
    regexes = metric_regexes(objectives())
    return [shapes.MetricDefinition(name=name, regex=regex) for name, regex in regexes.items()]


def _tags(launcher: LauncherConfig) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in all_tags(launcher).items()]
