"""The schema of model.json: the bounds of its keys, checked when it is read and when written."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from dogbreed.artifact.description import Description
from dogbreed.artifact.file_names import FORMAT_FILES, files_of
from dogbreed.configuration.run import Config, DataConfig, ModelConfig, PixelsConfig
from dogbreed.configuration.schema import argument, brief, key, nearest
from dogbreed.errors import ConfigError

# Several times ImageNet-21k's classes.
MAX_CLASSES = 100_000
# A class may be a folder in folders: PATH_MAX of Linux.
MAX_NAME_CHARACTERS = 4096
_FIRST_NOUN = "breed"  # what pages called a class before model.json had the key
_MAX_TEXT_CHARACTERS = 256  # of versions, fingerprints and the like
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Settings that are fitted on the validation photos."""

    temperature: float = key("logits are divided by it", above=0)
    threshold: float = key("an answer of a lower probability is unknown", at_least=0, at_most=1)


# The keys that are one value, each with the key of a configuration that has its bounds.
BOUNDED: dict[str, tuple[type[Any], str]] = {
    "noun": (DataConfig, "noun"),
    "views": (Config, "features.views"),
    "dtype": (Config, "artifact.dtype"),
    "temperature": (Calibration, "temperature"),
    "threshold": (Calibration, "threshold"),
}


def parse_description(values: Mapping[str, Any]) -> Description:
    """The description in the values of model.json, less its version and its own checksum.

    A key that the first models lack has the meaning of its time: the classes themselves as display
    names, which pages call breeds, one view, no calibration, no export format.

    Raises:
        ValueError: names the key that is wrong, and what it must be.
    """
    for name in values:
        if name not in _CHECKS:
            raise ValueError(f"{brief(name)} is no key that is known.{nearest(name, _CHECKS)}")
    for name in ("classes", "backbone", "preprocessing", "sha256"):
        if name not in values:
            raise ValueError(f"{name} is missing")
    parsed = {name: _CHECKS[name](name, value) for name, value in values.items()}
    parsed.setdefault("head", {})
    parsed.setdefault("noun", _FIRST_NOUN)
    names = parsed.setdefault("display_names", parsed["classes"])
    if len(names) != len(parsed["classes"]):
        raise ValueError(
            f"display_names: must be {len(parsed['classes']):,} texts, one for each class, not "
            f"{len(names):,}"
        )
    wanted, given = files_of(parsed.get("forms", ())), set(parsed["sha256"])
    if wanted != given:
        wrong = sorted(given - wanted) or sorted(wanted - given)
        verb = "has" if given - wanted else "lacks"
        raise ValueError(
            f"sha256: {verb} {brief(wrong[0])}; it must have {', '.join(sorted(wanted))} alone"
        )
    return Description(**parsed)


