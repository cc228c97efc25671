"""Checks a SageMaker request against the service's own model, as the service does.

botocore checks required fields and types before it sends; lengths, ranges, patterns and choices it
leaves to the service. They stand in the same model, so they are checked from there.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session  # type: ignore[import-untyped, unused-ignore]

# Java's names of character classes, near enough for Python.
JAVA_CLASSES = {
    r"\p{L}": "a-zA-Z\u00c0-\uffff",
    r"\p{M}": "\u0300-\u036f",
    r"\p{N}": r"\d",
    r"\p{P}": "!-/:-@\\[-`{-~",
    r"\p{S}": "$+<=>^`|~",
    r"\p{Z}": r"\s",
    r"\p{Alnum}": "a-zA-Z0-9",
}


def problems(operation: str, parameters: dict[str, Any]) -> list[str]:
    """What the service would say against this request; empty if it would take it."""
    model = _model()
    if operation not in model.operation_names:
        return []
    shape = model.operation_model(operation).input_shape
    return list(_check(shape, parameters, "")) if shape is not None else []


@cache
def _model() -> Any:
    return botocore.session.get_session().get_service_model("sagemaker")


def _check(shape: Any, value: Any, place: str) -> Iterator[str]:
    """The problems of one value and of all below it. `place` is the service's way to name it."""
    yield from _own(shape, value, place)
    if shape.type_name == "structure" and isinstance(value, dict):
        for name in shape.required_members:
            if value.get(name) is None:
                yield _sentence(None, _below(place, _camel(name)), "not be null")
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _check(member, value[name], _below(place, _camel(name)))
    elif shape.type_name == "list" and isinstance(value, list):
        for number, item in enumerate(value, start=1):
            yield from _check(shape.member, item, f"{place}.{number}.member")
    elif shape.type_name == "map" and isinstance(value, dict):
        for key, item in value.items():
            yield from _check(shape.key, key, place)
            yield from _check(shape.value, item, f"{place}.{key}.member")


def _own(shape: Any, value: Any, place: str) -> Iterator[str]:
    """The problems of the value itself: its size, its choices, its pattern."""
    rules = shape.metadata
    if isinstance(value, str | list | dict):
        what, size = "length", len(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        what, size = "value", value  # type: ignore[assignment]
    else:
        return
    if "min" in rules and size < rules["min"]:
        yield _sentence(value, place, f"have {what} greater than or equal to {rules['min']}")
    if "max" in rules and size > rules["max"]:
        yield _sentence(value, place, f"have {what} less than or equal to {rules['max']}")
    if not isinstance(value, str):
        return
    if shape.enum and value not in shape.enum:
        yield _sentence(value, place, f"satisfy enum value set: [{', '.join(shape.enum)}]")
    if "pattern" in rules and not _fits(rules["pattern"], value):
        yield _sentence(value, place, f"satisfy regular expression pattern: {rules['pattern']}")


def _fits(pattern: str, value: str) -> bool:
    expression = _compiled(pattern)
    return expression is None or expression.fullmatch(value) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern in Python's words; None for the few that it has no words for."""
    for name, characters in JAVA_CLASSES.items():
        pattern = pattern.replace(name, characters)
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _sentence(value: Any, place: str, rule: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{place}' failed to satisfy constraint: Member must {rule}"


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _camel(name: str) -> str:
    return name[0].lower() + name[1:]
