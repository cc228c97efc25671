"""A search as the SageMaker SDK's HyperparameterTuner, built from the configuration."""

import math
from collections.abc import Callable
from typing import Any

from sagemaker.core import shapes
from sagemaker.core.parameter import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    ParameterRange,
)
from sagemaker.core.resources import HyperParameterTuningJob
from sagemaker.core.utils.utils import Unassigned
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.train.tuner import HyperparameterTuner

from dogbreed.cloud.jobs.capacity import (
    start_within_quotas,
    tuning_resources,
    types_of,
    with_types,
)
from dogbreed.cloud.jobs.start import create_once, get_tuning
from dogbreed.cloud.jobs.trainer import Trainer, metric_definitions
from dogbreed.configuration.search import (
    BAYESIAN,
    GRID,
    HYPERBAND,
    RANDOM,
    LauncherConfig,
    SearchConfig,
)
from dogbreed.search.hyperparameters import encode
from dogbreed.search.space import INT, Choice, Range, Space

STRATEGIES = {BAYESIAN: "Bayesian", RANDOM: "Random", HYPERBAND: "Hyperband", GRID: "Grid"}
MIN_TUNING_S, MAX_TUNING_S = 120, 15_768_000  # limits of the service


class Tuner(HyperparameterTuner):  # type: ignore[misc]
    """The SDK's HyperparameterTuner for one job: `tune` starts a job of this name once."""

    def __init__(self, trainer: Trainer, *arguments: Any, **named: Any) -> None:
        super().__init__(trainer, *arguments, **named)
        self._stage: Callable[[], None] | None = None

    def before_start(self, stage: Callable[[], None]) -> None:
        """Call `stage` before the job is created; it uploads the inputs."""
        self._stage = stage

    def _prepare_job_name_for_tuning(self, job_name: str | None = None) -> None:
        super()._prepare_job_name_for_tuning(job_name or self.model_trainer.job_name)

    def _start_tuning_job(self, inputs: Any) -> HyperParameterTuningJob | None:
        start = super()._start_tuning_job
        if isinstance(self.sagemaker_session, PipelineSession):
            start(inputs)
            return None
        if self.latest_tuning_job is not None:
            return self.latest_tuning_job
        if self._stage is not None:
            self._stage()
        name, session = str(self._current_job_name), self.sagemaker_session.boto_session
        trainer, jobs = self.model_trainer, list[HyperParameterTuningJob]()

        def create(types: tuple[str, ...]) -> None:
            trainer.compute = with_types(trainer.compute, types)
            job = create_once(name, lambda: start(inputs), lambda: get_tuning(session, name))
            jobs.append(job)

        start_within_quotas(types_of(trainer.compute), create)
        return jobs[0]

    def _build_training_job_definition(
        self, inputs: Any
    ) -> shapes.HyperParameterTrainingJobDefinition:
        """With what SDK 3.27 leaves out: the disks' key, lists of types, isolation, encryption."""
        definition = super()._build_training_job_definition(inputs)
        compute, network = self.model_trainer.compute, self.model_trainer.networking
        if compute.volume_kms_key_id:
            definition.resource_config.volume_kms_key_id = compute.volume_kms_key_id
        if network is not None:
            encrypted = network.enable_inter_container_traffic_encryption
            definition.enable_network_isolation = network.enable_network_isolation
            definition.enable_inter_container_traffic_encryption = encrypted
        choice = tuning_resources(compute)
        if choice is None:
            return definition
        resources = {"resource_config": Unassigned()}
        resources["hyper_parameter_tuning_resource_config"] = choice
        return definition.model_copy(update=resources)


def tuner_of(
    trainer: Trainer,
    launcher: LauncherConfig,
    search: SearchConfig,
    space: Space,
    epochs: int | str,
) -> Tuner:
    """The tuner of a search, each of whose trials is as `trainer` with values from `space`.

    `search.parallel` must be a number; `epochs` too with hyperband.
    """
    # Hyperband stops trials by itself, and is refused with any other early stopping.
    early = search.early_stopping and search.strategy != HYPERBAND
    return Tuner(
        trainer,
        search.objective,
        parameter_ranges(space),
        metric_definitions=[{"Name": m.name, "Regex": m.regex} for m in metric_definitions()],
        strategy=STRATEGIES[search.strategy],
        strategy_config=_hyperband(int(epochs)) if search.strategy == HYPERBAND else None,
        objective_type=search.direction.capitalize(),
        max_jobs=search.trials,
        max_parallel_jobs=int(search.parallel),
        max_runtime_in_seconds=_max_runtime_s(launcher, search),
        warm_start_config=_warm_start(search) if search.warm_start else None,
        early_stopping_type="Auto" if early else "Off",
        random_seed=search.seed + 1,  # the SDK (3.27) leaves a 0 out
    )


def parameter_ranges(space: Space) -> dict[str, ParameterRange]:
    """A space as the SDK's parameter ranges."""
    return {name: _parameter(each) for name, each in space.items()}


def _parameter(each: Range) -> ParameterRange:
    """A range of the space as the SDK's parameter; choices are encoded as hyperparameters are."""
    if isinstance(each, Choice):
        return CategoricalParameter([encode(value) for value in each.values])
    scale = "Logarithmic" if each.log else "Linear"
    if each.type == INT:
        return IntegerParameter(int(each.low), int(each.high), scale)
    return ContinuousParameter(float(each.low), float(each.high), scale)


def _hyperband(epochs: int) -> shapes.HyperParameterTuningJobStrategyConfig:
    # A trial that reaches max_resource is stopped before its model is written, so none may. It
    # reports its objective after each epoch, and once more at its end.
    limits = shapes.HyperbandStrategyConfig(min_resource=1, max_resource=epochs + 2)
    return shapes.HyperParameterTuningJobStrategyConfig(hyperband_strategy_config=limits)


def _warm_start(search: SearchConfig) -> shapes.HyperParameterTuningJobWarmStartConfig:
    parents = [
        shapes.ParentHyperParameterTuningJob(hyper_parameter_tuning_job_name=name)
        for name in search.warm_start
    ]
    return shapes.HyperParameterTuningJobWarmStartConfig(
        parent_hyper_parameter_tuning_jobs=parents, warm_start_type="TransferLearning"
    )


def _max_runtime_s(launcher: LauncherConfig, search: SearchConfig) -> int:
    """The run time of a tuning job if each trial takes its maximum time."""
    wait = launcher.max_wait_minutes if launcher.spot else 0
    rounds = math.ceil(search.trials / int(search.parallel))
    return min(MAX_TUNING_S, max(MIN_TUNING_S, 60 * (launcher.max_run_minutes + wait) * rounds))
