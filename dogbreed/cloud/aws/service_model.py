"""A request held against the service's own model, as the service does when it arrives.

botocore checks required members, types and the least lengths before it sends; the other lengths,
ranges, choices and patterns it leaves to the service. They are in the model that it carries.
"""

import itertools
import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session

# Java's POSIX classes, which are ASCII there; its others are Unicode's general categories.
_POSIX = {
    "Alnum": "a-zA-Z0-9",
    "Print": r"\x20-\x7e",
    "ASCII": r"\x00-\x7f",
}
# A range from the first to the last surrogate pair, and a quantifier of an end, which says how
# long the whole may be; its length is checked by itself.
_REWRITTEN = {r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010ffff", r"\z": r"\Z"}
_QUANTIFIED_END = re.compile(r"(?<!\\)\$\{\d+,\d+\}")
_TOKEN = re.compile(r"\\p\{(\w+)\}|\\.|[\[\]]", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A member that the service would refuse.

    `place` is its place in the service's way of writing (`tags.1.member.key`), `rule` the end of
    its sentence "Member must ...". `choices` are the values that there are, if they are listed.
    """

    place: str
    value: Any
    rule: str
    choices: tuple[str, ...] = ()


def problems(service: str, operation: str, parameters: dict[str, Any]) -> list[Problem]:
    """What the service would say against a request; empty if it would take it, or isn't known."""
    model = _model(service)
    if operation not in model.operation_names:
        return []
    shape = model.operation_model(operation).input_shape
    return list(_check(shape, parameters, "")) if shape is not None else []


def choices_of(service: str, shape: str) -> tuple[str, ...]:
    """The values that the service lists for a shape, such as its instance types."""
    return tuple(_model(service).shape_for(shape).enum)


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _check(shape: Any, value: Any, place: str) -> Iterator[Problem]:
    """The problems of one value and of all below it."""
    yield from _own(shape, value, place)
    if shape.type_name == "structure" and isinstance(value, dict):
        for name in shape.required_members:
            if value.get(name) is None:
                yield Problem(place=_below(place, name), value=None, rule="not be null")
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _check(member, value[name], _below(place, name))
    elif shape.type_name == "list" and isinstance(value, list | tuple):
        for number, item in enumerate(value, start=1):
            yield from _check(shape.member, item, f"{place}.{number}.member")
    elif shape.type_name == "map" and isinstance(value, dict):
        for key, item in value.items():
            yield from _check(shape.key, key, place)
            yield from _check(shape.value, item, f"{place}.{key}.member")


def _own(shape: Any, value: Any, place: str) -> Iterator[Problem]:
    """The problems of the value itself: its size, or else its choices and its pattern."""
    rules = shape.metadata
    if isinstance(value, str | list | tuple | dict):
        what, size = "length", len(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        what, size = "value", value  # type: ignore[assignment]
    else:
        return
    if "min" in rules and size < rules["min"]:
        rule = f"have {what} greater than or equal to {rules['min']}"
        yield Problem(place=place, value=value, rule=rule)
    elif "max" in rules and size > rules["max"]:
        rule = f"have {what} less than or equal to {rules['max']}"
        yield Problem(place=place, value=value, rule=rule)
    elif isinstance(value, str):
        if shape.enum and value not in shape.enum:
            rule = f"satisfy enum value set: [{', '.join(shape.enum)}]"
            yield Problem(place=place, value=value, rule=rule, choices=tuple(shape.enum))
        if "pattern" in rules and not _fits(rules["pattern"], value):
            rule = f"satisfy regular expression pattern: {rules['pattern']}"
            yield Problem(place=place, value=value, rule=rule)


def _fits(pattern: str, value: str) -> bool:
    try:
        return compiled(pattern).fullmatch(value) is not None
    except re.error:  # of a newer botocore: the service itself will say
        return True


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of a service's model, which is Java's, as Python's.

    Raises:
        re.error: it has something that isn't known here.
    """
    for java, python in _REWRITTEN.items():
        pattern = pattern.replace(java, python)
    pattern = _QUANTIFIED_END.sub("$", pattern)
    inside = False  # a class in brackets

    def in_python(token: re.Match[str]) -> str:
        nonlocal inside
        if token[1] is not None:
            return _category(token[1]) if inside else f"[{_category(token[1])}]"
        if token[0] in "[]":
            inside = token[0] == "["
        return token[0]

    return re.compile(_TOKEN.sub(in_python, pattern), re.ASCII)


def _category(name: str) -> str:
    """The characters of a \\p{NAME}, as they are written in brackets."""
    characters = _POSIX.get(name) or _categories().get(name)
    if characters is None:
        raise re.error(f"unknown class {name}")
    return characters


@cache
def _categories() -> dict[str, str]:
    """All characters by the first letter of their general category: L for letters, and so on."""
    found: dict[str, list[str]] = {}
    codes = range(sys.maxunicode + 1)
    for letter, same in itertools.groupby(codes, lambda code: unicodedata.category(chr(code))[0]):
        run = list(same)
        found.setdefault(letter, []).append(f"\\U{run[0]:08x}-\\U{run[-1]:08x}")
    return {letter: "".join(runs) for letter, runs in found.items()}


def _below(place: str, name: str) -> str:
    name = name[0].lower() + name[1:]
    return f"{place}.{name}" if place else name
