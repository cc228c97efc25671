"""`latest` and `best` in the place of a model's path: which run each is, and errors."""

import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import TrainedRun, draw_photo
from helpers.in_process import run_in_process
from helpers.made_runs import folder_name, write_run

import dogbreed
from dogbreed.artifact.folder import find_artifact
from dogbreed.errors import ArtifactError
from dogbreed.run_records.best import choose_run


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("outputs")


def chosen(model: str) -> str:
    return choose_run(Path(model)).folder.name


def test_best_is_by_validation_never_by_test(root: Path) -> None:
    write_run(root, 0, valid=0.8, test=0.6)
    write_run(root, 1, valid=0.7, test=0.9)
    assert chosen("best") == folder_name(0)
    write_run(root, 2, valid=0.8, test=0.1)
    assert chosen("best") == folder_name(2)  # of equal ones the newer


def test_of_equal_top1_the_lower_loss_is_better(root: Path) -> None:
    for number, loss in enumerate((1.2, 0.9, 1.0)):
        folder = write_run(root, number, valid=0.8)
        values = json.loads((folder / "run.json").read_text("utf-8"))
        values["splits"]["valid"]["loss"] = loss
        (folder / "run.json").write_text(json.dumps(values))
    assert chosen("best") == folder_name(1)


def test_the_classes_of_latest_decide(root: Path) -> None:
    write_run(root, 0, valid=0.7)
    write_run(root, 1, valid=0.9, classes=("cat", "dog"))
    write_run(root, 2, valid=0.6)
    (root / "latest").symlink_to(folder_name(2))
    found = choose_run(Path("best"))
    assert found.folder == root / folder_name(0)
    assert found.reason == "best by validation of 2 runs with these classes; 1 with others left out"
    (root / "latest").unlink()
    (root / "latest").symlink_to(folder_name(1))
    assert chosen("best") == folder_name(1)
    assert choose_run(Path("latest")).folder == root / folder_name(1)


def test_runs_that_cannot_be_used_are_passed_over(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_run(root, 0, valid=0.6)
    write_run(root, 1, finished=False)
    shutil.rmtree(write_run(root, 2, valid=0.9) / "model")
    for number in range(3, 8):
        damaged = write_run(root, number, valid=0.9)
        (damaged / "run.json").write_text("{")
        (damaged / "metrics.json").write_text("{")
    (write_run(root, 8, valid=0.7) / "run.json").unlink()  # of an older version
    assert chosen("best") == folder_name(8)
    warnings = [record.getMessage() for record in caplog.records]
    assert warnings[0].startswith(f"warning: outputs/{folder_name(3)} is skipped: its run.json is")
    assert warnings[3:] == ["warning: and 2 more runs are skipped"]


def test_other_folders_of_runs_and_files_of_that_name(root: Path) -> None:
    write_run(Path("more"), 0)
    assert choose_run(Path("more/best")).folder == Path("more", folder_name(0))
    assert choose_run(Path("best"), Path("more")).folder == Path("more", folder_name(0))
    write_run(root, 1)
    assert chosen("best") == folder_name(1)
    Path("best").mkdir()
    assert choose_run(Path("best")).folder == Path("best")
    assert choose_run(Path("more/other")).folder == Path("more/other")


@pytest.mark.parametrize("name", ["best", "latest", "outputs/best", "outputs/latest"])
def test_without_a_run_the_error_says_what_to_do(root: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match=r"no finished run in outputs yet: train a model \("):
        find_artifact(Path(name))
    with pytest.raises(ArtifactError, match=r"no finished run in outputs yet"):
        dogbreed.load(name)


def test_a_link_to_a_run_that_was_deleted(root: Path) -> None:
    root.mkdir()
    (root / "latest").symlink_to(folder_name(0))
    with pytest.raises(ArtifactError, match=f"outputs/{folder_name(0)} holds no trained model"):
        find_artifact(Path("latest"))


@pytest.mark.parametrize("name", ["best", "latest", "outputs/best", "outputs/latest"])
def test_every_entry_point_takes_the_names(trained: TrainedRun, tmp_path: Path, name: str) -> None:
    (tmp_path / "outputs").symlink_to(trained.run.parent)
    draw_photo(tmp_path / "dog.jpg", 20, 0)
    done = run_in_process("dogbreed.predict", f"model={name}", "dog.jpg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    reason = "latest" if "latest" in name else "best by validation of 1 run with these classes"
    assert done.stderr.startswith(f"model: outputs/{trained.run.name} ({reason}): 3 classes; top-1")
    assert re.search(r"validation \d+\.\d%, test \d+\.\d%$", done.stderr)
    assert json.loads(done.stdout)["class"] in ("Akita", "Beagle", "Collie")
    explicit = run_in_process("dogbreed.predict", f"model={trained.run}", "dog.jpg", cwd=tmp_path)
    assert (explicit.returncode, explicit.stdout, explicit.stderr) == (0, done.stdout, "")
