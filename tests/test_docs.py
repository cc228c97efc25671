"""README.md and docs/: every command in them is one that the program takes, all their code runs."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from conftest import PROJECT, SMALL, Train, draw_photo

from dogbreed.configuration.commands import BY_NAME
from dogbreed.configuration.composing import compose_as
from dogbreed.predict import split_arguments

PAGES = (
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((PROJECT / "docs").glob("*.md")),
    PROJECT / "examples" / "README.md",
)
SCRIPTS = {command.script: command.name for command in BY_NAME.values()}
# What the pages type besides our own commands.
TOOLS = {"make", "pip", "curl", "cat", "sed", ".", "python", ".venv/bin/pre-commit"}


class Block(NamedTuple):
    """A fenced block of code, and where it begins."""

    page: Path
    line: int
    language: str
    code: str

    def __repr__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page) if block.language in languages]


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
        yield Block(page, text[: found.start()].count("\n") + 1, found[1], found[2])


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command in a block, parts of a pipe one by one."""
    for line in block.code.splitlines():
        words = shlex.split(line, comments=True)
        while "|" in words:
            yield words[: words.index("|")]
            words = words[words.index("|") + 1 :]
        if words:
            yield words


def check_ours(name: str, arguments: list[str]) -> None:
    """Hold a command's arguments to its schema, as the command itself does before its work."""
    command = BY_NAME[name]
    if {"--help", "--version"} & set(arguments):
        return
    if name in ("predict", "query"):
        arguments, photos = split_arguments(arguments, command.schema)
        assert photos
    compose_as(command.schema, name, arguments)


def check(words: list[str]) -> None:
    """Fail unless a documented command can be typed so."""
    script = next((s for s in SCRIPTS if words[: len(s.split())] == s.split()), None)
    if script is not None:
        check_ours(SCRIPTS[script], words[len(script.split()) :])
    elif words[0] == "dogbreed":
        if words[1:] and words[1] != "--version":
            check_ours(words[1], words[2:])
    elif words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.M)
        assert words[1] in targets
    elif words[0] == "pip":
        project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
        assert words[:3] == ["pip", "install", "-e"]
        extra = re.fullmatch(r"\.\[(\w+)\]", words[3])
        assert extra is not None
        assert extra[1] in project["optional-dependencies"]
    elif words[0] == "python":
        assert (PROJECT / words[1]).is_file(), words
    else:
        assert words[0] in TOOLS, words


@pytest.mark.parametrize("block", blocks("sh", "console"), ids=repr)
def test_every_documented_command_is_accepted(block: Block) -> None:
    found = list(commands(block))
    assert found
    for words in found:
        check(words)


def test_a_command_that_does_not_exist_would_be_found() -> None:
    for wrong in ("dogbreed train data.rot=PHOTOS", "make tests", "pip install -e '.[awss]'"):
        with pytest.raises(Exception, match=r"data\.rot|tests|awss"):
            check(shlex.split(wrong))


@pytest.mark.parametrize("block", blocks("yaml"), ids=repr)
def test_every_documented_space_is_one(block: Block) -> None:
    values = yaml.safe_load(block.code)
    typed = [f"search.{key}={value}" for key, value in values.items() if key != "space"]
    space = json.dumps(values["space"]).replace('"', "")
    config = compose_as(BY_NAME["tune"].schema, "tune", [f"search.space={space}", *typed])
    assert config.search.trials == values["trials"]


@pytest.mark.parametrize("block", blocks("json"), ids=repr)
def test_every_documented_response_has_the_fields_of_a_real_one(block: Block) -> None:
    from dogbreed.serving.http.openapi import ClassOut

    (prediction,) = json.loads(block.code)["predictions"]
    for each in prediction["classes"]:
        fields = ClassOut.model_fields.items()
        assert set(each) == {field.alias or name for name, field in fields}


def test_links_and_images_lead_to_files() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text("utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_figures_of_the_readme_name_a_benchmark() -> None:
    rows = re.findall(r"^\|.*\| `(\w+\.py)[^`]*` \|$", (PROJECT / "README.md").read_text(), re.M)
    assert len(rows) >= 5
    assert [name for name in rows if not (PROJECT / "tests/benchmarks" / name).is_file()] == []


def test_no_language_of_a_block_is_left_unchecked() -> None:
    # toml: a part of another package's pyproject.toml; tests/extensions installs such a package.
    known = {"sh", "console", "python", "yaml", "json", "text", "toml"}
    assert {block.language for page in PAGES for block in blocks_of(page)} <= known


# Several examples train in one folder.
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*number of training batches")
@pytest.mark.examples
def test_all_documented_python_runs(
    photos_root: Path, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "PHOTOS").symlink_to(photos_root)
    rows = ["id,breed,dog_id"]
    for number in range(24):
        draw_photo(tmp_path / "DOGS" / f"{number}.jpg", 20 + 80 * (number % 2), number)
        rows.append(f"{number},{('Akita', 'Beagle')[number % 2]},{number % 12}")
    (tmp_path / "DOGS" / "labels.csv").write_text("\n".join(rows), "utf-8")
    done = train("data.root=PHOTOS", *SMALL)
    assert done.returncode == 0, done.stderr
    photo = next(photos_root.rglob("*.jpg"))
    (tmp_path / "photo.jpg").write_bytes(photo.read_bytes())
    monkeypatch.chdir(tmp_path)
    # Those of extensions.md register things for good: tests/extensions runs them in a process. What
    # needs an AWS account is in examples/sagemaker.ipynb too: tests/contract runs that.
    elsewhere = [each for each in blocks("python") if each.page.name != "extensions.md"]
    for block in [each for each in elsewhere if "dogbreed.cloud" not in each.code]:
        namespace: dict[str, Any] = {}
        exec(compile(block.code, repr(block), "exec"), namespace)  # noqa: S102
