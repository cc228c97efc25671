"""The commands that follow a training, as they can be pasted into a shell in the same folder."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from dogbreed.configuration.commands import PROGRAM, typed
from dogbreed.configuration.overrides import quoted
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import AUTO
from dogbreed.training.notes import on_samples
from dogbreed.utils.terminal import line_of

_PLAIN = re.compile(r"[\w./@%+:,-]*")  # needs no quotes in an override


def next_steps(config: Config, run: Path, photos: Sequence[Path], columns: int | None) -> list[str]:
    """Lines of text: what can be done with a finished run, each with its command.

    `config` is what the user typed, `photos` are some that the model can classify. A command that
    is longer than `columns` continues on the next line, after a backslash; None: none does.
    """
    model = _override("model", run)
    photo = next((path for path in photos if _can_be_typed(path)), None)
    steps = {"Open the report": _opening(run / "report.html")}
    if photo is not None:
        steps["Classify a photo"] = [*_command("predict"), model, str(photo)]
    steps["Serve a web page"] = [*_command("serve"), model]
    steps["Tune"] = [*_command("tune"), "+experiment=hpo", "launcher=local", *_same(config)]
    lines = []
    for title, words in steps.items():
        if all(line_of(word) == word for word in words):  # else it isn't what would be pasted
            lines += _lines(f"{title}:", list(map(shlex.quote, words)), columns)
    return lines


def _lines(title: str, words: Sequence[str], columns: int | None) -> list[str]:
    """A title and a command in one line; or below it, in lines that a backslash continues."""
    line = f"{title:<17} {' '.join(words)}"
    if columns is None or len(line) <= columns:
        return [line]
    lines = [f"  {words[0]}"]
    for word in words[1:]:
        if len(lines[-1]) + len(word) + 3 > columns:
            lines[-1] += " \\"
            lines.append(" ")
        lines[-1] += f" {word}"
    return [title, *lines]


def _command(name: str) -> list[str]:
    """How a command is started from here, the way this one was where that works."""
    program, *rest = typed(name).split()
    installed = shutil.which(PROGRAM)
    if program == PROGRAM and installed and Path(installed).parent == Path(sys.executable).parent:
        return [program, *rest]
    if rest[0] == "-m":
        return [_python(), *rest]
    return [_python(), "-m", PROGRAM, name]


def _python() -> str:
    """This Python: by its name if that starts it, else by its path."""
    found = shutil.which("python")
    if found and Path(found).absolute() == Path(sys.executable).absolute():
        return "python"
    path = Path(sys.executable)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _opening(page: Path) -> list[str]:
    """What opens a page in the browser."""
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    if shutil.which(opener):
        return [opener, str(page)]
    return [_python(), "-m", "webbrowser", page.absolute().as_uri()]


def _override(name: str, value: object) -> str:
    text = str(value)
    return f"{name}={text if _PLAIN.fullmatch(text) else quoted(text)}"


def _same(config: Config) -> list[str]:
    """The arguments by which another command takes the same photos and the same backbone."""
    data = config.data
    values = {
        "data.root": data.root,
        "data.source": None if data.root or on_samples(config) else data.source,
        "data.labels": data.labels,
        "data.columns.photo": data.columns.photo,
        "data.columns.label": data.columns.label,
        "data.columns.split": data.columns.split,
        "data.group": data.group,
        "data.nested_classes": data.nested_classes,
        "model.backbone": config.model.backbone,
        "model.weights": None if config.model.weights == AUTO else config.model.weights,
    }
    return [_override(name, _text(value)) for name, value in values.items() if value is not None]


def _text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _can_be_typed(path: Path) -> bool:
    """Whether `predict` takes the path for a photo, and it is printed as it is."""
    text = os.fspath(path)
    return "=" not in text and not text.startswith(("-", "~")) and line_of(text) == text
