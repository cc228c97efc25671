"""What the service checks in a new job beyond the form of the request."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from contract.resources import resource_problems, tuning_resource_problems, with_instances

TUNED_TYPES = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")
MAX_HYPERPARAMETERS = 100
MAX_RANGES = 30


def training_problems(request: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a training job, or with the definition of a tuning job's."""
    for name in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if name not in request:
            yield f"{name} is required for a training job that isn't serverless."
            return
    channels = Counter(item["ChannelName"] for item in request.get("InputDataConfig", []))
    if repeated := [name for name, count in channels.items() if count > 1]:
        yield f"Channel names must be unique: {', '.join(repeated)}."
    for definition in request["AlgorithmSpecification"].get("MetricDefinitions", []):
        try:
            groups = re.compile(definition["Regex"]).groups
        except re.error:
            groups = 0
        if groups < 1:
            yield f"Invalid regular expression of the metric {definition['Name']}."
    spot = bool(request.get("EnableManagedSpotTraining"))
    yield from resource_problems(request["ResourceConfig"], spot=spot)
    yield from _waiting_problems(request)


def _waiting_problems(request: dict[str, Any]) -> Iterator[str]:
    """Spot training needs a longest wait, and nothing else may have one."""
    limits = request["StoppingCondition"]
    if request.get("EnableManagedSpotTraining"):
        if limits.get("MaxWaitTimeInSeconds", 0) < limits.get("MaxRuntimeInSeconds", 86400):
            yield (
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
                "MaxRuntimeInSeconds"
            )
    elif "MaxWaitTimeInSeconds" in limits:
        yield (
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining "
            "is set to true"
        )


def tuning_problems(request: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a tuning job."""
    definition = request.get("TrainingJobDefinition")
    if definition is None:
        yield "This emulation knows only tuning jobs with one TrainingJobDefinition."
        return
    yield from tuning_resource_problems(definition)
    yield from training_problems(with_instances(definition, ()))
    if len(definition.get("Environment", {})) > 48:
        yield "A tuning job's Environment can't have more than 48 entries."
    config = request["HyperParameterTuningJobConfig"]
    objective = config.get("HyperParameterTuningJobObjective", {}).get("MetricName")
    metrics = definition["AlgorithmSpecification"].get("MetricDefinitions", [])
    if objective not in [metric["Name"] for metric in metrics]:
        yield (
            "A metric is required for this hyperparameter tuning job objective. "
            "Provide a metric in the metric definitions."
        )
    yield from _range_problems(config.get("ParameterRanges", {}), definition)
    yield from _strategy_problems(config, definition)


def _range_problems(ranges: dict[str, Any], definition: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the ranges themselves."""
    tuned = [one for kind in TUNED_TYPES for one in ranges.get(kind, [])]
    static = definition.get("StaticHyperParameters", {})
    names = Counter([one["Name"] for one in tuned] + list(static))
    if repeated := [name for name, count in names.items() if count > 1]:
        yield f"A hyperparameter can be given only once: {', '.join(repeated)}."
    if not 0 < len(tuned) <= MAX_RANGES:
        yield f"A tuning job needs 1 to {MAX_RANGES} hyperparameter ranges, not {len(tuned)}."
    if len(names) + 1 > MAX_HYPERPARAMETERS:  # one is _tuning_objective_metric
        yield f"A training job can't have more than {MAX_HYPERPARAMETERS} hyperparameters."
    for kind in TUNED_TYPES[:2]:
        for one in ranges.get(kind, []):
            yield from _bound_problems(one, is_integer=kind == TUNED_TYPES[0])


def _bound_problems(one: dict[str, str], *, is_integer: bool) -> Iterator[str]:
    """What is wrong with one numerical range."""
    name, scale = one["Name"], one.get("ScalingType", "Auto")
    try:
        low, high = (
            int(value) if is_integer else float(value)
            for value in (one["MinValue"], one["MaxValue"])
        )
    except ValueError:
        low, high = math.nan, math.nan
    if not low <= high:
        yield f"The bounds of {name} aren't numbers from a smaller to a larger one."
    elif scale == "Logarithmic" and low <= 0:
        yield f"{name}: logarithmic scaling takes only values greater than 0."
    elif scale == "ReverseLogarithmic" and (is_integer or low < 0 or high >= 1):
        yield f"{name}: reverse logarithmic scaling takes only continuous values, 0 <= x < 1."


def _strategy_problems(config: dict[str, Any], definition: dict[str, Any]) -> Iterator[str]:
    """What a strategy can't do."""
    strategy, ranges = config["Strategy"], config.get("ParameterRanges", {})
    most = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    if strategy == "Grid":
        if ranges.get(TUNED_TYPES[0]) or ranges.get(TUNED_TYPES[1]):
            yield "Grid search takes only categorical ranges."
        size = math.prod(len(one["Values"]) for one in ranges.get(TUNED_TYPES[2], []))
        if most not in (None, size):
            yield f"Grid search needs {size} training jobs for these ranges, not {most}."
    hyperband = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig")
    if strategy == "Hyperband" and config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        yield "TrainingJobEarlyStoppingType must be OFF with the Hyperband strategy."
    if strategy != "Hyperband" and hyperband is not None:
        yield "HyperbandStrategyConfig is only supported with the Hyperband strategy."
    epochs = {"epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs"}
    given = hyperband is not None and "MaxResource" in hyperband
    inferred = bool(epochs & set(definition.get("StaticHyperParameters", {})))
    if strategy == "Hyperband" and not given and not inferred:
        yield "Hyperband needs a MaxResource, or a static hyperparameter that says the epochs."
