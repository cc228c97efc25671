"""The search space: parsed from YAML, converted for Optuna and SageMaker.

    search:
      space:
        optim:
          lr: {type: float, low: 1.0e-4, high: 0.1, scale: log}
          eps: null                                   # not searched
        data:
          batch_size: {type: choice, values: [64, 128, 256]}

The tree has the structure of the configuration: the entry optim.lr is the range of optim.lr.
"""

import dataclasses
import math
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import keys, parse_key, unknown_key
from dogbreed.errors import ConfigError
from dogbreed.search.searchable import SEARCHABLE, Value

FLOAT, INT, CHOICE = "float", "int", "choice"
LINEAR, LOG = "linear", "log"
FIELDS = {
    FLOAT: ("low", "high", "scale"),
    INT: ("low", "high", "scale"),
    CHOICE: ("values",),
}


@dataclass(frozen=True)
class Numbers:
    """Numbers from `low` to `high`, on a linear or a logarithmic scale."""

    type: str
    low: float
    high: float
    log: bool


@dataclass(frozen=True)
class Choice:
    """A list of values."""

    values: tuple[Value, ...]


Range = Numbers | Choice
Space = Mapping[str, Range]


def read_space(tree: Mapping[str, Any]) -> Space:
    """Parse `search.space` into ranges by dotted key; both ends are valid values of the key.

    Raises:
        ConfigError: an unknown key, a malformed range, or a value that isn't valid for the key.
    """
    kinds = {name for name, _, _ in keys(Config)}
    space: dict[str, Range] = {}
    for name, node in _leaves(tree):
        if name not in kinds:
            raise ConfigError(f"search.space.{name}: {unknown_key(name, Config)}")
        if node is None:
            continue
        if name not in SEARCHABLE:
            raise ConfigError(
                f"search.space.{name}: {name} can't be searched: set it for all trials. "
                f"These can: {', '.join(SEARCHABLE)}."
            )
        space[name] = _range(name, node)
    if not space:
        raise ConfigError(
            "search.space is empty: choose one (search=lr_eps_batch), or add a range "
            "(search.space.optim.lr={type:float,low:1e-4,high:0.1,scale:log})."
        )
    return space


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, node in tree.items():
        if isinstance(node, Mapping) and "type" not in node and not _looks_like_range(node):
            yield from _leaves(node, f"{prefix}{name}.")
        else:
            yield prefix + str(name), node


def _looks_like_range(node: Mapping[str, Any]) -> bool:
    return bool(node.keys() & {"low", "high", "values", "scale"})


def _range(name: str, node: Any) -> Range:
    where = f"search.space.{name}"
    if not isinstance(node, Mapping) or "type" not in node:
        raise ConfigError(
            f"{where}={node}: write {{type:float,low:A,high:B,scale:log}}, the same with int, or "
            "{type:choice,values:[A,B]}; null: not searched."
        )
    kind = node["type"]
    if kind not in FIELDS:
        raise ConfigError(f"{where}.type={kind}: must be one of {', '.join(FIELDS)}.")
    unknown = [str(field) for field in node if field not in (*FIELDS[kind], "type")]
    if unknown:
        raise ConfigError(f"{where}.{unknown[0]}: a {kind} has only {', '.join(FIELDS[kind])}.")
    return _choice(name, node) if kind == CHOICE else _numbers(name, node)


def _choice(name: str, node: Mapping[str, Any]) -> Choice:
    where, values = f"search.space.{name}", node.get("values")
    if not isinstance(values, list | tuple):
        raise ConfigError(f"{where}.values={values}: must be a list.")
    checked = tuple(_value(f"{where}.values", name, value) for value in values)
    if len(set(checked)) != len(checked):
        raise ConfigError(f"{where}.values={list(values)}: a value occurs twice.")
    if len(checked) < 2:
        raise ConfigError(
            f"{where}.values={list(values)}: a search needs at least two values: add another, or "
            f"set {name} itself."
        )
    return Choice(checked)


def _numbers(name: str, node: Mapping[str, Any]) -> Numbers:
    where, kind = f"search.space.{name}", node["type"]
    scale = node.get("scale", LINEAR)
    if scale not in (LINEAR, LOG):
        raise ConfigError(f"{where}.scale={scale}: must be {LINEAR} or {LOG}.")
    if kind == FLOAT and not _takes_fractions(name):
        raise ConfigError(f"{where}.type=float: {name} is an integer: take type=int.")
    ends: list[float] = []
    for end in ("low", "high"):
        value: Any = node.get(end)
        if type(value) not in (int, float) or not math.isfinite(value):
            raise ConfigError(f"{where}.{end}={value}: must be a number.")
        if kind == INT and value != int(value):
            raise ConfigError(f"{where}.{end}={value}: must be an integer.")
        if end == "low" and scale == LOG and not value > 0:
            raise ConfigError(
                f"{where}.low={value:.12g}: a logarithmic scale starts above 0; "
                f"take a small number, or scale={LINEAR}."
            )
        _value(f"{where}.{end}", name, int(value) if kind == INT else float(value))
        ends.append(value)
    low, high = ends
    if not low < high:
        raise ConfigError(f"{where}: low={low:.12g} must be below high={high:.12g}.")
    return Numbers(kind, low, high, scale == LOG)


def _takes_fractions(name: str) -> bool:
    kind = next(kind for known, kind, _ in keys(Config) if known == name)
    return float in (kind, *typing.get_args(kind))  # also of a key that may be "auto"


def _value(where: str, name: str, value: Any) -> Value:
    """Validate a value of the key."""
    try:
        return typing.cast(Value, parse_key(Config, name, value))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def holds(each: Range, value: Value) -> bool:
    """Whether a value is in the range."""
    if isinstance(each, Choice):
        return any(value == one and type(value) is type(one) for one in each.values)
    kinds = (int, float) if each.type == FLOAT else int
    if isinstance(value, bool) or not isinstance(value, kinds):
        return False
    return each.low <= value <= each.high


def grid_size(space: Space) -> int | None:
    """The number of combinations in a space; None if it has a float range."""
    sizes = []
    for each in space.values():
        if isinstance(each, Choice):
            sizes.append(len(each.values))
        elif each.type == INT:
            sizes.append(int(each.high) - int(each.low) + 1)
        else:
            return None
    return math.prod(sizes)


def apply(config: Config, values: Mapping[str, Value]) -> Config:
    """The configuration with these values set, e.g. {"optim.lr": 0.01}."""
    changed: Any = config
    for name, value in values.items():
        section, _, field = name.rpartition(".")
        if section:
            inner = dataclasses.replace(getattr(changed, section), **{field: value})
            changed = dataclasses.replace(changed, **{section: inner})
        else:
            changed = dataclasses.replace(changed, **{field: value})
    return typing.cast(Config, changed)


def as_distributions(space: Space) -> dict[str, Any]:
    """The space as Optuna's distributions."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    def convert(each: Range) -> Any:
        if isinstance(each, Choice):
            return CategoricalDistribution(each.values)
        if each.type == INT:
            return IntDistribution(int(each.low), int(each.high), log=each.log)
        return FloatDistribution(each.low, each.high, log=each.log)

    return {name: convert(each) for name, each in space.items()}
