"""JSON of strangers: refused unless it is one object of bounded size, depth and plain numbers."""

import json
import math
from collections.abc import Sequence
from typing import Any

# Of the bytes alone: "[]," costs 3 of them and 70 in memory.
MAX_VALUES = 1_000_000
# Ours are five deep: metrics, a split, its intervals, one of them, its ends.
MAX_DEPTH = 20
_MAX_INTEGER_DIGITS = 18  # what 64 bits hold


def parse_object(data: bytes) -> dict[str, Any]:
    """The object that `data`, UTF-8, is.

    Raises:
        ValueError: it is none, or has a name twice, a number that isn't finite or over 64 bits,
            over MAX_VALUES values, or one inside another over MAX_DEPTH deep.
    """
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise ValueError(f"it has more than {MAX_VALUES:,} values")
    try:
        values = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_not_finite,
            parse_float=_finite,
            parse_int=_integer,
        )
    except RecursionError as error:
        raise ValueError(f"its values are more than {MAX_DEPTH} deep") from error
    if not isinstance(values, dict):
        raise ValueError("it isn't an object")
    _check_depth(values)
    return values


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("it has a name twice")
    return values


def _not_finite(text: str) -> float:
    raise ValueError("it has a number that isn't finite")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _not_finite(text)


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_INTEGER_DIGITS:
        raise ValueError("it has a number of more than 64 bits")
    return int(text)


def _check_depth(values: Any) -> None:
    level = [values]
    for _ in range(MAX_DEPTH):
        inside: list[Any] = []
        for value in level:
            children = value.values() if isinstance(value, dict) else value
            inside += (each for each in children if isinstance(each, dict | list))
        level = inside
    if level:
        raise ValueError(f"its values are more than {MAX_DEPTH} deep")
