"""What every command shares: overrides to configuration, and --help.

Hydra composes conf/ with what is typed. Its own entry point isn't used: it changes the process
(logging, working folder) and answers a typing mistake with its own vocabulary.
"""

import difflib
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from dogbreed import errors
from dogbreed.configuration.overrides import UnreadableValueError, read_name, read_value
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import (
    TAGS,
    TREE,
    Section,
    conf_dir,
    flat,
    keys,
    parse,
    unknown_key,
)
from dogbreed.utils.printable import printable
from dogbreed.utils.terminal import print_lines

EXPERIMENT = "experiment"  # the group whose files set keys of all others


def compose(overrides: Sequence[str]) -> Config:
    """The configuration of a training: `compose_as` of conf/train.yaml."""
    return compose_as(Config, "train", overrides)


def compose_as(
    schema: type[Section],
    config_name: str,
    overrides: Sequence[str],
    values_between: Mapping[str, Any] | None = None,
) -> Section:
    """Compose conf/<config_name>.yaml with `overrides`, as typed: KEY=VALUE or GROUP=CHOICE.

    `values_between` are values by dotted key, of a search or a job: they take the place of those of
    conf/, and what is typed takes theirs. They are put in as they are; no grammar reads them.

    Raises:
        ConfigError: an argument that is none of these, an unknown key, a value out of range.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    groups = groups_of(schema)
    kinds = {name: kind for name, kind, _ in keys(schema)}
    chosen: list[str] = []
    typed: list[tuple[list[str], Any]] = []
    for argument in overrides:
        name, value = _split(argument)
        if name in groups:
            chosen.append(_checked_choice(argument, name, value, groups[name]))
        else:
            typed.append(_read_override(argument, name, value, kinds, schema))
    try:
        nested = any("." in name for name in kinds)
        values = _composed(config_name, chosen) if nested else _read(config_name)
    except (HydraException, OmegaConfBaseException) as error:
        line = str(error).strip().splitlines()[0]
        raise errors.ConfigError(f"conf/{config_name}.yaml can't be used: {line}") from error
    for name, each in (values_between or {}).items():
        if name not in kinds:
            raise unknown_key(printable(name[:100]), schema)
        _put(values, name.split("."), each)
    for path, each in typed:
        _put(values, path, each)
    return parse(schema, values)


def _composed(config_name: str, choices: Sequence[str]) -> dict[str, Any]:
    """conf/<config_name>.yaml with the groups that it is made of, those chosen as GROUP=CHOICE."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        composed = hydra_compose(config_name, list(choices))
    return typing.cast(dict[str, Any], OmegaConf.to_container(composed, resolve=True))


def _read(config_name: str) -> dict[str, Any]:
    """conf/<config_name>.yaml, which is made of no other files."""
    import yaml

    text = (conf_dir() / f"{config_name}.yaml").read_text("utf-8")
    values: dict[str, Any] = yaml.safe_load(text)
    return values


def _read_override(
    argument: str, name: str, value: str, kinds: dict[str, Any], schema: type[Any]
) -> tuple[list[str], Any]:
    """Where a key's value goes in the nested values, and the value.

    Below a tree each part of the name is a level; below tags the rest of it is a tag's name.
    """
    tree = next(
        (key for key in kinds if kinds[key] in (TREE, TAGS) and f"{name}.".startswith(f"{key}.")),
        None,
    )
    if tree is None and name not in kinds:
        raise unknown_key(name, schema)
    try:
        if tree is None or name == tree:
            return name.split("."), read_value(value, kinds[name])
        rest = name.removeprefix(f"{tree}.")
        if kinds[tree] == TAGS:
            return [*tree.split("."), read_name(rest)], read_value(value, str | None)
        return [*tree.split("."), *map(read_name, rest.split("."))], read_value(value, TREE)
    except UnreadableValueError as error:
        raise errors.ConfigError(f"{argument}: {error}") from error


def _put(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Put what was typed in the place of what stands there.

    Hydra would merge trees: a range typed as int would keep the values of the choice that it
    replaces.
    """
    *parents, name = path
    for parent in parents:
        if not isinstance(values.get(parent), dict):
            values[parent] = {}
        values = values[parent]
    values[name] = value


def print_help(
    usage: str,
    purpose: str,
    example: str,
    schema: type[Any] = Config,
    config_name: str = "train",
) -> None:
    """Print the help: usage, the groups with their choices, every key with its sentence."""
    lines = [*purpose.split("\n"), "", f"Usage: {usage}", f"Example: {example}", ""]
    groups = groups_of(schema)
    if groups:
        lines.append("Groups (a file of values each):")
        lines += [f"  {group:<12}{' | '.join(choices)}" for group, choices in groups.items()]
        lines.append("")
    lines.append("Keys, with their values now:")
    defaults = flat(compose_as(schema, config_name, []))
    values = {name: as_typed(value) for name, value in defaults.items()}
    width = max(len(f"{name}={value}") for name, value in values.items())
    for name, _, sentence in keys(schema):
        lines.append(f"  {f'{name}={values[name]}':<{width}}  {sentence}")
    print_lines(*lines)


def as_typed(value: Any) -> str:
    """The value as one would type it: null, true, false, or its text."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "{...}"
    if isinstance(value, tuple):
        return f"[{','.join(value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def groups_of(schema: type[Any]) -> dict[str, list[str]]:
    """Each group of conf/ that `schema` has, with its choices; base files are parts of them."""
    names = {name for name, _, _ in keys(schema)}
    sections = {name.split(".")[0] for name in names if "." in name}
    if "launcher.name" in names:
        sections.add(EXPERIMENT)
    else:
        sections.discard("launcher")  # the account's keys of it alone: nothing to choose
    if "data.source" not in names:
        sections.discard("data")  # the same of a folder's
    return {
        folder.name: sorted(file.stem for file in folder.glob("*.yaml") if file.stem != "base")
        for folder in sorted(conf_dir().iterdir())
        if folder.is_dir() and folder.name in sections
    }


def _split(argument: str) -> tuple[str, str]:
    """Key or group and value of an argument; + and ++ before it mean nothing here."""
    shown = argument
    if argument.startswith("-"):
        name = shown.lstrip("-").split("=")[0]
        raise errors.ConfigError(f"{shown}: options are written KEY=VALUE, as in {name}=VALUE.")
    name, equals, value = argument.partition("=")
    name = name.lstrip("+")
    if name.startswith("~"):
        raise errors.ConfigError(
            f"{shown}: no key can be removed: write KEY=null for one that may be empty."
        )
    if not equals:
        raise errors.ConfigError(f"{shown}: write KEY=VALUE or GROUP=CHOICE; --help lists them.")
    if name != name.strip() or not name:
        raise errors.ConfigError(f"{shown}: write KEY=VALUE, a key and no space before the =.")
    return name, value


def _checked_choice(argument: str, group: str, choice: str, choices: Sequence[str]) -> str:
    """The argument as Hydra wants it, once its choice is known to exist."""
    if choice not in choices:
        near = difflib.get_close_matches(choice, choices, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise errors.ConfigError(f"{argument}: {group} is one of {', '.join(choices)}.{hint}")
    # Hydra wants a + before a group of which nothing is chosen by default.
    return f"{'+' if group == EXPERIMENT else ''}{group}={choice}"
