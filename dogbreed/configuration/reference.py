"""Every key of every command as Markdown; `make reference` writes it to conf/README.md."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from dogbreed.configuration import composing as cli
from dogbreed.configuration.deploy import DeployConfig, QueryConfig, TeardownConfig
from dogbreed.configuration.run import Config, EvaluateRunConfig, PredictConfig, ServeConfig
from dogbreed.configuration.schema import flat, keys
from dogbreed.configuration.search import FinalConfig, TuneConfig
from dogbreed.utils.terminal import print_lines

HEAD = """\
# Every key

Made by `make reference` from the schema (the classes in `dogbreed/configuration/`) and the values
in this folder. A key is set on the command line, `optim.lr=0.01`; a group is a folder here,
and `optim=sgd` takes another of its files. `--help` of each command says the same.
"""


class Command(NamedTuple):
    """A command, its keys, and the schema of another command whose keys it has too."""

    typed: str
    schema: type[Any]
    config_name: str
    beyond: type[Any] | None = None


COMMANDS = (
    Command("python -m dogbreed.train", Config, "train"),
    Command("python launch/tune.py", TuneConfig, "tune", Config),
    Command("python launch/train.py", FinalConfig, "final", TuneConfig),
    Command("python -m dogbreed.predict", PredictConfig, "predict"),
    Command("python -m dogbreed.evaluate", EvaluateRunConfig, "evaluate"),
    Command("python -m dogbreed.serve", ServeConfig, "serve"),
    Command("python launch/deploy.py", DeployConfig, "deploy"),
    Command("python launch/query.py", QueryConfig, "query"),
    Command("python launch/teardown.py", TeardownConfig, "teardown"),
)


def reference() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for each in COMMANDS for line in _section(each))])


def _section(command: Command) -> Iterator[str]:
    told = {name for name, _, _ in keys(command.beyond)} if command.beyond else set()
    yield f"## {command.typed}\n"
    if command.beyond:
        other = next(each for each in COMMANDS if each.schema is command.beyond)
        own = {name for name, _, _ in keys(command.schema)}
        left = sorted({name.split(".")[0] for name in told - own})
        without = f" but `{', '.join(left)}`" if left else ""
        yield f"All keys of `{other.typed}`{without}, and:\n"
    choices = {name: each for name, each in cli.groups_of(command.schema).items() if len(each) > 1}
    if choices:
        listed = (f"`{name}` ({', '.join(each)})" for name, each in choices.items())
        yield f"Groups: {'; '.join(listed)}.\n"
    values = flat(cli.compose_as(command.schema, command.config_name, []))
    yield "| Key | Value | |\n|---|---|---|"
    for name, _, sentence in keys(command.schema):
        if name not in told:
            yield f"| `{name}` | {_cell(cli.as_typed(values[name]))} | {_escaped(sentence)} |"
    yield ""


def _cell(value: str) -> str:
    return f"`{_escaped(value)}`" if value else ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print_lines(*reference().rstrip("\n").split("\n"))
