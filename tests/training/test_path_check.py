"""Paths as people write them, and names that are too long; wrong ones are reported first."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from conftest import PROJECT, draw_folders

from dogbreed.configuration.composing import compose, compose_as
from dogbreed.configuration.deploy import DeployConfig, QueryConfig, TeardownConfig
from dogbreed.configuration.run import Config, PredictConfig, ServeConfig
from dogbreed.configuration.schema import flat, leaves, parse_key, without_places
from dogbreed.configuration.search import FinalConfig, TuneConfig
from dogbreed.errors import ConfigError
from dogbreed.predict import split_arguments
from dogbreed.search.runner_limits import check_local_search
from dogbreed.serving.offline.table import open_table
from dogbreed.training.path_check import check_paths
from dogbreed.training.run_folder import folder_name
from dogbreed.utils.files import atomic_write, shortened, with_ending, write_text
from dogbreed.utils.user_paths import expanded

COMMANDS: dict[str, type[Any]] = {
    "train": Config,
    "tune": TuneConfig,
    "final": FinalConfig,
    "predict": PredictConfig,
    "serve": ServeConfig,
    "deploy": DeployConfig,
    "query": QueryConfig,
    "teardown": TeardownConfig,
}
# Keys of free text that name no file of this machine.
NO_PATHS = {
    *("tracking.uri", "tracking.experiment"),
    *("data.group", "data.columns.photo", "data.columns.label", "data.columns.split"),
    *("name", "search.name", "data.noun", "model.backbone", "host", "token", "endpoint", "attach"),
    *("deploy.image_uri", "deploy.instance_type", "deploy.register", "deploy.role"),
    "deploy.ttl_role",
    *(f"launcher.{name}" for name in ("region", "role", "bucket", "prefix", "output_kms_key")),
    *(f"launcher.{name}" for name in ("image_uri", "instance_type", "extract_instance_type")),
    *("launcher.volume_kms_key", "deploy.volume_kms_key", "deploy.alarm_topic", "owner"),
}
# 255 bytes, the most that a name may have; 85 characters.
LONG = "犬" * 85


def text_keys(schema: type[Any], prefix: str = "") -> dict[str, bool]:
    """Every key of free text, and whether it is a path."""
    found: dict[str, bool] = {}
    hints = get_type_hints(schema)
    for item in fields(schema):
        kind = hints[item.name]
        if is_dataclass(kind):
            found |= text_keys(kind, f"{prefix}{item.name}.")  # type: ignore[arg-type]
        elif kind in (str, str | None) and not item.metadata["choices"]:
            found[prefix + item.name] = item.metadata.get("path", False)
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_path_of_any_command_may_begin_at_home(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    schema = COMMANDS[command]
    texts = text_keys(schema)
    assert {name for name, is_path in texts.items() if not is_path} <= NO_PATHS
    paths = [name for name, is_path in texts.items() if is_path]
    config = compose_as(schema, command, [f"{name}=~/a ~ b" for name in paths])
    assert {name: flat(config)[name] for name in paths} == dict.fromkeys(paths, f"{tmp_path}/a ~ b")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("~nosuchuser/x", "output_root=~nosuchuser/x: there is no user nosuchuser"),
        ("~nosuchuser", "there is no user nosuchuser"),
        ("", "output_root is empty"),
        ("a\0b", "zero byte"),
    ],
)
def test_a_path_that_is_none_is_refused(path: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_key(Config, "output_root", path)


def test_other_words_of_path_keys_stay_as_they_are() -> None:
    for word in ("s3://bucket//a", "newest", "./~x", "a~", "/~"):
        assert expanded("model", word) == word


def test_photos_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("~here.jpg").touch()
    _, given = split_arguments(["~/a.jpg", "~here.jpg", "~nosuchuser/b.jpg", "-"])
    assert given == [f"{tmp_path}/a.jpg", "~here.jpg", "~nosuchuser/b.jpg", "-"]


def test_names_are_cut_between_characters() -> None:
    assert shortened("abc", 3) == "abc"
    assert shortened("犬犬", 5) == "犬"
    assert shortened("犬犬", 6) == "犬犬"
    assert shortened("a\udcff\udcff", 2) == "a\udcff"  # of a name that isn't UTF-8
    assert shortened("犬", 2) == ""
    assert len(os.fsencode(folder_name(LONG))) <= 128
    assert len(os.fsencode(folder_name("x" * 300))) <= 128
    assert with_ending(Path("a", LONG), "-end") == Path("a", "犬" * 83 + "-end")


def test_a_file_of_the_longest_name_is_written(tmp_path: Path) -> None:
    write_text(tmp_path / LONG, "x")
    with atomic_write(tmp_path / ("y" * 255)) as temporary:
        temporary.mkdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((LONG, "y" * 255))


def test_answers_go_into_a_file_of_the_longest_name(tmp_path: Path) -> None:
    path = tmp_path / ("犬" * 83 + "xy.csv")
    for _ in range(2):  # begun, and continued
        with open_table(path, {"model": "m"}, 1, ["a"]):
            pass
    assert len(list(tmp_path.iterdir())) == 2


def test_a_search_of_too_long_a_name_is_refused_at_once() -> None:
    for name in ("x" * 256, LONG + "x"):
        with pytest.raises(ConfigError, match="too long: at most 255 bytes"):
            check_local_search(
                compose_as(TuneConfig, "tune", ["launcher=local", f"search.name={name}"])
            )


def _photos(folder: Path) -> Path:
    return draw_folders(folder / "photos", {"": 2})


# Wrong paths among right ones, and the message about each.
WRONG: dict[str, str] = {
    "data.root=none": "none doesn't exist: data.root",
    "data.root=file": "file is a file, but no zip or tar archive: data.root",
    "data.root=file/x": "file/x doesn't exist",
    "data.root=loop": "loop can't be read: Too many levels of symbolic links",
    f"data.root={'x' * 256}": "can't be read: File name too long",
    "data.feature_set=none": "data.feature_set=none: there is no feature set",
    "data.feature_set=photos": "there is no feature set (no photos.json)",
    "model.weights=none.pth": "model.weights=none.pth: there is no such file",
    "model.weights=photos/": "model.weights=photos/: is a folder",
    "model.weights=file/x": "model.weights=file/x: can't be read: Not a directory",
    f"model.weights=./{'x' * 256}": "File name too long",
    "resume=none": "resume=none: there is no run there",
    "resume=file": "resume=file: there is no run there",
    "output_root=file": "Results can't be written to file",
    "output_root=/proc/x": "Results can't be written to /proc/x",
    f"output_root={'x' * 256}": "File name too long",
    "features.root=file": "features.root=file: the folder can't be created",
    "features.root=/proc/x": "features.root=/proc/x: the folder can't be created",
}
SENT = ("data.root", "model.weights", "output_root")  # the others jobs have elsewhere
ENTRY_POINTS = {
    "dogbreed.train": (WRONG, ()),
    "launch.tune": (WRONG, ("launcher=local", "wait=true")),
    "launch.train": (WRONG, ("launcher=local", "best=null")),
    "launch.tune dry": (SENT, ("dry_run=true",)),
    "launch.train dry": (SENT, ("dry_run=true", "best=null")),
}
# Runs an entry point on each line of arguments; prints each message, and what was imported.
CALLS = """
import importlib, json, sys
main = importlib.import_module(sys.argv[1]).main
for line in sys.stdin:
    try:
        main(json.loads(line))
    except Exception as error:
        print(json.dumps([str(error), [n for n in ("torch", "boto3") if n in sys.modules]]))
