"""The help of every command, in 80 columns: the most used keys, then the others by section."""

import re
import textwrap
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from dogbreed.configuration.commands import BY_NAME, Command, typed
from dogbreed.configuration.composing import compose_as, groups_of
from dogbreed.configuration.schema import flat, keys, nearest
from dogbreed.errors import ConfigError
from dogbreed.utils.terminal import print_lines

WIDTH = 80
GENERAL = "general"  # the section of the keys without a dot
FLAGS = ("-h", "--help")
HELP = "help"  # the same as a flag, as the first argument
_COLUMN = 30  # where the sentences begin
_INDENT = 6  # where they begin in a section whose keys are too long for that
_MAX_LISTED = 16  # more keys than these, besides the most used, are only named
# What no line break parts: [KEY=VALUE ...], (at least 1, at most 16), (38 keys).
_UNBROKEN = re.compile(r"\[[^]]{,40}\]|\([^()]{,40}\)$|\(\d+ keys\)")
_NO_BREAK_SPACE = "\xa0"  # textwrap breaks no line at it


class Section(NamedTuple):
    """Keys that share a prefix, without those of the sections below it."""

    name: str
    sentence: str
    keys: tuple[str, ...]


def print_requested_help(name: str, arguments: Sequence[str]) -> bool:
    """Print the help of a command if the arguments request it, and return whether they did.

    `-h` and `--help` may be anywhere among the arguments, `help` only first: it may be the name of
    a photo. The argument after it may be a section or a key.

    Raises:
        ConfigError: the command has no such section.
    """
    topic = _requested_topic(arguments)
    if topic is None:
        return False
    command = BY_NAME[name]
    print_lines(*(topic_lines(command, topic) if topic else command_lines(command)))
    return True


def command_lines(command: Command) -> list[str]:
    """The help of a command."""
    start = typed(command.name)
    defaults = _defaults(command)
    sentences = {key: sentence for key, _, sentence in keys(command.schema)}
    others = [key for key in sentences if key not in command.main_keys]
    lines = [
        *_wrapped(command.purpose),
        "",
        *_hanging("Usage: ", f"{start} {command.usage}"),
        *_hanging("Example: ", f"{start} {command.example}"),
        "",
        "Most used keys, with their values:",
    ]
    lines += _entries(command.main_keys, defaults, sentences)
    choices = {group: each for group, each in groups_of(command.schema).items() if len(each) > 1}
    if choices:
        lines += ["", "Groups, each choice a set of values in conf/ (GROUP=CHOICE):"]
        for group, each in choices.items():
            lines += _hanging(f"  {group:<12}", " | ".join(each))
    if len(others) <= _MAX_LISTED:
        return [*lines, "", "Other keys:", *_entries(others, defaults, sentences)]
    lines += ["", f"All keys by section ({start} --help SECTION):"]
    for name, members in _members(sentences).items():
        lines += _hanging(f"  {name:<12}", ", ".join(members))
    return lines


def topic_lines(command: Command, topic: str) -> list[str]:
    """One section, with the sections below it, or one key of a command in full.

    Raises:
        ConfigError: the command has no such section.
    """
    defaults = _defaults(command)
    sentences = {key: sentence for key, _, sentence in keys(command.schema)}
    groups = {group: each for group, each in groups_of(command.schema).items() if len(each) > 1}
    if topic in sentences:
        return _entries([topic], defaults, sentences)
    found = [
        section
        for section in sections(command.schema)
        if section.name == topic or section.name.startswith(f"{topic}.")
    ]
    if not found and topic not in groups:
        names = [*_members(sentences), *groups]
        listed = ", ".join(dict.fromkeys(names))
        raise ConfigError(
            f"{typed(command.name)} has no section or key {topic}.{nearest(topic, names)} Its "
            f"sections are {listed}."
        )
    lines: list[str] = []
    if topic in groups:
        lines += _hanging(f"{topic}=CHOICE: ", " | ".join(groups[topic]))
    for section in found:
        if section.keys:
            lines += ["", *_wrapped(f"{section.name}: {section.sentence}".rstrip())]
            lines += _entries(section.keys, defaults, sentences)
    return lines[1:] if lines[0] == "" else lines


