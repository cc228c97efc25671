"""Configuration classes: how they are declared, and how values are parsed and checked.

A class of keys is a frozen dataclass whose fields are created by `key`. `parse` fills it, or raises
an error that names the wrong key and what it may hold.
"""

import difflib
import math
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack
from urllib.parse import urlsplit

from dogbreed.errors import ConfigError
from dogbreed.utils.nouns import NOUN, is_noun
from dogbreed.utils.user_paths import expanded

Section = TypeVar("Section")

AUTO = "auto"

# Kinds of keys besides single values: nested values, texts by names of any characters, and lists
# of texts.
TREE = dict[str, Any]
TAGS = dict[str, str]
TEXTS = tuple[str, ...]


class Bounds(TypedDict, total=False):
    """What a number is compared with, in the order of messages."""

    above: float
    at_least: float
    below: float
    at_most: float


def conf_dir() -> Path:
    """The folder of the configuration: inside the installed package, or at the checkout's top."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "conf"


def key(
    help: str,
    *,
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] = (),
    former: Mapping[str, str] | None = None,
    default: Any = MISSING,
    **bounds: Unpack[Bounds],
) -> Any:
    """A dataclass field with its sentence for --help and the bounds that `parse` checks.

    Args:
        choices: the texts that it takes, or a function that gives them, for names in a registry.
        former: values of former versions, in lower case, and what replaces each.
        default: its value, for keys of a registry's entries; all others have theirs in conf/.
    """
    in_order = {name.replace("_", " "): bounds.get(name) for name in Bounds.__annotations__}
    return field(
        default=default,
        metadata={"help": help, "bounds": in_order, "choices": choices, "former": former or {}},
    )


def section_key(schema: Callable[[], type[Any]]) -> Any:
    """A dataclass field for a group of keys that a registry makes up: `schema` gives its class.

    Its keys have defaults, so that conf/ needn't name them.
    """
    return field(metadata={"schema": schema})


def path_key(help: str) -> Any:
    """A dataclass field for the path of a file or a folder: `parse` replaces ~ by the home folder.

    It may also hold other words, such as auto, or the name of a job.
    """
    return field(metadata={"help": help, "bounds": {}, "choices": (), "path": True})


def address_key(help: str) -> Any:
    """A dataclass field for the address of a server: `parse` takes none with a password.

    The configuration is written into the run's folder, and published without addresses.
    """
    return field(metadata={"help": help, "bounds": {}, "choices": (), "address": True})


def noun_key(help: str) -> Any:
    """A dataclass field for a noun that pages and terminals show: `parse` holds it to `is_noun`."""
    return field(metadata={"help": help, "bounds": {}, "choices": (), "noun": True})


def parse(schema: type[Section], values: Mapping[str, Any], prefix: str = "") -> Section:
    """Turn nested values into `schema`, checking names, types, choices and bounds.

    Raises:
        ConfigError: names the key, its value, what it may hold, and the nearest key.
    """
    hints = typing.get_type_hints(schema)
    names = {f.name for f in fields(schema)}  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            raise unknown_key(prefix + str(name), schema, prefix)
    parsed: dict[str, Any] = {}
    for item in fields(schema):  # type: ignore[arg-type]
        name, kind = prefix + item.name, _kind(item, hints)
        if is_dataclass(kind):
            group = values.get(item.name, {})  # whose keys may have defaults
            if not isinstance(group, Mapping):
                raise ConfigError(
                    f"{name} is a group of keys, not a value: write {name}.KEY=VALUE."
                )
            parsed[item.name] = parse(typing.cast(type[Any], kind), group, name + ".")
            continue
        value = values.get(item.name, item.default)
        if value is MISSING:
            raise ConfigError(f"{name} has no value: write {name}=VALUE.")
        parsed[item.name] = _checked(name, value, kind, item.metadata)
    return schema(**parsed)


def keys(schema: type[Any], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield every key as (dotted name, type, sentence), in the order of the schema."""
    hints = typing.get_type_hints(schema)
    for item in fields(schema):
        kind = _kind(item, hints)
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

    Of a path only its last component is published: the others may name users and machines. Of the
    address of a server nothing is.
    """
    values: dict[str, Any] = {}
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value):
            value = without_places(value)
        elif item.metadata.get("path") and isinstance(value, str):
            value = Path(value).name or value
        elif item.metadata.get("address"):
            value = None
        values[item.name] = value
    return values


def leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every value of a nested mapping, such as a run's config.yaml, by its dotted name."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= leaves(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def parse_key(schema: type[Any], name: str, value: Any) -> Any:
    """One key's value, converted to the key's type.

    Raises:
        ConfigError: the key doesn't take the value.
    """
    return _checked(name, value, *_kind_and_metadata(schema, name))


def argument(
    schema: type[Any], key: str, value: Any, *, name: str = "", kind: type[Any] | None = None
) -> Any:
    """A Python caller's argument, checked like the configuration's `key`.

    numpy's scalars count as Python numbers. `name` is the argument's name where that isn't the
    key's last word, `kind` its type where the key takes more types (auto, null).

    Raises:
        ConfigError: it has another type, or is outside its bounds or choices.
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
        item = next(each for each in fields(schema) if each.name == section)
        schema = _kind(item, _hints(schema))
    item = next(each for each in fields(schema) if each.name == field_name)
    return _hints(schema)[field_name], item.metadata