"""


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
@pytest.mark.slow
def test_wrong_paths_are_reported_before_torch_is_imported(
    entry_point: str, tmp_path: Path
) -> None:
    _photos(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    keys, arguments = ENTRY_POINTS[entry_point]
    wrong = {each: words for each, words in WRONG.items() if each.startswith(tuple(keys))}
    calls = [[*arguments, "data.root=photos", each] for each in wrong]
    done = subprocess.run(
        [sys.executable, "-c", CALLS, entry_point.split()[0]],
        input="".join(f"{json.dumps(call)}\n" for call in calls),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{os.environ.get('PYTHONPATH', '')}"},
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(wrong), done.stderr
    for (message, imported), (argument, words) in zip(results, wrong.items(), strict=True):
        assert words in message, argument
        assert imported == []


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "dogbreed.train"),
        pytest.param(("launch/tune.py", "dry_run=true"), marks=pytest.mark.slow),
        pytest.param(("launch/tune.py", "launcher=local"), marks=pytest.mark.slow),
        pytest.param(("launch/train.py", "dry_run=true", "best=null"), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_a_missing_root_is_reported_before_anything_heavy_is_imported(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    script = [str(PROJECT / part) if part.endswith(".py") else part for part in command]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *script, "data.root=/nonexistent"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    *lines, message = done.stderr.splitlines()
    assert message.startswith("error: /nonexistent doesn't exist")
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert "omegaconf" in imported  # so the list is there
    heavy = {"torch", "torchvision", "pytorch_lightning", "sagemaker", "boto3", "openvino"}
    assert not imported & heavy  # how long it takes is measured by tests/benchmarks/startup.py


def test_nothing_is_made_where_what_is_read_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match="doesn't exist"):
        check_paths(compose(["data.root=none", "output_root=outputs", "features.root=features"]))
    assert list(tmp_path.iterdir()) == []


def test_a_photo_folder_that_is_closed_is_reported(
    tmp_path: Path, as_another_user: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (tmp_path / "closed").mkdir(mode=0o000)
    done = as_another_user("-m", "dogbreed.train", "data.root=closed", DOGBREED_CACHE="cache")
    assert done.stderr == "error: closed can't be read: Permission denied.\n"


def test_of_a_path_only_its_last_name_is_published() -> None:
    names = ("data.root", "data.feature_set", "model.weights", "features.root", "resume")
    given = {name: f"/home/me/secret/{name}.x" for name in (*names, "output_root")}
    config = compose([f"{name}={path}" for name, path in given.items()])
    published = leaves(without_places(config))
    assert {name: published[name] for name in given} == {name: f"{name}.x" for name in given}
    values = flat(config)
    assert {name: values[name] for name in given} == given, "the run's own configuration has them"
    assert {name: values[name] for name in values if name not in given} == {
        name: published[name] for name in values if name not in given
    }
    assert "secret" not in json.dumps(without_places(compose(["data.root=~/secret/dogs"])))