def sections(schema: type[Any], name: str = "") -> Iterator[Section]:
    """Every section of a schema, each before those below it."""
    hints = typing.get_type_hints(schema)
    prefix = f"{name}." if name else ""
    key_names: list[str] = []
    below: dict[str, type[Any]] = {}
    for item in fields(schema):
        # Of a group of keys that a registry makes up, the metadata have the function for its class.
        kind = item.metadata["schema"]() if "schema" in item.metadata else hints[item.name]
        if is_dataclass(kind):
            below[item.name] = typing.cast(type[Any], kind)
        else:
            key_names.append(prefix + item.name)
    sentence = _sentence(schema) if name else "keys without a section"
    yield Section(name or GENERAL, sentence, tuple(key_names))
    for each, kind in below.items():
        yield from sections(kind, prefix + each)


def as_typed(value: Any) -> str:
    """The value as one would type it: null, true, false, or its text."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "{...}"
    if isinstance(value, tuple):
        return value[0] if len(value) == 1 else f"[{','.join(value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _requested_topic(arguments: Sequence[str]) -> str | None:
    """The section or key on which help is requested, "" for the command; None: no help is."""
    if arguments[:1] == [HELP]:
        after = arguments[1:]
    elif any(flag in arguments for flag in FLAGS):
        after = arguments[min(arguments.index(flag) for flag in FLAGS if flag in arguments) + 1 :]
    else:
        return None
    return next((each for each in after if "=" not in each and each not in FLAGS), "")


def _sentence(schema: type[Any]) -> str:
    """The first line of a section's docstring; none of one that dataclasses generated."""
    first = (schema.__doc__ or "").split("\n")[0]
    return "" if first.startswith(f"{schema.__name__}(") else first


def _defaults(command: Command) -> dict[str, str]:
    config = compose_as(command.schema, command.name, [])
    return {name: as_typed(value) for name, value in flat(config).items()}


def _members(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of keys by section; a section below another is only counted."""
    members: dict[str, list[str]] = {}
    below: dict[str, dict[str, int]] = {}
    for name in names:
        section, *rest = name.split(".") if "." in name else (GENERAL, name)
        listed = members.setdefault(section, [])
        if len(rest) == 1:
            listed.append(rest[0])
        else:
            counts = below.setdefault(section, {})
            counts[rest[0]] = counts.get(rest[0], 0) + 1
    for section, counts in below.items():
        members[section] += [f"{name} ({count} keys)" for name, count in counts.items()]
    return members


def _entries(
    names: Sequence[str], values: Mapping[str, str], sentences: Mapping[str, str]
) -> list[str]:
    """Each key with its value, and its sentence beside it, or below it where it is too long."""
    lefts = [f"  {name}={values[name]}" for name in names]
    long = [left for left in lefts if len(left) > _COLUMN - 2]
    indent = " " * (_COLUMN if 2 * len(long) <= len(lefts) else _INDENT)
    lines: list[str] = []
    for name, left in zip(names, lefts, strict=True):
        first, *more = _wrapped(sentences[name], indent, indent)
        if left in long or len(indent) == _INDENT:
            lines += [left, first, *more]
        else:
            lines += [f"{left:<{_COLUMN}}{first.lstrip()}", *more]
    return lines


def _hanging(start: str, text: str) -> list[str]:
    """`start` and the text, whose further lines are indented as far as `start` is long."""
    return _wrapped(text, start, " " * len(start))


def _wrapped(text: str, start: str = "", indent: str = "") -> list[str]:
    """The text in lines of at most `WIDTH` columns."""
    glued = _UNBROKEN.sub(lambda found: found[0].replace(" ", _NO_BREAK_SPACE), text)
    lines = textwrap.wrap(
        glued, WIDTH, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False
    )
    return [line.replace(_NO_BREAK_SPACE, " ") for line in lines]
