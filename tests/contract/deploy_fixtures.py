"""Fixtures of tests of launch/deploy.py: its commands, two models and a photo.

A test module takes them with `pytest_plugins = ("contract.fixtures", "contract.deploy_fixtures")`.
"""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import PROJECT, draw_photo
from contract.deployments import Done, Launch, command, roles_of
from contract.made_models import make_run
from helpers.in_process import run_in_process

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount


@pytest.fixture
def launch(tmp_path: Path, account: "SageMakerAccount") -> Launch:
    """Run one of launch/ in `tmp_path`."""

    def run(script: str, *arguments: str) -> Done:
        roles = roles_of(account) if script == "deploy.py" else ()
        done = run_in_process(PROJECT / "launch" / script, *roles, *arguments, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def launch_process(tmp_path: Path, account: "SageMakerAccount") -> Launch:
    """The same as a process of its own, for commands that run at once."""

    def run(script: str, *arguments: str) -> Done:
        return subprocess.run(
            command(script, *(roles_of(account) if script == "deploy.py" else ()), *arguments),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs, whose models are sure of the first and of the second breed."""
    folder = tmp_path_factory.mktemp("runs")
    return make_run(folder / "first", 0), make_run(folder / "second", 1)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    draw_photo(path, 20, 1)
    return path
