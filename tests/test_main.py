"""`dogbreed` and `python -m dogbreed`: the first screen, the table's commands, mistakes."""

import json
import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, SMALL, Train

from dogbreed.__main__ import main
from dogbreed.configuration.commands import BY_NAME, COMMANDS, typed
from dogbreed.errors import ConfigError
from dogbreed.utils.version import __version__

TOP1 = {"top1": 0.8333, "ci95": {"top1": [0.741, 0.926]}, "n": 72}


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dogbreed", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )


def write_run(folder: Path, metrics: str) -> None:
    run = folder / "outputs" / "20260101-120000-dogs"
    run.mkdir(parents=True)
    (run / "metrics.json").write_text(metrics, "utf-8")
    (folder / "outputs" / "latest").symlink_to(run.name)


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_arguments_one_screen_and_no_heavy_import(tmp_path: Path) -> None:
    done = run(cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 18
    assert max(map(len, lines)) <= 80
    width = max(len(command.name) for command in COMMANDS) + 2
    for command in COMMANDS:
        assert f"  {command.name:<{width}}{command.summary}" in lines
    assert lines[-1] == "No run in outputs yet. For a first look: python -m dogbreed train"
    assert run("help", cwd=tmp_path).stdout == done.stdout
    assert run("--help", cwd=tmp_path).stdout == done.stdout
    code = "from dogbreed.__main__ import main; main([]); import sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "numpy", "PIL", "hydra", "omegaconf", "yaml", "rich", "boto3", "openvino"}
    assert not heavy & set(loaded.stdout.split())


def test_the_version(tmp_path: Path) -> None:
    done = run("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"dogbreed {__version__}\n", "")


def test_an_unknown_command_is_answered_with_the_nearest(tmp_path: Path) -> None:
    done = run("Serv", "port=1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: There is no command Serv. Did you mean serve?")
    assert done.stderr.count("\n") == 1
    with pytest.raises(ConfigError, match="a command comes first, as in dogbreed train "):
        main(["data.root=photos"])
    with pytest.raises(ConfigError, match=r"no command xyzzy\. The commands are train, predict"):
        main(["help", "xyzzy"])


def test_the_latest_run_and_its_top1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path, json.dumps({"test": TOP1}))
    main([])
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "Latest run: outputs/20260101-120000-dogs",
        "  test top-1 83.3% (95%: 74.1 to 92.6), 72 photos",
    ]


@pytest.mark.parametrize(
    "metrics",
    [
        "",
        "[]",
        "{}",
        '{"test": 3}',
        '{"test": {"top1": "x"}}',
        *(json.dumps({"test": {**TOP1, name: None}}) for name in TOP1),
        json.dumps({"test": {**TOP1, "ci95": {"top1": [1]}}}),
    ],
)
def test_a_damaged_latest_run_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], metrics: str
) -> None:
    write_run(tmp_path, metrics)
    main([])
    *_, run, what = capsys.readouterr().out.splitlines()
    assert run == "Latest run: outputs/20260101-120000-dogs"
    assert what.startswith("  metrics.json ")


@pytest.mark.runs
def test_the_latest_run_of_a_real_training(
    train: Train, photos_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = train(f"data.root={photos_root}", *SMALL)
    assert done.returncode == 0, done.stderr
    latest = (tmp_path / "outputs" / "latest").resolve()
    test: dict[str, Any] = json.loads((latest / "metrics.json").read_text("utf-8"))["test"]
    main([])
    *_, run, top1 = capsys.readouterr().out.splitlines()
    assert run.endswith(latest.name)
    low, high = (100 * end for end in test["ci95"]["top1"])
    shown = f"  test top-1 {100 * test['top1']:.1f}% (95%: {low:.1f} to {high:.1f}), "
    assert top1.startswith(shown)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_command_shows_its_help_as_it_was_started(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = []
    for arguments in ([name, "--help"], [name, "-h"], [name, "help"], ["help", name]):
        main(arguments)
        shown.append(capsys.readouterr().out)
    assert set(shown) == {shown[0]}
    assert f"\nUsage: dogbreed {name} " in shown[0]
    assert f"\nExample: dogbreed {name} " in shown[0]
    import_module(BY_NAME[name].module).main(["--help"])
    script = BY_NAME[name].script
    other = capsys.readouterr().out
    assert f"\nUsage: {script} " in other
    assert f"dogbreed {name} " not in other
    assert typed(name) == script  # nothing of `dogbreed` is left


@pytest.mark.parametrize("name", BY_NAME)
def test_every_script_of_the_table_exists(name: str) -> None:
    script = BY_NAME[name].script.removeprefix("python ")
    if script.startswith("-m "):
        assert script == f"-m {BY_NAME[name].module}"
    else:
        text = (PROJECT / script).read_text("utf-8")
        assert f"from {BY_NAME[name].module} import main\n" in text


def test_options_may_have_dashes_and_a_missing_photo_names_the_command() -> None:
    with pytest.raises(ConfigError, match=r"optim\.lr=-1: must be above 0"):
        main(["train", "--optim.lr=-1"])
    with pytest.raises(ConfigError, match=r"write dogbreed predict model=outputs/latest "):
        main(["predict", "--top_k=3"])
    with pytest.raises(ConfigError, match=r"write dogbreed query endpoint=dogs photo\.jpg"):
        main(["query"])


def test_the_console_script_is_that_of_the_package() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    module, _, function = project["scripts"]["dogbreed"].partition(":")
    assert callable(getattr(import_module(module), function))
