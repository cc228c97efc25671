"""The keys of launch/pipeline.py in addition to those of a search and of a deployment."""

from dataclasses import dataclass

from dogbreed.configuration.deploy import ServingConfig
from dogbreed.configuration.schema import key
from dogbreed.configuration.search import TuneConfig


@dataclass(frozen=True, kw_only=True)
class PipelineSection:
    """The SageMaker Pipeline: name, condition, and where an approved model is deployed."""

    name: str = key("name of the pipeline; an existing one is updated")
    role: str | None = key("role of pipeline and event rule, name or ARN; null: launcher.role")
    min_top1: float = key(
        "top-1 accuracy on the test photos below which no model is registered",
        at_least=0,
        at_most=1,
    )
    group: str = key("model package group in which the model is registered, pending approval")
    endpoint: str | None = key("endpoint that an approved model is deployed to; null: none")
    start: bool = key("also start an execution, which costs")


@dataclass(frozen=True, kw_only=True)
class PipelineConfig(TuneConfig):
    """The keys of launch/pipeline.py."""

    pipeline: PipelineSection
    deploy: ServingConfig
