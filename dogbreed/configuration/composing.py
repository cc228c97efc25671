"""From the arguments of a command to its configuration: conf/ with the overrides that were typed.

Hydra composes the files of conf/. Its own entry point isn't used: it changes the process (logging,
working folder) and reports a typing mistake in its own vocabulary.
"""

import difflib
import os
import shlex
import threading
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dogbreed import errors
from dogbreed.configuration.overrides import UnreadableValueError, read_name, read_value
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import (
    TAGS,
    TREE,
    Section,
    conf_dir,
    keys,
    parse,
    unknown_key,
)
from dogbreed.utils.printable import printable

_turn = threading.Lock()

EXPERIMENT = "experiment"  # the group whose files set keys of all others
# The key that somebody may mean who types a value in place of a group's choice.
MEANT = {"model": "model.backbone", "data": "data.root"}


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

    A command's name may be given: its dashes are underscores in the file's name.

    `values_between` are values by dotted key, of a search or a job: they replace those of conf/,
    and `overrides` replace them. They are taken unchanged; no grammar reads them.

    Raises:
        ConfigError: an argument that is none of these, an unknown key, a value out of range.
    """
    config_name = config_name.replace("-", "_")
    groups = groups_of(schema)
    kinds = {name: kind for name, kind, _ in keys(schema)}
    chosen: list[str] = []
    typed: list[tuple[list[str], Any]] = []
    for argument in overrides:
        name, value = _split(argument, schema)
        if name in groups:
            chosen.append(_checked_choice(argument, name, value, groups[name]))
        else:
            typed.append(_read_override(argument, name, value, kinds, schema))
    nested = any("." in name for name in kinds)
    values = _composed(config_name, chosen) if nested else _read(config_name)
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
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with _hydra_alone(), initialize_config_dir(str(conf_dir()), version_base="1.3"):
            composed = hydra_compose(config_name, list(choices))
        return typing.cast(dict[str, Any], OmegaConf.to_container(composed, resolve=True))
    except (HydraException, OmegaConfBaseException) as error:
        line = str(error).strip().splitlines()[0]
        raise errors.ConfigError(f"conf/{config_name}.yaml can't be used: {line}") from error


@contextmanager
def _hydra_alone() -> Iterator[None]:
    """No other Hydra in the block: a process has one, which may be that of the program around."""
    from hydra.core.global_hydra import GlobalHydra

    with _turn:
        before = GlobalHydra.instance().hydra
        GlobalHydra.instance().hydra = None
        try:
            yield
        finally:
            GlobalHydra.instance().hydra = before  # initialize_config_dir may change the instance


def _read(config_name: str) -> dict[str, Any]:
    """conf/<config_name>.yaml, which is made of no other files."""
    import yaml

    text = (conf_dir() / f"{config_name}.yaml").read_text("utf-8")
    values: dict[str, Any] = yaml.safe_load(text)
    return values


def _read_override(
    argument: str, name: str, value: str, kinds: dict[str, Any], schema: type[Any]
) -> tuple[list[str], Any]:
    """The path of a key in the nested values, and its value.

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
    """Replace the value at `path`.

    Hydra would merge trees: a range typed as int would retain the values of the choice that it
    replaces.
    """
    *parents, name = path
    for parent in parents:
        if not isinstance(values.get(parent), dict):
            values[parent] = {}
        values = values[parent]
    values[name] = value


def groups_of(schema: type[Any]) -> dict[str, list[str]]:
    """Each group of conf/ that `schema` has, with its choices; base.yaml is a part of them."""
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


def override_name(argument: str) -> str:
    """The key or group before the = of an argument; --, + and ++ before it mean nothing."""
    return argument.partition("=")[0].removeprefix("--").lstrip("+")


def _split(argument: str, schema: type[Any]) -> tuple[str, str]:
    """Key or group and value of an argument."""
    name, equals, value = override_name(argument), "=" in argument, argument.partition("=")[2]
    if name.startswith("~") and not name.startswith("~/"):
        raise errors.ConfigError(
            f"{argument}: no key can be removed: write KEY=null for one that may be empty."
        )
    if argument.startswith("-") and (not equals or name.startswith("-")):
        name = name.lstrip("-")
        raise errors.ConfigError(f"{argument}: options are written KEY=VALUE, as in {name}=VALUE.")
    if not equals:
        raise errors.ConfigError(f"{argument}: {_meant_by(argument, schema)}")
    if name != name.strip() or not name:
        raise errors.ConfigError(f"{argument}: write KEY=VALUE, a key and no space before the =.")
    return name, value


def _meant_by(argument: str, schema: type[Any]) -> str:
    """What to write in place of an argument without a =."""
    known = {name for name, _, _ in keys(schema)}
    if argument in known:
        return f"write {argument}=VALUE."
    if argument in groups_of(schema):
        return f"write {argument}=CHOICE; --help lists the choices."
    if _is_path(argument):
        for name, what in (("data.root", "a folder of photos"), ("model", "a model")):
            if name in known:
                return f"{what} is written {shlex.quote(f'{name}={argument}')}."
    return "write KEY=VALUE or GROUP=CHOICE; --help lists them."


def _is_path(text: str) -> bool:
    return "/" in text or text.startswith("~") or os.path.lexists(text)


def _checked_choice(argument: str, group: str, choice: str, choices: Sequence[str]) -> str:
    """The argument as Hydra wants it, once its choice is known to exist.

    Raises:
        ConfigError: it doesn't, with the nearest choice or the key that is meant.
    """
    if choice not in choices:
        near = difflib.get_close_matches(choice, choices, n=1)
        key = MEANT.get(group)
        if key is not None and (group == "model" or _is_path(choice)):
            hint = f" Did you mean {shlex.quote(f'{key}={choice}')}?"
        else:
            hint = f" Did you mean {near[0]}?" if near else ""
        raise errors.ConfigError(f"{argument}: {group} is one of {', '.join(choices)}.{hint}")
    # Hydra wants a + before a group of which nothing is chosen by default.
    return f"{'+' if group == EXPERIMENT else ''}{group}={choice}"