def _kind(item: Field[Any], hints: Mapping[str, Any]) -> Any:
    """A field's type; a registry's group has that of the entries that there are now."""
    return item.metadata["schema"]() if "schema" in item.metadata else hints[item.name]


def _choices(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] = metadata["choices"]
    return choices() if callable(choices) else choices


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
    same = [known_name for known_name in known if known_name.split(".")[-1] == name.split(".")[-1]]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if same and (not near or "." not in name):  # lr is optim.lr rather than logger
        near = same
    hint = f" Did you mean {near[0]}?" if near else ""
    return ConfigError(f"There is no key {name}.{hint} --help lists them all.")


def _sentence(metadata: Mapping[str, Any]) -> str:
    allowed = " | ".join(_choices(metadata)) or ", ".join(_limits(metadata["bounds"]))
    return f"{metadata['help']} ({allowed})" if allowed else str(metadata["help"])


def _checked(name: str, value: Any, kind: Any, metadata: Mapping[str, Any], shown: str = "") -> Any:
    """The value, converted to `kind`; `shown` is the value as a ConfigError shows it."""
    shown = shown or f"{name}={value}"
    if kind == TREE:
        return _tree(name, value)
    if kind == TAGS:
        return {str(tag): _tag(name, tag, text) for tag, text in _tree(name, value).items()}
    if kind == TEXTS:
        return tuple(
            _checked(name, each, str, {**metadata, "help": ""}) for each in _texts(name, value)
        )
    allowed = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    converted = _converted(value, allowed)
    choices = _choices(metadata)
    if choices and converted not in choices:
        if meant := metadata.get("former", {}).get(str(value).lower()):
            raise ConfigError(f"{shown}: this is a value of former versions: write {name}={meant}.")
        raise ConfigError(f"{shown}: must be one of {', '.join(choices)}.{nearest(value, choices)}")
    is_word = isinstance(converted, str) and not takes_text(allowed)
    if converted is _WRONG or (is_word and converted != AUTO):
        wanted = " or ".join(
            AUTO if t is str and not takes_text(allowed) else _TYPE_WORDS[t] for t in allowed
        )
        raise ConfigError(f"{shown}: must be {wanted}.")
    if isinstance(converted, int | float) and not isinstance(converted, bool):
        for word, bound in metadata["bounds"].items():
            if bound is not None and not _HOLDS[word](converted, bound):
                raise ConfigError(f"{shown}: must be {_range(metadata['bounds'])}.")
    if metadata.get("noun") and not is_noun(converted):
        raise ConfigError(f"{shown}: must be {NOUN}, such as class or breed.")
    if metadata.get("address") and isinstance(converted, str):
        return _without_password(name, converted)
    if metadata.get("path") and isinstance(converted, str):
        return expanded(name, converted)
    return converted


def takes_text(allowed: Collection[Any]) -> bool:
    """Whether a key of these types takes any text: beside a number, str stands for "auto" alone."""
    return str in allowed and not {int, float} & set(allowed)


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


def _without_password(name: str, address: str) -> str:
    try:
        secret = urlsplit(address).password is not None
    except ValueError:  # nothing that can be read as an address has one
        secret = "@" in address
    if secret:
        raise ConfigError(
            f"{name}: an address with a password would be written into the run's folder: give it "
            "in a variable of the environment (MLFLOW_TRACKING_URI, MLFLOW_TRACKING_PASSWORD)."
        )
    return address


def _range(bounds: Mapping[str, float | None]) -> str:
    return " and ".join(_limits(bounds))


def _limits(bounds: Mapping[str, float | None]) -> list[str]:
    """Each bound in words, its number so that it can be typed back exactly."""
    return [
        f"{word} {int(bound) if float(bound).is_integer() else bound}"
        for word, bound in bounds.items()
        if bound is not None
    ]


def _converted(value: Any, allowed: tuple[Any, ...]) -> Any:
    """The value as one of the allowed types if the conversion is exact, else `_WRONG`."""
    if type(value) in allowed and not (isinstance(value, float) and not math.isfinite(value)):
        return value
    if float in allowed and type(value) is int:
        # No key takes an integer beyond the range of float.
        return float(value) if abs(value) < sys.float_info.max else _WRONG
    if int in allowed and isinstance(value, float) and value.is_integer():
        return int(value)
    if takes_text(allowed) and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return _WRONG
