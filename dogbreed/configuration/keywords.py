"""From keyword arguments of a Python function to the configuration that a command would have."""

import os
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from dogbreed.configuration.composing import compose_as, groups_of
from dogbreed.configuration.schema import Section, keys, nearest
from dogbreed.errors import ConfigError


def compose_keywords(
    schema: type[Section], config_name: str, settings: Mapping[str, Any]
) -> Section:
    """Compose conf/<config_name>.yaml with `settings`: keys and groups by name, with their values.

    A key is named in full (optim.lr) or by its last word (lr), which stands for the least nested
    key that ends with it. Values are taken as they are; no grammar reads them.

    Raises:
        ConfigError: an unknown, ambiguous or repeated name, a value that the key doesn't take.
    """
    groups = groups_of(schema)
    choices = [f"{name}={value}" for name, value in settings.items() if name in groups]
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if name in groups:
            continue
        key = _key_of(schema, name)
        if key in values:
            raise ConfigError(f"{name}: {key} is given twice.")
        values[key] = _plain(value)
    return compose_as(schema, config_name, choices, values)


def _key_of(schema: type[Any], name: str) -> str:
    """The dotted key that a name means."""
    known = [key for key, _, _ in keys(schema)]
    if name in known:
        return name
    by_depth = defaultdict(list)
    for key in known:
        if key.rpartition(".")[2] == name:
            by_depth[key.count(".")].append(key)
    if not by_depth:
        names = [*known, *(key.rpartition(".")[2] for key in known), *groups_of(schema)]
        raise ConfigError(
            f"There is no key {name}.{nearest(name, names)} `dogbreed train --help` lists them all."
        )
    candidates = by_depth[min(by_depth)]
    if len(candidates) > 1:
        ways = " or ".join(f"**{{{key!r}: ...}}" for key in candidates[:3])
        raise ConfigError(f"{name} can be one of several keys: write {ways}.")
    return candidates[0]


def _plain(value: Any) -> Any:
    """A value of Python's own types: a path as text, a NumPy scalar as a number."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    return value
