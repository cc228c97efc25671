"""What the service says of a request that doesn't fit its model, in its own words."""

from typing import Any

from dogbreed.cloud.aws import service_model


def problems(operation: str, parameters: dict[str, Any], service: str = "sagemaker") -> list[str]:
    """What the service would say against this request; empty if it would take it."""
    return [_sentence(each) for each in service_model.problems(service, operation, parameters)]


def _sentence(problem: service_model.Problem) -> str:
    shown = "null" if problem.value is None else f"'{problem.value}'"
    return (
        f"Value {shown} at '{problem.place}' failed to satisfy constraint: Member must "
        f"{problem.rule}"
    )
