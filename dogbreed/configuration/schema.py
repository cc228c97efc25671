"""What a configuration class is made of, and values turned into one: types, bounds, choices.

A class of keys is a frozen dataclass whose fields are made by `key`. `parse` fills it, or says
which key is wrong and what would be right.
"""

import difflib
import math
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from dogbreed.errors import ConfigError
from dogbreed.utils.user_paths import expanded

Section = TypeVar("Section")

AUTO = "auto"

# Kinds of keys beside single values: whatever is nested below a key, texts by names of any
# characters, and a list of texts.
TREE = dict[str, Any]
TAGS = dict[str, str]
TEXTS = tuple[str, ...]


def conf_dir() -> Path:
    """The folder of the configuration: inside the installed package, or at the checkout's top."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "conf"


def key(
    help: str,
    *,
    above: float | None = None,
    below: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] = (),
) -> Any:
    """A dataclass field with its sentence for --help and the bounds that `parse` holds it to.

    `choices` is a function where they are a list that grows, such as that of the metrics.
    """
    bounds = {"above": above, "at least": at_least, "below": below, "at most": at_most}
    return field(metadata={"help": help, "bounds": bounds, "choices": choices})


def path_key(help: str) -> Any:
    """A dataclass field for the path of a file or a folder: `parse` replaces ~ by the home folder.

    It may take other words too, such as auto, or the name of a job.
    """
    return field(metadata={"help": help, "bounds": {}, "choices": (), "path": True})


def parse(schema: type[Section], values: Mapping[str, Any], prefix: str = "") -> Section:
    """Turn nested values into `schema`, checking names, types, choices and bounds.

    Raises:
        ConfigError: names the key, what it holds, what it may hold, and the nearest key.
    """
    hints = typing.get_type_hints(schema)
    names = {f.name for f in fields(schema)}  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            raise unknown_key(prefix + str(name), schema, prefix)
    parsed: dict[str, Any] = {}
    for item in fields(schema):  # type: ignore[arg-type]
        name = prefix + item.name
        if item.name not in values and item.default is MISSING:
            raise ConfigError(f"{name} has no value: write {name}=VALUE.")
        kind, value = hints[item.name], values[item.name]
        if is_dataclass(kind):
            if not isinstance(value, Mapping):
                raise ConfigError(
                    f"{name} is a group of keys, not a value: write {name}.KEY=VALUE."
                )
            parsed[item.name] = parse(typing.cast(type[Any], kind), value, name + ".")
        else:
            parsed[item.name] = _checked(name, value, kind, item.metadata)
    return schema(**parsed)


def keys(schema: type[Any], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield every key as (dotted name, type, sentence), in the order of the schema."""
    hints = typing.get_type_hints(schema)
    for item in fields(schema):
        kind = hints[item.name]
        if is_dataclass(kind):
            yield from keys(typing.cast(type[Any], kind), f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, kind, _sentence(item.metadata)


def flat(config: Any, prefix: str = "") -> dict[str, Any]:
    """Every value of a parsed configuration by its dotted key, in the order of the schema."""
    values: dict[str, Any] = {}
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value):
            values |= flat(value, f"{prefix}{item.name}.")
        else:
            values[prefix + item.name] = value
    return values


def without_places(config: Any) -> dict[str, Any]:
    """A parsed configuration as plain, nested values for publishing.

    Of a path only its last name is there: who trained, and where, is nobody's business.
    """
    values: dict[str, Any] = {}
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value):
            value = without_places(value)
        elif item.metadata.get("path") and isinstance(value, str):
            value = Path(value).name or value
        values[item.name] = value
    return values


def leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every value of nested ones, such as a configuration that was written, by its dotted name."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= leaves(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def parse_key(schema: type[Any], name: str, value: Any) -> Any:
    """One key's value in its own type.

    Raises:
        ConfigError: the key doesn't take it.
    """
    return _checked(name, value, *_kind_and_metadata(schema, name))


def argument(
    schema: type[Any], key: str, value: Any, *, name: str = "", kind: type[Any] | None = None
) -> Any:
    """A Python caller's argument, held to what the configuration's `key` takes.

    numpy's scalars count as what they hold. `name` is the argument's where it isn't the key's
    last word, `kind` its type where the key takes more than that (auto, null).

    Raises:
        ConfigError: it isn't of that type, or outside its bounds or choices.
    """
    found, metadata = _kind_and_metadata(schema, key)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    name = name or key.rpartition(".")[2]
    return _checked(name, value, kind or found, metadata, f"{name}={brief(value)}")


def brief(value: Any) -> str:
    """A value as a message shows it, on one line."""
    text = " ".join(repr(value).split())
    return f"{text[:80]}…" if len(text) > 80 else text