def check_names(name: str, values: Any) -> tuple[str, ...]:
    """A list of at most MAX_CLASSES texts that can be written as file names.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(values, list | tuple) or len(values) > MAX_CLASSES:
        raise ValueError(f"{name}: must be a list of at most {MAX_CLASSES:,} texts")
    for value in values:
        if not _is_name(value):
            raise ValueError(
                f"{name}: {brief(value)} is no name: it must be a text of at most "
                f"{MAX_NAME_CHARACTERS:,} characters"
            )
    return tuple(values)


def _is_name(value: Any) -> bool:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME_CHARACTERS:
        return False
    try:  # as the names of files are read and written
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _classes(name: str, value: Any) -> tuple[str, ...]:
    names = check_names(name, value)
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"{name}: must be the names of two classes or more, each once")
    return names


def _object(name: str, value: Any, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An object, of no other names than the `known` ones."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}={brief(value)}: must be an object")
    for each in value:
        if known is not None and each not in known:
            raise ValueError(f"{name}: has {brief(each)}; it may have {', '.join(known)}")
    return dict(value)


def _argument(name: str, schema: type[Any], key: str, value: Any) -> Any:
    try:
        return argument(schema, key, value, name=name)
    except ConfigError as error:
        raise ValueError(str(error).rstrip(".")) from error


def _bounded(name: str, value: Any) -> Any:
    return _argument(name, *BOUNDED[name], value)


def _network_part(name: str, value: Any, keys: Mapping[str, str], needed: str) -> dict[str, Any]:
    """Settings of the network, each checked against its key of the configuration."""
    given = _object(name, value, keys)
    if needed and needed not in given:
        raise ValueError(f"{name}: {needed} is missing")
    return {
        field: _argument(f"{name}.{field}", ModelConfig, keys[field], each)
        for field, each in given.items()
    }


def _backbone(name: str, value: Any) -> dict[str, Any]:
    parsed = _network_part(name, value, {"name": "backbone", "trainable": "trainable"}, "name")
    if len(parsed["name"]) > _MAX_TEXT_CHARACTERS:
        raise ValueError(f"{name}.name={brief(value)}: must be the name of a network")
    return {"trainable": "head", **parsed}


def _head(name: str, value: Any) -> dict[str, Any]:
    return _network_part(name, value, {field: field for field in ("head", "hidden", "dropout")}, "")


def _preprocessing(name: str, value: Any) -> dict[str, Any]:
    given = _object(name, value)
    for field in ("size_px", "crop_share"):
        if field not in given:
            raise ValueError(f"{name}: {field} is missing")
        _argument(f"{name}.{field}", PixelsConfig, field, given[field])
    colours = {field: given.pop(field) for field in ("mean", "std") if field in given}
    for field, values in colours.items():
        numbers = values if isinstance(values, list | tuple) else ()
        if len(numbers) != 3 or not all(map(_is_number, numbers)):
            raise ValueError(f"{name}.{field}={brief(values)}: must be three numbers")
    return _scalars(name, given) | colours


def _scalars(name: str, value: Any) -> dict[str, Any]:
    """An object of plain values: numbers, short texts, true, false, null."""
    for field, each in _object(name, value).items():
        if isinstance(each, Mapping | list | tuple) or len(str(each)) > _MAX_TEXT_CHARACTERS:
            raise ValueError(
                f"{name}: {brief(field)}={brief(each)}: must be a number or a short text"
            )
    return dict(value)


def _formats(name: str, value: Any) -> dict[str, Any]:
    return {
        each: _scalars(f"{name}.{each}", measured)
        for each, measured in _object(name, value, FORMAT_FILES).items()
    }


def _metrics(name: str, value: Any) -> dict[str, Any]:
    """Any values; those that reports show of the splits must be numbers and their intervals."""
    given = _object(name, value)
    for split in (split for split in _SPLITS if split in given):
        measured = _object(f"{name}.{split}", given[split])
        intervals = _object(f"{name}.{split}.ci95", measured.pop("ci95", {}))
        for metric, each in measured.items():
            if not _is_number(each):
                raise ValueError(f"{name}.{split}.{metric}={brief(each)}: must be a number")
        for metric, each in intervals.items():
            pair = each if isinstance(each, list | tuple) else ()
            if each is not None and (len(pair) != 2 or not all(map(_is_number, pair))):
                raise ValueError(f"{name}.{split}.ci95.{metric}={brief(each)}: must be two numbers")
    return given


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _texts(name: str, value: Any) -> dict[str, str]:
    for field, each in _object(name, value).items():
        if not isinstance(each, str):
            raise ValueError(f"{name}: {brief(field)}={brief(each)}: must be a text")
    return _scalars(name, value)


def _fingerprint(name: str, value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) > _MAX_TEXT_CHARACTERS):
        raise ValueError(f"{name}={brief(value)}: must be a short text")
    return value


def _sums(name: str, value: Any) -> dict[str, str]:
    for file, each in _object(name, value).items():
        if not isinstance(each, str) or not _SHA256.fullmatch(each):
            raise ValueError(f"{name}: {brief(file)}={brief(each)}: must be 64 hexadecimal digits")
    return dict(value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "classes": _classes,
    "display_names": check_names,
    "backbone": _backbone,
    "head": _head,
    "preprocessing": _preprocessing,
    **dict.fromkeys(BOUNDED, _bounded),
    "forms": _formats,
    "metrics": _metrics,
    "versions": _texts,
    "data_fingerprint": _fingerprint,
    "config": _object,
    "sha256": _sums,
}
assert _CHECKS.keys() == {item.name for item in fields(Description)}
