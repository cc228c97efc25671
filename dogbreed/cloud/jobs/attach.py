"""attach=NAME: a job that exists in the account, as the SDK's objects and our search and space."""

from dataclasses import replace
from typing import Any

from sagemaker.core.resources import HyperParameterTuningJob, TrainingJob
from sagemaker.core.training.configs import Compute, OutputDataConfig

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.jobs.status import given, hyperparameters_of
from dogbreed.cloud.jobs.trainer import Trainer, sdk_session
from dogbreed.cloud.jobs.tuner import Tuner, parameter_ranges
from dogbreed.configuration.commands import typed
from dogbreed.configuration.search import DIRECTIONS, SearchConfig
from dogbreed.errors import CloudError
from dogbreed.evaluation.metrics.registry import objectives
from dogbreed.search.hyperparameters import decode
from dogbreed.search.space import FLOAT, INT, Choice, Numbers, Range, Space
from dogbreed.utils.printable import printable


def search_of(
    name: str, job: HyperParameterTuningJob, search: SearchConfig
) -> tuple[SearchConfig, Space]:
    """The search and the space of a tuning job; they replace those of the configuration.

    Raises:
        CloudError: it is no search of this project.
    """
    config = job.hyper_parameter_tuning_job_config
    objective = config.hyper_parameter_tuning_job_objective
    limits, ranges = config.resource_limits, config.parameter_ranges
    space: dict[str, Range] = {}
    for kind, numbers in (
        (FLOAT, ranges.continuous_parameter_ranges),
        (INT, ranges.integer_parameter_ranges),
    ):
        for each in given(numbers) or ():
            log_scale = given(each.scaling_type) == "Logarithmic"
            space[each.name] = Numbers(
                kind, float(each.min_value), float(each.max_value), log_scale
            )
    for each in given(ranges.categorical_parameter_ranges) or ():
        space[each.name] = Choice(tuple(decode(text) for text in each.values))
    known = replace(
        search,
        name=name,
        objective=str(objective.metric_name),
        direction=str(objective.type).lower(),
        trials=int(limits.max_number_of_training_jobs),
        parallel=int(limits.max_parallel_training_jobs),
    )
    if known.objective not in objectives() or known.direction not in DIRECTIONS:
        raise CloudError(
            f"{name} searches for the {known.direction} of {printable(known.objective)}: it is no "
            f"search of this project; attach one that {typed('tune')} started."
        )
    _check_ranges(name, space)
    return known, space


def _check_ranges(job: str, space: Space) -> None:
    """Check the ranges of a tuning job, which may come from another user, against the schema."""
    for name, each in space.items():
        for value in each.values if isinstance(each, Choice) else (each.low, each.high):
            hyperparameters_of(job, {name: value})


def attached_tuner(
    account: Account, job: HyperParameterTuningJob, search: SearchConfig, space: Space
) -> Tuner:
    """The SDK's tuner of a job that exists."""
    definition = job.training_job_definition
    static = given(definition.static_hyper_parameters)
    trainer = _trainer(account, search.name, definition, static)
    tuner = Tuner(
        trainer,
        search.objective,
        parameter_ranges(space),
        strategy=str(job.hyper_parameter_tuning_job_config.strategy),
        objective_type=search.direction.capitalize(),
        max_jobs=search.trials,
        max_parallel_jobs=int(search.parallel),
    )
    tuner.latest_tuning_job = job
    return tuner


def attached_trainer(account: Account, job: TrainingJob) -> Trainer:
    """The SDK's trainer of a job that exists."""
    trainer = _trainer(account, str(job.training_job_name), job, given(job.hyper_parameters))
    trainer._latest_training_job = job
    return trainer


def _trainer(
    account: Account, name: str, job: Any, hyperparameters: dict[str, str] | None
) -> Trainer:
    """The trainer of a training job, or of the definition of a tuning job's trials."""
    return Trainer(
        sagemaker_session=sdk_session(account),
        role=job.role_arn,
        job_name=name,
        base_job_name=name,
        training_image=job.algorithm_specification.training_image,
        hyperparameters=hyperparameters or {},
        input_data_config=given(job.input_data_config),
        compute=_compute(job),
        output_data_config=OutputDataConfig(s3_output_path=job.output_data_config.s3_output_path),
    )


def _compute(job: Any) -> Compute:
    """The instances of a job, of the first type if there was a choice."""
    resources = given(job.resource_config)
    if resources is None:
        resources = job.hyper_parameter_tuning_resource_config.instance_configs[0]
    used = given(getattr(resources, "selected_instance_type", None)) or resources.instance_type
    return Compute(instance_type=given(used), instance_count=resources.instance_count)
