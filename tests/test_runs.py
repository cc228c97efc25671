"""`dogbreed runs`: which runs are listed, what is printed of each, and what can be damaged."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.in_process import run_in_process
from helpers.made_runs import folder_name, write_run, write_runs

from dogbreed.report.run_table import run_table
from dogbreed.run_records.best import best_run
from dogbreed.run_records.listing import list_runs
from dogbreed.run_records.lock import RunLock

Runs = Callable[[], list[str]]


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """The lines that the command prints into a pipe."""

    def run() -> list[str]:
        done = run_in_process("dogbreed.runs", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    return run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


def test_without_a_run_it_is_a_sentence(runs: Runs, root: Path) -> None:
    sentence = "No run in outputs yet. For a first look: python -m dogbreed.train"
    assert runs() == [sentence]
    root.mkdir()
    assert runs() == [sentence]
    (root / "notes.txt").touch()
    (root / "searches" / "20260101-120000-hpo").mkdir(parents=True)
    evaluation = root / "20260101-120000-photos-evaluation"
    evaluation.mkdir()
    (evaluation / "metrics.json").write_text("{}")
    assert runs() == [sentence]


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "outputs").touch()
    done = run_in_process("dogbreed.runs", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: outputs: Not a directory: a file is where a folder is needed: name another path.\n"
    )


def test_into_a_pipe_each_run_is_a_line(runs: Runs, root: Path) -> None:
    write_run(root, 1, valid=0.8, test=0.7, changes={"optim.lr": 0.003, "resume": None})
    write_run(root, 2, valid=0.7, test=0.8, seconds=4.25, changes={"data.root": "a" * 100})
    write_run(root, 0, name="others", classes=("cat", "dog"), valid=0.9, data="pets")
    (root / "latest").symlink_to(folder_name(2))
    head, oldest, best, latest = runs()
    assert head.split() == ["run", "data", "test", "top-1", "%", "seconds", "changed", "keys"]
    assert oldest.split() == [
        folder_name(0, "others"),
        *("pets", "77.0", "(74.5", "to", "79.3)", "165"),
    ]
    assert best.startswith(f"*  {folder_name(1)}  photos  70.0 (67.3 to 72.5)")
    assert best.endswith("     165  optim.lr=0.003 resume=null")
    assert latest.startswith(f">  {folder_name(2)} ")
    assert latest.endswith(f"     4.2  data.root={'a' * 59}…")


def is_locked_for_others(folder: Path) -> bool:
    code = (
        "import pathlib, sys; from dogbreed.run_records.lock import is_locked; "
        "print(is_locked(pathlib.Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    return done.stdout == "True\n"


def test_runs_without_results_say_why(runs: Runs, root: Path) -> None:
    stopped = write_run(root, 0, finished=False, changes={"seed": 3})
    write_run(root, 1, finished=False, failure="no space\x1b[2J\nleft", changes={})
    running = write_run(root, 2, finished=False)
    (write_run(root, 3, finished=False) / "run.json").unlink()
    lock = RunLock.acquire(running)
    assert lock is not None
    _, *lines = runs()
    assert lines[0].endswith("–  unfinished; seed=3")
    assert lines[1].endswith("–  failed: no space\\x1b[2J\\nleft")
    assert lines[2].endswith("–  running")
    assert lines[3].endswith("–  unfinished")
    assert is_locked_for_others(running), "looking has released the lock"
    lock.release()
    (stopped / ".lock").write_text("process 1 on elsewhere")  # of a killed process
    _, *lines = runs()
    assert lines[0].endswith("unfinished; seed=3")
    assert lines[2].endswith("unfinished")


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"classes": NaN}', "{" * 100, '{"data": 1}'])
def test_a_damaged_record_is_replaced_by_metrics_json(runs: Runs, root: Path, damage: str) -> None:
    folder = write_run(root, changes={"seed": 3})
    whole = runs()
    (folder / "run.json").write_text(damage)
    assert runs()[1].split()[-6:] == ["–", "77.0", "(74.5", "to", "79.3)", "165"]
    (folder / "metrics.json").write_text("{}")
    assert "damaged: run.json" in runs()[1]
    (folder / "run.json").unlink()
    assert runs()[1].endswith("damaged: metrics.json isn't that of a training")
    assert "seed=3" in whole[1]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("changes", [1]),
        ("changes", {str(number): 0 for number in range(300)}),
        ("seconds", "long"),
        ("splits", {"test": {"top1": "x", "ci95": {}}}),
        ("splits", {"test": {"top1": 0.5, "ci95": {"top1": [1]}}}),
        ("test_answers", {"sha256": "x", "n": 9, "right": "AA==", "wrong": ""}),
        ("test_answers", {"sha256": "x", "n": 8, "right": "é", "wrong": ""}),
        ("test_answers", {"sha256": "x", "n": 8, "right": "AA==", "wrong": "AAAA"}),
    ],
)
def test_a_record_of_other_values_is_not_used(
    runs: Runs, root: Path, key: str, value: object
) -> None:
    folder = write_run(root, changes={"seed": 3})
    values = json.loads((folder / "run.json").read_text("utf-8"))
    (folder / "run.json").write_text(json.dumps({**values, key: value}))
    line = runs()[1]
    assert "77.0 (74.5 to 79.3)" in line
    assert "seed=3" not in line


def test_names_from_outside_command_no_terminal(runs: Runs, root: Path) -> None:
    name = "\x1b[31mred\n\u202e"
    write_run(root, name=name, data=name, changes={name: name})
    (head, line) = runs()
    assert head
    assert line.count("\\x1b[31mred\\n\\u202e") == 4
    odd = os.fsdecode(b"odd\xff")
    write_run(root, 1, name=odd)
    assert f"{folder_name(1)[:15]}-odd\\udcff" in runs()[2]


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_a_terminal_s_lines_fit_its_width(root: Path, width: int) -> None:
    write_run(root, name="n" * 80, data="photos of many dogs and cats", changes={"seed": 1})
    write_run(root, 1, name="犬" * 15, data="犬" * 20, changes={f"key{n}": n for n in range(99)})
    write_run(root, 2, finished=False)
    found = list_runs(root)
    lines = run_table(found, found[1].name, found[1].name, width)
    from rich.cells import cell_len

    widest = max(map(cell_len, (line for line in lines if "n" * 80 not in line)))
    assert widest <= max(width, 95)
    assert width != 120 or widest <= 120
    text = " ".join(" ".join(lines).split())
    assert f"{folder_name(0)[:15]}-{'n' * 80}" in text
    assert "key1=1 key2=2" in text
    assert "key98=98" not in text
    assert " …" in text


def test_hundreds_of_runs(runs: Runs, root: Path) -> None:
    write_runs(root, 40, classes=5)
    lines = runs()
    assert len(lines) == 41
    assert lines[-1].startswith(">")
    best, count = best_run(list_runs(root), None)
    assert count == 40
    assert best is not None
    assert [line.split()[1] for line in lines if line.startswith("*")] == [best.name]
