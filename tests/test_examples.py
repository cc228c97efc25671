"""The programs in examples/, each run as a user runs it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT
from helpers.notebooks import execute, read

EXAMPLES = PROJECT / "examples"

pytestmark = pytest.mark.examples


def run(program: Path, folder: Path, *arguments: str) -> str:
    """What a program prints, started in an empty folder."""
    done = subprocess.run(
        [sys.executable, str(program), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
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


def test_lightning_cli_trains_tests_and_reads_its_own_configuration(
    photos_root: Path, tmp_path: Path
) -> None:
    program = EXAMPLES / "lightning_cli.py"
    quiet = ("--trainer.logger=false", "--trainer.accelerator=cpu")
    arguments = (f"--data.root={photos_root}", "--model.lr=0.01", "--trainer.max_epochs=3")
    places = [f"--trainer.default_root_dir={tmp_path / name}" for name in ("fit", "test")]
    run(program, tmp_path, "fit", *arguments, *quiet, places[0])
    (checkpoint,) = tmp_path.rglob("*.ckpt")
    config = next(iter(tmp_path.rglob("config.yaml")))
    assert "lr: 0.01" in config.read_text("utf-8")
    output = run(
        program, tmp_path, "test", f"--config={config}", f"--ckpt_path={checkpoint}", places[1]
    )
    assert re.search(r"test_top1\W+(1\.0|0\.[6-9])", output), output


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
