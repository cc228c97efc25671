"""Convert configuration values to SageMaker's hyperparameters, which are strings, and back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dogbreed.configuration.overrides import quoted
from dogbreed.configuration.schema import flat
from dogbreed.errors import ConfigError
from dogbreed.utils.documents import DocumentError, json_value


def encode(value: Any) -> str:
    """Encode a value as JSON, which distinguishes "64" and 64, "null" and null."""
    return json.dumps(value, ensure_ascii=False)


def decode(text: str) -> Any:
    """Decode a hyperparameter; text that isn't JSON is returned as it is."""
    try:
        return json_value(text)
    except DocumentError:
        return text


def as_hyperparameters(values: Mapping[str, Any]) -> dict[str, str]:
    """Encode values by their keys."""
    return {name: encode(value) for name, value in values.items()}


def changed(config: Any, defaults: Any) -> dict[str, Any]:
    """The values of `config` that differ from `defaults`, by dotted key."""
    default_values = flat(defaults)
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in flat(config).items()
        if value != default_values[name] or type(value) is not type(default_values[name])
    }


def as_overrides(hyperparameters: Mapping[str, str]) -> list[str]:
    """The hyperparameters as command-line overrides, KEY=VALUE."""
    return [f"{name}={_as_override(decode(text))}" for name, text in hyperparameters.items()]


def from_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """Parse `--key value --other value`, the arguments from SageMaker's training toolkit.

    Raises:
        ConfigError: the arguments aren't such pairs.
    """
    names, texts = arguments[::2], arguments[1::2]
    if len(names) != len(texts) or not all(name.startswith("--") for name in names):
        raise ConfigError(f"{' '.join(arguments)}: hyperparameters are written --KEY VALUE.")
    return {name[2:]: text for name, text in zip(names, texts, strict=True)}


def _as_override(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(_as_override, value))}]"
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{quoted(k)}:{_as_override(each)}" for k, each in value.items()) + "}"
        )
    if isinstance(value, str):
        return quoted(value)  # else "null" and "1e3" would be parsed as null and a number
    return repr(value)
