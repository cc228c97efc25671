"""A run's folder of somebody else, named in `resume`: read within bounds, never written through."""

import json
import os
from pathlib import Path

import pytest

from dogbreed.configuration.composing import compose
from dogbreed.configuration.run import Config
from dogbreed.errors import ConfigError
from dogbreed.run_records.lock import RunLock
from dogbreed.training.data_record import RunData, differences, read_run_data
from dogbreed.training.resume import open_run
from dogbreed.training.run_folder import config_text

DATA = RunData(classes=("Akita",), backbone="x", photos={})


@pytest.fixture(scope="module")
def config() -> Config:
    return compose([])


@pytest.fixture
def run(tmp_path: Path, config: Config) -> Path:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "config.yaml").write_text(config_text(config), "utf-8")
    DATA.write(folder)
    return folder


def reason_not_resumed(config: Config, run: Path) -> str:
    from dataclasses import replace

    with pytest.raises(ConfigError) as caught:
        open_run(replace(config, resume=str(run)), DATA)
    message = str(caught.value)
    assert message.startswith("resume=")
    assert message.isprintable()
    assert len(message) < 1500
    return message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a0: &a [x]\na1: [*a, *a]\n", "its config.yaml has an anchor"),
        ("a: !!python/name:os.system\n", "its config.yaml has a tag"),
        ("seed: 1\nseed: 2\n", "its config.yaml has the key seed twice"),
        ("x: " + "[" * 100_000, "its config.yaml is nested deeper"),
        ("#" * 10**6, "its config.yaml is larger than 256 KiB"),
        ("", "its config.yaml holds no mapping"),
        ("- a\n", "its config.yaml holds no mapping"),
    ],
)
def test_its_configuration_is_read_within_bounds(
    config: Config, run: Path, text: str, message: str
) -> None:
    (run / "config.yaml").write_text(text, "utf-8")
    assert message in reason_not_resumed(config, run)


def test_its_configuration_is_compared_and_never_used(
    config: Config, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s3cr3t")
    text = config_text(config).replace("output_root: outputs", "output_root: ${oc.env:SECRET}")
    (run / "config.yaml").write_text(text, "utf-8")
    assert "output_root=${oc.env:SECRET} (now outputs)" in reason_not_resumed(config, run)
    text = config_text(config).replace(
        "output_root: outputs", '"output_root": "\\e[31m\\n' + "x" * 999
    )
    (run / "config.yaml").write_text(text.replace("x" * 999, "x" * 999 + '"'), "utf-8")
    assert "output_root=\\x1b[31m\\nxxx" in reason_not_resumed(config, run)


@pytest.mark.parametrize(
    "place", ["log.txt", ".lock", "debug", "checkpoints", "debug/recording", "data.json"]
)
def test_nothing_is_written_through_its_links(
    config: Config, run: Path, tmp_path: Path, place: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", "utf-8")
    (run / place).parent.mkdir(exist_ok=True)
    (run / place).unlink(missing_ok=True)
    (run / place).symlink_to(victim)
    assert f"{place} isn't a regular file" in reason_not_resumed(config, run)
    if place == ".lock":
        with pytest.raises(PermissionError, match="symbolic link, which isn't followed"):
            RunLock.acquire(run)
    assert victim.read_text("utf-8") == "precious"


def test_a_pipe_in_it_is_not_waited_for(config: Config, run: Path) -> None:
    os.mkfifo(run / "log.txt")
    assert "log.txt isn't a regular file" in reason_not_resumed(config, run)
    (run / "log.txt").unlink()
    (run / "config.yaml").unlink()
    os.mkfifo(run / "config.yaml")
    assert "its config.yaml is no regular file" in reason_not_resumed(config, run)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"classes": ["Akita"], "classes": ["Akita"], "backbone": "x", "photos": {}}',
        json.dumps({"classes": [["Akita"]], "backbone": "x", "photos": {}}),
        json.dumps({"classes": ["Akita"], "backbone": ["x"], "photos": {}}),
        json.dumps({"classes": ["Akita"], "backbone": "x", "photos": {"train": 1}}),
        '{"classes": ["Akita"], "backbone": "x", "photos": {"train": {"A": {"count": NaN}}}}',
    ],
)
def test_data_that_is_none_is_not_compared(run: Path, text: str) -> None:
    (run / "data.json").write_text(text, "utf-8")
    assert read_run_data(run) is None


def test_names_of_its_classes_are_shown_in_one_line(run: Path) -> None:
    before = RunData(classes=("\x1b[31mred\nerror: x", "y" * 5000), backbone="x", photos={})
    before.write(run)
    found = read_run_data(run)
    assert found is not None
    for line in differences(found, DATA):
        assert line.isprintable()
        assert len(line) < 600
