"""Reads untrusted YAML and JSON files within bounds; all such files are read here.

The files in conf/ are the project's own; everything else (a search's best.yaml, a run's
configuration, a job's files in S3) may have been written by somebody else. Of YAML only plain
values are read: no anchor, no alias (ten lines of them can stand for a billion values), no tag, no
merge key, no name twice. Interpolations aren't resolved: `${oc.env:HOME}` is these fourteen
characters.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from dogbreed.utils.files import NotRegularError, open_plain
from dogbreed.utils.printable import printable

MAX_YAML_BYTES = 256 * 2**10  # the largest that this package writes, a configuration, has 5 kB
MAX_JSON_BYTES = 64 * 2**20  # data.json has 80 bytes for each class and split
MAX_JSON_VALUES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 20_000
# Of a number: 1:1:1... is one to the base of sixty, computed in a time that grows with its square.
MAX_DIGITS = 400
_NUMBER = "+-.0123456789"
_MAX_INTEGER_DIGITS = 18  # they fit into 64 bits


class DocumentError(ValueError):
    """Why a document isn't read: the rest of a sentence that begins with its name."""


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read it, as `utils.files.open_plain` does: no link, pipe or device.

    Raises:
        DocumentError: it isn't there, can't be opened, or isn't such a file.
    """
    try:
        return os.fdopen(open_plain(path, os.O_RDONLY), "rb")
    except NotRegularError as error:
        raise DocumentError(str(error.strerror)) from error
    except OSError as error:
        raise DocumentError(f"can't be opened ({error.strerror})") from error


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file.

    Raises:
        DocumentError: as `open_regular`; it can't be read, or has more than `max_bytes`.
    """
    with open_regular(path) as file:
        try:
            data = file.read(max_bytes + 1)
        except OSError as error:
            raise DocumentError(f"can't be read ({error.strerror})") from error
    if len(data) > max_bytes:
        raise DocumentError(f"is larger than {max_bytes // 1024} KiB")
    return data


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds: texts, finite numbers, true, false, null, nested.

    Raises:
        DocumentError: it isn't such a file, or outside the bounds of this module.
    """
    return yaml_mapping(_text(read_bytes(path, MAX_YAML_BYTES)))


def yaml_mapping(text: str) -> dict[str, Any]:
    """As `read_yaml`, of a text.

    Raises:
        DocumentError: as `read_yaml`.
    """
    import yaml  # not needed by the predictor and by `import dogbreed`

    try:
        _check_events(yaml.parse(text, Loader=yaml.SafeLoader))
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise DocumentError("holds no mapping (KEY: VALUE on each line)")
        _check_names(node)
        values: dict[str, Any] = loader.construct_document(node)
    except DocumentError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise DocumentError(f"is no YAML: {where}{printable(str(error.problem)[:200])}") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise DocumentError(f"is no YAML: {printable(str(error)[:200])}") from error
    _check_values(values)
    return values


def _check_events(events: Iterable[Any]) -> None:
    """Raise for anything not allowed while parsing, before values are constructed."""
    import yaml

    depth, nodes = 0, 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            _fail(event, f"has an alias (*{event.anchor}): write the value itself")
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            continue
        if event.anchor is not None:
            _fail(event, f"has an anchor (&{event.anchor}): write values without")
        if event.tag is not None:
            _fail(event, f"has a tag ({event.tag}): write values without")
        nodes += 1
        if nodes > MAX_NODES:
            _fail(event, f"has more than {MAX_NODES} values")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                _fail(event, f"is nested deeper than {MAX_DEPTH} levels")
        elif event.style is None and len(event.value) > MAX_DIGITS and event.value[0] in _NUMBER:
            _fail(event, "has too long a number: write a text in quotes")


def _check_names(node: Any) -> None:
    """Raise for keys that aren't text, duplicate keys, and merge keys."""
    import yaml

    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_names(item)
    elif isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                _fail(name, "has a list or a mapping as a key")
            if name.value == "<<":
                _fail(name, "has a merge key (<<): write the values themselves")
            if name.value in names:
                _fail(name, f"has the key {name.value} twice")
            names.add(name.value)
            _check_names(value)


def _fail(place: Any, what: str) -> NoReturn:
    raise DocumentError(f"{printable(what[:200])} (line {place.start_mark.line + 1})")


def json_value(text: str | bytes, max_values: int = MAX_JSON_VALUES) -> Any:
    """The value of a JSON text: without NaN, infinities, duplicate names and huge integers.

    Raises:
        DocumentError: it is no such text, has more than `max_values` values, or is nested deeper
            than MAX_DEPTH.
    """
    text = _text(text) if isinstance(text, bytes) else text
    # Before it is parsed: "[]," takes 3 bytes of a file and 70 in memory.
    if sum(map(text.count, ",[{")) > max_values:
        raise DocumentError(f"has more than {max_values:,} values")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_fail_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except DocumentError:
        raise
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"is no JSON: {printable(str(error)[:200])}") from error
    _check_depth(value)
    return value


def json_object(text: str | bytes) -> dict[str, Any]:
    """As `json_value`, of a text that is an object.

    Raises:
        DocumentError: as `json_value`, or it is another value.
    """
    value = json_value(text)
    if not isinstance(value, dict):
        raise DocumentError("holds no JSON object")
    return value


def read_json(path: Path, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        DocumentError: it isn't such a file, or outside the bounds of this module.
    """
    return json_object(read_bytes(path, max_bytes))


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError("is no text in UTF-8") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        duplicate = next(name for name in names if names.count(name) > 1)
        raise DocumentError(f"has the key {printable(duplicate[:80])} twice")
    return values


def _fail_constant(name: str) -> NoReturn:
    raise DocumentError(f"holds {name}, which is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise DocumentError("holds a number that isn't finite")
    return number


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_INTEGER_DIGITS:
        raise DocumentError(f"holds an integer of more than {_MAX_INTEGER_DIGITS} digits")
    return int(text)


def _check_depth(value: Any) -> None:
    """Refuse JSON that is nested too deep."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inside: list[Any] = []
        for each in level:
            if isinstance(each, dict | list):
                inside += each.values() if isinstance(each, dict) else each
        level = inside
    if level:
        raise DocumentError(f"is nested deeper than {MAX_DEPTH} levels")


def _check_values(value: Any, depth: int = 0) -> None:
    """Raise for deep nesting, numbers that aren't finite, and other types such as dates."""
    if depth > MAX_DEPTH:
        raise DocumentError(f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        for name, each in value.items():
            if not isinstance(name, str):
                raise DocumentError(f"has the key {name!r}, which is no text: write it in quotes")
            _check_values(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _check_values(each, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise DocumentError("holds a number that isn't finite")
    elif not isinstance(value, str | int | float | bool | None):
        raise DocumentError(f"holds {printable(str(value)[:80])}: write it in quotes")
