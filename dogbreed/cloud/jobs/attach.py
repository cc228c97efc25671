"""attach=NAME: read search and space back from a tuning job that exists in the account."""

from dataclasses import replace

from sagemaker.core.resources import HyperParameterTuningJob

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.jobs.status import given, hyperparameters_of
from dogbreed.configuration.commands import typed
from dogbreed.configuration.search import DIRECTIONS, SearchConfig
from dogbreed.errors import CloudError
from dogbreed.evaluation.metrics.registry import objectives
from dogbreed.search.hyperparameters import decode
from dogbreed.search.space import FLOAT, INT, Choice, Numbers, Range, Space
from dogbreed.utils.printable import printable


def search_of(account: Account, name: str, search: SearchConfig) -> tuple[SearchConfig, Space]:
    """The search and the space of a tuning job; they replace those of the configuration.

    Raises:
        CloudError: AWS refuses, or it is no search of this project.
    """
    with translate_errors(f"reading {name}"):
        job = HyperParameterTuningJob.get(name, session=account.session, region=account.region)
    assert job is not None
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
