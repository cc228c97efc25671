"""The help of every command: its width, what comes first, and that every key is explained."""

import functools
from collections.abc import Iterator

import pytest

from dogbreed.configuration import help
from dogbreed.configuration.commands import BY_NAME, COMMANDS, Command, started_as, typed
from dogbreed.configuration.composing import compose_as, groups_of
from dogbreed.configuration.debug import DebugConfig
from dogbreed.configuration.help import (
    WIDTH,
    as_typed,
    command_lines,
    print_requested_help,
    sections,
    topic_lines,
)
from dogbreed.configuration.schema import flat, keys
from dogbreed.errors import ConfigError

TRAIN = BY_NAME["train"]


@pytest.fixture(scope="module", autouse=True)
def defaults_once() -> Iterator[None]:
    """Compose each command's configuration once, not for each of its pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(help, "_defaults", functools.cache(help._defaults))
        yield


def pages(command: Command) -> Iterator[list[str]]:
    """Everything that help can show of a command."""
    yield command_lines(command)
    for section in sections(command.schema):
        if section.keys:
            yield topic_lines(command, section.name)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
@pytest.mark.parametrize("program", [None, "dogbreed", "python -m dogbreed"])
def test_no_line_is_wider_than_a_terminal(command: Command, program: str | None) -> None:
    if program is None:
        lines = [line for page in pages(command) for line in page]
    else:
        with started_as(program):
            lines = [line for page in pages(command) for line in page]
            assert f"Usage: {program} {command.name} " in "\n".join(lines)
    assert [line for line in lines if len(line) > WIDTH] == []
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_key_is_named_and_explained_with_its_value(command: Command) -> None:
    page = " ".join(" ".join(command_lines(command)).split())
    explained = " ".join(" ".join(line for page in pages(command) for line in page).split())
    values = flat(compose_as(command.schema, command.name, []))
    for name, _, sentence in keys(command.schema):
        assert f" {name}={as_typed(values[name])} {sentence}" in explained
        section, *rest = name.split(".")
        assert section in page
        assert not rest or rest[0] in page
    for group, choices in groups_of(command.schema).items():
        if len(choices) > 1:
            assert f" {group} {' | '.join(choices)}" in page
            assert topic_lines(command, group)[0] == f"{group}=CHOICE: {' | '.join(choices)}"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_most_used_keys_come_first(command: Command) -> None:
    lines = command_lines(command)
    start = lines.index("Most used keys, with their values:")
    shown = [line.split("=")[0].strip() for line in lines[start + 1 :] if "=" in line[:40]]
    assert tuple(shown[: len(command.main_keys)]) == command.main_keys
    assert set(command.main_keys) <= {name for name, _, _ in keys(command.schema)}
    assert len(lines) <= 70


def test_a_section_is_printed_in_full_and_a_key_alone() -> None:
    debug = topic_lines(TRAIN, "debug")
    assert debug[0] == f"debug: {DebugConfig.__doc__}"
    assert "  debug.rules.overfit.patience=3" in debug
    assert not [line for line in debug if line.startswith("  optim.")]
    assert topic_lines(TRAIN, "debug.rules.overfit")[0].startswith("debug.rules.overfit: ")
    assert "  seed=0" in "\n".join(topic_lines(TRAIN, "general"))
    assert topic_lines(TRAIN, "optim.lr")[0].startswith("  optim.lr=0.001 ")


@pytest.mark.parametrize("topic", ["optm", "debug.rulez", "photo.jpg"])
def test_an_unknown_section_is_answered_with_those_that_there_are(topic: str) -> None:
    with pytest.raises(ConfigError, match=rf"no section or key {topic}\..* sections are general"):
        topic_lines(TRAIN, topic)


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        (["--help"], "Train a classifier"),
        (["-h"], "Train a classifier"),
        (["help"], "Train a classifier"),
        (["optim=sgd", "--help"], "Train a classifier"),
        (["--help", "data.root=photos"], "Train a classifier"),
        (["--help", "optim"], "optim=CHOICE: adam"),
        (["help", "features"], "features: "),
        (["data.root=x", "-h", "features"], "features: "),
        ([], None),
        (["data.root=x", "help"], None),
    ],
)
def test_what_requests_help(
    arguments: list[str], first: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_requested_help("train", arguments) is (first is not None)
    assert capsys.readouterr().out.startswith(first or "")


def test_messages_name_a_command_as_it_was_started() -> None:
    assert typed("final") == "python launch/train.py"
    with started_as("dogbreed"):
        assert typed("final") == "dogbreed final"
        with started_as("python -m dogbreed"):
            assert typed("train") == "python -m dogbreed train"
        assert typed("train") == "dogbreed train"
    assert typed("train") == "python -m dogbreed.train"
