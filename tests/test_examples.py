"""The programs in examples/, each run as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT
from helpers.notebooks import execute, read

EXAMPLES = PROJECT / "examples"

pytestmark = pytest.mark.examples


def run(program: Path, folder: Path) -> str:
    """What a program prints, started in an empty folder."""
    done = subprocess.run(
        [sys.executable, str(program)], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_own_training_records_every_step_and_checks_every_rule(tmp_path: Path) -> None:
    output = run(EXAMPLES / "own_training.py", tmp_path)
    assert "50 steps recorded" in output  # 300 points in batches of 30, five epochs
    assert "loss_not_finite: fine" in output


def test_the_custom_rule_fires(tmp_path: Path) -> None:
    output = run(EXAMPLES / "custom_rule.py", tmp_path)
    assert "loss_jump: fired. The cross entropy jumped to" in output


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    notebook = read(EXAMPLES / "explore_run.ipynb")
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    execute(notebook, tmp_path)
    printed = json.dumps([cell.get("outputs") for cell in notebook.cells])
    assert "test top-1" in printed
    assert "image/png" in printed  # the explanation
    assert list((tmp_path / "outputs" / "latest").resolve().glob("report.html"))


def test_the_readme_lists_every_example() -> None:
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    programs = [path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")]
    assert [name for name in programs if f"`{name}`" not in listed] == []
