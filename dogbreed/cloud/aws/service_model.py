"""Validate a request against botocore's service model, as the service itself does.

botocore validates required members, types and minimum lengths before it sends a request. Its model
also has maximum lengths, ranges, enums and patterns, which it leaves to the service.
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

# POSIX classes in Java's regular expressions (ASCII only); all others are Unicode categories.
_POSIX = {
    "Alnum": "a-zA-Z0-9",
    "Print": r"\x20-\x7e",
    "ASCII": r"\x00-\x7f",
}
# Java's range of all surrogate pairs, and its end anchor. An end anchor with a quantifier limits
# the total length, which is checked separately.
_REWRITTEN = {r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010ffff", r"\z": r"\Z"}
_QUANTIFIED_END = re.compile(r"(?<!\\)\$\{\d+,\d+\}")
_TOKEN = re.compile(r"\\p\{(\w+)\}|\\.|[\[\]]", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A member that the service would reject.

    `place` is its path as the service writes it (`tags.1.member.key`), `rule` the end of the
    service's sentence "Member must ...". `choices` are the valid values, if they are listed.
    """

    place: str
    value: Any
    rule: str
    choices: tuple[str, ...] = ()


def problems(service: str, operation: str, parameters: dict[str, Any]) -> list[Problem]:
    """What the service would reject in a request; empty if nothing, or if it isn't known."""
    model = _model(service)
    if operation not in model.operation_names:
        return []
    shape = model.operation_model(operation).input_shape
    return list(_check(shape, parameters, "")) if shape is not None else []


def choices_of(service: str, shape: str) -> tuple[str, ...]:
    """The enum values of a shape, such as the instance types."""
    return tuple(_model(service).shape_for(shape).enum)


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _check(shape: Any, value: Any, place: str) -> Iterator[Problem]:
    """The problems of one value and of all values nested in it."""
    yield from _check_value(shape, value, place)
    if shape.type_name == "structure" and isinstance(value, dict):
        for name in shape.required_members:
            # botocore adds the token of an idempotent request after this check.
            added = shape.members[name].metadata.get("idempotencyToken")
            if value.get(name) is None and not added:
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


def _check_value(shape: Any, value: Any, place: str) -> Iterator[Problem]:
    """The problems of the value itself: its size, or else its enum and its pattern."""
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
    except re.error:  # a newer botocore has other syntax: the service itself validates it
        return True


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A Java pattern of the service model, compiled as a Python pattern.

    Raises:
        re.error: it has syntax that isn't translated.
    """
    for java, python in _REWRITTEN.items():
        pattern = pattern.replace(java, python)
    pattern = _QUANTIFIED_END.sub("$", pattern)
    in_class = False  # in a character class [...]

    def in_python(token: re.Match[str]) -> str:
        nonlocal in_class
        if token[1] is not None:
            return _category(token[1]) if in_class else f"[{_category(token[1])}]"
        if token[0] in "[]":
            in_class = token[0] == "["
        return token[0]

    return re.compile(_TOKEN.sub(in_python, pattern), re.ASCII)


def _category(name: str) -> str:
    """The characters of \\p{NAME}, as the content of a character class."""
    characters = _POSIX.get(name) or _categories(len(name)).get(name)
    if characters is None:
        raise re.error(f"unknown class {name}")
    return characters


@cache
def _categories(letters: int) -> dict[str, str]:
    """All characters by the first one or two letters of their Unicode category, such as L or Zs."""
    found: dict[str, list[str]] = {}
    codes = range(sys.maxunicode + 1)

    def category(code: int) -> str:
        return unicodedata.category(chr(code))[:letters]

    for name, same in itertools.groupby(codes, category):
        run = list(same)
        found.setdefault(name, []).append(f"\\U{run[0]:08x}-\\U{run[-1]:08x}")
    return {name: "".join(runs) for name, runs in found.items()}


def _below(place: str, name: str) -> str:
    name = name[0].lower() + name[1:]
    return f"{place}.{name}" if place else name