def _kind_and_metadata(schema: Any, name: str) -> tuple[Any, Mapping[str, Any]]:
    *sections, field_name = name.split(".")
    for section in sections:
        schema = _hints(schema)[section]
    item = next(each for each in fields(schema) if each.name == field_name)
    return _hints(schema)[field_name], item.metadata


@cache
def _hints(schema: Any) -> dict[str, Any]:
    return typing.get_type_hints(schema)


def nearest(value: object, known: Iterable[str]) -> str:
    """ " Did you mean linear?", whatever its case; empty where no name is near."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(str(value).casefold(), folded, n=1, cutoff=0.5)
    return f" Did you mean {folded[near[0]]}?" if near else ""


def unknown_key(name: str, schema: type[Any], prefix: str = "") -> ConfigError:
    """The error for a key that doesn't exist, with the nearest one that does."""
    known = [known_name for known_name, _, _ in keys(schema, prefix)]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not near:
        near = [
            known_name for known_name in known if known_name.split(".")[-1] == name.split(".")[-1]
        ]
    hint = f" Did you mean {near[0]}?" if near else ""
    return ConfigError(f"There is no key {name}.{hint} --help lists them all.")


def _choices(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    found = metadata["choices"]
    choices: tuple[str, ...] = found() if callable(found) else found
    return choices


def _sentence(metadata: Mapping[str, Any]) -> str:
    allowed = " | ".join(_choices(metadata)) or ", ".join(_limits(metadata["bounds"]))
    return f"{metadata['help']} ({allowed})" if allowed else str(metadata["help"])


def _checked(name: str, value: Any, kind: Any, metadata: Mapping[str, Any], shown: str = "") -> Any:
    """The value in its own type, or a ConfigError; `shown` is how its message shows the value."""
    shown = shown or f"{name}={value}"
    if kind == TREE:
        return _tree(name, value)
    if kind == TAGS:
        return {str(tag): _tag(name, tag, text) for tag, text in _tree(name, value).items()}
    if kind == TEXTS:
        return _texts(name, value)
    allowed = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    converted = _converted(value, allowed)
    choices = _choices(metadata)
    if choices and converted not in choices:
        raise ConfigError(f"{shown}: must be one of {', '.join(choices)}.{nearest(value, choices)}")
    if converted is _WRONG or (
        str in allowed and int in allowed and isinstance(converted, str) and converted != AUTO
    ):
        wanted = " or ".join(
            _TYPE_WORDS[t] if t is not str or int not in allowed else AUTO for t in allowed
        )
        raise ConfigError(f"{shown}: must be {wanted}.")
    if isinstance(converted, int | float) and not isinstance(converted, bool):
        for word, bound in metadata["bounds"].items():
            if bound is not None and not _HOLDS[word](converted, bound):
                raise ConfigError(f"{shown}: must be {_range(metadata['bounds'])}.")
    if metadata.get("path") and isinstance(converted, str):
        return expanded(name, converted)
    return converted


def _tree(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name}={value}: is a group of keys: write {name}.KEY=VALUE.")
    return dict(value)


def _tag(name: str, tag: Any, value: Any) -> str:
    """A tag's value as text; a YAML file may hold numbers and dates."""
    if value is None:
        raise ConfigError(
            f"{name}: {tag} has no value: write '' for an empty one, 'null' in quotes for the word."
        )
    if isinstance(value, Mapping | list | tuple):
        raise ConfigError(f"{name}: {tag}={value}: must be one text.")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(each, str | int) for each in values):
        raise ConfigError(f"{name}={value}: must be a list: write {name}=[ONE,TWO].")
    return tuple(map(str, values))


_WRONG = object()
_TYPE_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    types.NoneType: "null",
}
_HOLDS = {
    "above": lambda value, bound: value > bound,
    "below": lambda value, bound: value < bound,
    "at least": lambda value, bound: value >= bound,
    "at most": lambda value, bound: value <= bound,
}


def _range(bounds: Mapping[str, float | None]) -> str:
    return " and ".join(_limits(bounds))


def _limits(bounds: Mapping[str, float | None]) -> list[str]:
    """Each bound that there is in words, whole numbers in full."""
    return [
        f"{word} {bound}" if isinstance(bound, int) else f"{word} {bound:g}"
        for word, bound in bounds.items()
        if bound is not None
    ]


def _converted(value: Any, allowed: tuple[Any, ...]) -> Any:
    """The value as one of the allowed types where nothing is lost by it, else `_WRONG`."""
    if type(value) in allowed and not (isinstance(value, float) and not math.isfinite(value)):
        return value
    if float in allowed and type(value) is int:
        # No key takes a number that a float can't hold.
        return float(value) if abs(value) < sys.float_info.max else _WRONG
    if int in allowed and isinstance(value, float) and value.is_integer():
        return int(value)
    if (
        str in allowed
        and int not in allowed
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    ):
        return str(value)
    return _WRONG
