"""`dogbreed`, also as `python -m dogbreed`: every command of the table, and a first screen."""

import difflib
import functools
import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from dogbreed.configuration.commands import BY_NAME, COMMANDS, PROGRAM, started_as
from dogbreed.configuration.help import FLAGS, HELP
from dogbreed.errors import ConfigError
from dogbreed.utils.command import run_command
from dogbreed.utils.documents import DocumentError, read_json
from dogbreed.utils.terminal import print_lines
from dogbreed.utils.version import __version__

PURPOSE = "Photo classifiers: trained, tuned, explained and deployed."
LATEST = Path("outputs", "latest")  # of the runs in the working folder


def main(arguments: Sequence[str], program: str = PROGRAM) -> None:
    """Run the command that `arguments` begin with; without any, print the first screen.

    Raises:
        ConfigError: there is no such command, with the nearest one.
    """
    name, *rest = arguments or [HELP]
    with started_as(program):
        if name == "--version":
            print_lines(f"{PROGRAM} {__version__}")
        elif name in (HELP, *FLAGS):
            if rest:  # `help train` is `train help`
                _run(program, rest[0], [HELP, *rest[1:]])
            else:
                print_lines(*first_screen(program))
        else:
            _run(program, name, rest)


def console_script() -> NoReturn:
    """The installed program `dogbreed`."""
    run_command(main)


def first_screen(program: str) -> list[str]:
    """What the package is for, its commands, and the latest run of the working folder."""
    width = max(len(command.name) for command in COMMANDS) + 2
    return [
        f"{PROGRAM} {__version__}. {PURPOSE}",
        "",
        f"Usage: {program} COMMAND [KEY=VALUE ...]",
        *(f"  {command.name:<{width}}{command.summary}" for command in COMMANDS),
        f"{program} COMMAND --help explains a command.",
        "",
        *_latest_run(program),
    ]


def _run(program: str, name: str, arguments: Sequence[str]) -> None:
    if name not in BY_NAME:
        raise ConfigError(_unknown_command(program, name))
    importlib.import_module(BY_NAME[name].module).main(arguments)


def _unknown_command(program: str, name: str) -> str:
    if "=" in name:
        return f"{name}: a command comes first, as in {program} train {name}."
    near = difflib.get_close_matches(name.casefold(), BY_NAME, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"There is no command {name}.{hint} The commands are {', '.join(BY_NAME)}."


def _latest_run(program: str) -> list[str]:
    """The newest finished run below outputs/ with its top-1 and what it was measured on."""
    if not LATEST.exists():
        return [f"No run in {LATEST.parent} yet. For a first look: {program} train"]
    run = f"Latest run: {LATEST.parent / os.path.basename(os.path.realpath(LATEST))}"  # noqa: PTH119
    try:
        top1 = _top1(read_json(LATEST / "metrics.json"))
    except DocumentError as error:
        top1 = f"metrics.json {error}"
    except (KeyError, TypeError, ValueError):
        top1 = "metrics.json has no top-1 of the test photos"
    return [run, f"  {top1}"]


def _top1(metrics: dict[str, Any]) -> str:
    test = metrics["test"]
    low, high = (100 * float(end) for end in test["ci95"]["top1"])
    return (
        f"test top-1 {100 * float(test['top1']):.1f}% (95%: {low:.1f} to {high:.1f}), "
        f"{int(test['n'])} photos"
    )


if __name__ == "__main__":
    run_command(functools.partial(main, program=f"python -m {PROGRAM}"))
