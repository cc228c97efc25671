"""Every key of every command as Markdown; `make reference` writes it to conf/README.md."""

from collections.abc import Iterator

from dogbreed.configuration.commands import BY_NAME, COMMANDS, PROGRAM, Command
from dogbreed.configuration.composing import compose_as, groups_of
from dogbreed.configuration.help import as_typed
from dogbreed.configuration.schema import flat, keys
from dogbreed.utils.terminal import print_lines

HEAD = f"""\
# Every key

Made by `make reference` from the schema (the classes in `dogbreed/configuration/`) and the values
in this folder. A key is set on the command line, `optim.lr=0.01`; a group is a folder here,
and `optim=sgd` takes another of its files. `{PROGRAM} COMMAND --help` says the same.
"""


def reference() -> str:
    """The complete page."""
    return "\n".join([HEAD, *(line for each in COMMANDS for line in _section(each))])


def _section(command: Command) -> Iterator[str]:
    other = BY_NAME[command.extends] if command.extends else None
    listed = {name for name, _, _ in keys(other.schema)} if other else set()
    yield f"## {PROGRAM} {command.name}\n"
    yield f"Also started by `{command.script}`.\n"
    if other:
        key_names = {name for name, _, _ in keys(command.schema)}
        left = sorted({name.split(".")[0] for name in listed - key_names})
        without = f" but `{', '.join(left)}`" if left else ""
        yield f"All keys of `{PROGRAM} {other.name}`{without}, and:\n"
    choices = {name: each for name, each in groups_of(command.schema).items() if len(each) > 1}
    if choices:
        named = (f"`{name}` ({', '.join(each)})" for name, each in choices.items())
        yield f"Groups: {'; '.join(named)}.\n"
    values = flat(compose_as(command.schema, command.name, []))
    yield "| Key | Value | |\n|---|---|---|"
    for name, _, sentence in keys(command.schema):
        if name not in listed:
            yield f"| `{name}` | {_cell(as_typed(values[name]))} | {_escaped(sentence)} |"
    yield ""


def _cell(value: str) -> str:
    return f"`{_escaped(value)}`" if value else ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print_lines(*reference().rstrip("\n").split("\n"))
