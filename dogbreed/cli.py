"""What every command shares: overrides to configuration, --help, errors as one sentence.

Hydra composes conf/ with what is typed. Its own entry point isn't used: it changes the process
(logging, working folder) and answers a typing mistake with its own vocabulary.
"""

import difflib
import os
import re
import signal
import sys
import types
import typing
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from dogbreed import errors
from dogbreed.config import Config
from dogbreed.files import DISK_FULL
from dogbreed.progress import is_main_process
from dogbreed.schema import TREE, Section, conf_dir, flat, keys, parse, unknown_key

EXPERIMENT = "experiment"  # the group whose files set keys of all others
_TEXT_VALUES_LEFT_ALONE = ("null", "auto", "none", "")


def compose(overrides: Sequence[str]) -> Config:
    """The configuration of a training: `compose_as` of conf/train.yaml."""
    return compose_as(Config, "train", overrides)


def compose_as(schema: type[Section], config_name: str, overrides: Sequence[str]) -> Section:
    """Compose conf/<config_name>.yaml with `overrides`, as typed: KEY=VALUE or GROUP=CHOICE.

    Raises:
        ConfigError: an argument that is none of these, an unknown key, a value out of range.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    groups = groups_of(schema)
    trees = [name for name, kind, _ in keys(schema) if kind == TREE]
    below = [argument for argument in overrides if _is_below(argument, trees)]
    arguments = [_checked_override(a, groups, schema) for a in overrides if a not in below]
    names = {name for name, _, _ in keys(schema)}
    nested = any("." in name for name in names)
    # To Hydra a key of a folder's name in conf/ is a group, such as model=... where that is a key.
    shadowed = {name for name in names if (conf_dir() / name).is_dir()}
    to_hydra = [a for a in arguments if nested and a.partition("=")[0] not in shadowed]
    try:
        values = _composed(config_name, to_hydra) if nested else _read(config_name)
        _replace(values, [a for a in (*arguments, *below) if a not in to_hydra])
    except (HydraException, OmegaConfBaseException) as error:
        raise errors.ConfigError(f"{' '.join(overrides)}: {_first_line(error)}") from error
    return parse(schema, values)


def _composed(config_name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """conf/<config_name>.yaml with the groups that it is made of."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        composed = hydra_compose(config_name, list(arguments))
    return typing.cast(dict[str, Any], OmegaConf.to_container(composed, resolve=True))


def _read(config_name: str) -> dict[str, Any]:
    """conf/<config_name>.yaml, which is made of no other files."""
    import yaml

    text = (conf_dir() / f"{config_name}.yaml").read_text("utf-8")
    values: dict[str, Any] = yaml.safe_load(text)
    return values


def _is_below(argument: str, trees: Sequence[str]) -> bool:
    name = argument.partition("=")[0].lstrip("+")
    return any(f"{name}.".startswith(f"{tree}.") for tree in trees)


def _replace(values: dict[str, Any], overrides: Sequence[str]) -> None:
    """Put what was typed in the place of what stands there, in Hydra's grammar and without Hydra.

    It would merge trees: a range typed as int would keep the values of the choice it replaces.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    for override in OverridesParser.create().parse_overrides(list(overrides)):
        if override.is_sweep_override():
            raise errors.ConfigError(f"{override.input_line}: give one value.")
        *parents, name = override.key_or_group.split(".")
        place = values
        for parent in parents:
            if not isinstance(place.get(parent), dict):
                place[parent] = {}
            place = place[parent]
        place[name] = override.value()


def help_text(
    usage: str,
    purpose: str,
    example: str,
    schema: type[Any] = Config,
    config_name: str = "train",
) -> str:
    """What --help prints: usage, the groups with their choices, every key with its sentence."""
    lines = [f"{purpose}\n", f"Usage: {usage}", f"Example: {example}\n"]
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
    return "\n".join(lines)


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
    return {
        folder.name: sorted(file.stem for file in folder.glob("*.yaml") if file.stem != "base")
        for folder in sorted(conf_dir().iterdir())
        if folder.is_dir() and folder.name in sections
    }


def _checked_override(argument: str, groups: dict[str, list[str]], schema: type[Any]) -> str:
    """The argument as Hydra wants it, once its key is known to exist."""
    if argument.startswith("-"):
        name = argument.lstrip("-").split("=")[0]
        raise errors.ConfigError(f"{argument}: options are written KEY=VALUE, as in {name}=VALUE.")
    name, equals, value = argument.partition("=")
    name = name.lstrip("+")
    if not equals:
        raise errors.ConfigError(f"{argument}: write KEY=VALUE or GROUP=CHOICE; --help lists them.")
    if name in groups:
        if value not in groups[name]:
            near = difflib.get_close_matches(value, groups[name], n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise errors.ConfigError(
                f"{argument}: {name} is one of {', '.join(groups[name])}.{hint}"
            )
        # Nothing is chosen of it by default, which Hydra wants to see said.
        return f"+{name}={value}" if name == EXPERIMENT else argument
    kinds = {known: kind for known, kind, _ in keys(schema)}
    if name not in kinds:
        raise unknown_key(name, schema)
    return f"{name}={_quoted(value) if _is_text(kinds[name]) else value}"


def _is_text(kind: Any) -> bool:
    return str in (typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,))


def _quoted(value: str) -> str:
    """A text value that Hydra's grammar takes as it stands, whatever a path may hold."""
    if value in _TEXT_VALUES_LEFT_ALONE or value.isdigit() or value[:1] in "'\"":
        return value
    return quoted(value)


def quoted(text: str) -> str:
    """Any text as a value on the command line that is read as this text and nothing else."""
    # A backslash is itself, but for those before a quote, the end, or the start of a reference.
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    text = re.sub(r"(\\*)'", r"\1\1\\'", text)
    text = re.sub(r"(\\+)\Z", r"\1\1", text)
    return f"'{text}'"


def _first_line(error: Exception) -> str:
    line = str(error).strip().splitlines()[0]
    return "give one value." if line.startswith("Ambiguous value") else line


def run_command(command: Callable[[Sequence[str]], None]) -> typing.NoReturn:
    """Run a door's `command` on the arguments typed; end the process with its exit code.

    A mistake is one sentence on stderr, never a traceback.
    """
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    # What Pillow finds odd in a photo that it can still read; it doesn't say in which one.
    warnings.filterwarnings("ignore", module="PIL")
    try:
        command(sys.argv[1:])
    except errors.Stopped as stopped:
        _leave(str(stopped) if is_main_process() else "", stopped.exit_code)
    except errors.DogbreedError as error:
        _leave(f"error: {error}", error.exit_code)
    except BrokenPipeError:
        _leave("", 0)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        place = f" while writing {error.filename}" if error.filename else ""
        _leave(
            f"error: the disk is full{place}: free some space and run it again "
            "(resume=auto goes on with a training that had begun).",
            1,
        )
    _leave("", 0)


def _stop(number: int, frame: types.FrameType | None) -> None:
    """What SIGTERM and Ctrl-C do where nothing better is installed (training saves first)."""
    signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
    name = signal.Signals(number).name
    raise errors.Stopped(f"stopped by {name}; what was computed so far is kept.", number)


def _leave(sentence: str, code: int) -> typing.NoReturn:
    if sentence:
        print(sentence, file=sys.stderr, flush=True)
    sys.stdout.flush()
    # Other threads (decoders, the engine) may still work, and the interpreter takes up to two
    # seconds to put away what the system takes back at once; nothing of it is needed any more.
    os._exit(code)
