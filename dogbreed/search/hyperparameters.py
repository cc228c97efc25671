"""A configuration as SageMaker's hyperparameters, which are all text, and back, unchanged."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dogbreed.configuration.overrides import quoted
from dogbreed.configuration.schema import flat
from dogbreed.errors import ConfigError
from dogbreed.utils.documents import DocumentError, json_value


def encode(value: Any) -> str:
    """A value as a hyperparameter: JSON, so that "64" and 64, "null" and null stay apart."""
    return json.dumps(value, ensure_ascii=False)


def decode(text: str) -> Any:
    """The value of a hyperparameter; text that is no JSON, as others write it, is itself."""
    try:
        return json_value(text)
    except DocumentError:
        return text


def as_hyperparameters(values: Mapping[str, Any]) -> dict[str, str]:
    """Keys and their values as hyperparameters."""
    return {name: encode(value) for name, value in values.items()}


def changed(config: Any, defaults: Any) -> dict[str, Any]:
    """What `config` has otherwise than `defaults`, by dotted key."""
    ground = flat(defaults)
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in flat(config).items()
        if value != ground[name] or type(value) is not type(ground[name])
    }


def as_overrides(hyperparameters: Mapping[str, str]) -> list[str]:
    """What a person would type for these hyperparameters: KEY=VALUE."""
    return [f"{name}={_typed(decode(text))}" for name, text in hyperparameters.items()]


def from_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """The hyperparameters in `--key value --other value`, as the training toolkit writes them.

    Raises:
        ConfigError: the arguments aren't such pairs.
    """
    names, texts = arguments[::2], arguments[1::2]
    if len(names) != len(texts) or not all(name.startswith("--") for name in names):
        raise ConfigError(f"{' '.join(arguments)}: hyperparameters are written --KEY VALUE.")
    return {name[2:]: text for name, text in zip(names, texts, strict=True)}


def _typed(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(_typed, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{quoted(k)}:{_typed(each)}" for k, each in value.items()) + "}"
    if isinstance(value, str):
        return quoted(value)  # or "null" and "1e3" would be read as what they look like
    return repr(value)
