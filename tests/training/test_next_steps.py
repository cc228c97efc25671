"""The commands after a training: each works as it is pasted into a shell."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT, TrainedRun
from test_docs import check

from dogbreed.configuration.commands import started_as
from dogbreed.configuration.composing import compose
from dogbreed.training.next_steps import next_steps

PHOTO = Path("my photos/test/Akita/a 1.jpg")


def commands(lines: list[str]) -> list[list[str]]:
    """The words of each command, as a shell joins its lines."""
    text = "\n".join(lines).replace("\\\n", " ")
    found = [line.partition(":")[2] or line for line in text.split("\n") if not line.endswith(":")]
    return [shlex.split(line) for line in found]


@pytest.mark.parametrize("columns", [None, 200, 80, 40])
@pytest.mark.parametrize("program", [None, "python -m dogbreed", "dogbreed"])
def test_every_command_is_one_that_the_program_takes(
    program: str | None, columns: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/x y/bin/python")
    which = {"dogbreed": "/x y/bin/dogbreed", "xdg-open": "/usr/bin/xdg-open"}
    monkeypatch.setattr(shutil, "which", which.get)
    config = compose(["data.root='my photos, ${x}'", "model.backbone=resnet18"])
    run = Path("out puts/20260101-000000-x")
    if program is None:
        lines = next_steps(config, run, [PHOTO], columns)
    else:
        with started_as(program):
            lines = next_steps(config, run, [PHOTO], columns)
    opening, *ours = commands(lines)
    assert opening[1] == f"{run}/report.html"
    assert [words[-1] for words in ours[:1]] == [str(PHOTO)]
    assert any("my photos, " in word for word in ours[2])
    assert "model.backbone=resnet18" in ours[2]
    for words in ours:
        if program == "dogbreed":
            assert words[0] == "dogbreed"
            check(words)
            continue
        assert words[:2] == ["/x y/bin/python", "-m"]
        name = words[2].rpartition(".")[2] if words[2] != "dogbreed" else words.pop(3)
        check(["dogbreed", name, *words[3:]])
    if columns in (40, 80):
        assert all(len(line) <= columns or len(line.split()) <= 4 for line in lines)


def test_a_program_elsewhere_is_not_taken_for_this_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", {"dogbreed": "/other/bin/dogbreed"}.get)
    with started_as("dogbreed"):
        lines = next_steps(compose([]), Path("outputs/x"), [PHOTO], None)
    assert all(words[0] == sys.executable for words in commands(lines))


def test_what_cannot_be_printed_as_it_is_is_left_out() -> None:
    for name in ("a\nb.jpg", "\x1b[31m.jpg", "-x.jpg", "valid_loss=0.0.jpg"):
        lines = next_steps(compose([]), Path("outputs/x"), [Path(name)], None)
        assert not any("Classify" in line for line in lines)
    lines = next_steps(compose([]), Path("outputs/x"), [Path("a\nb.jpg"), PHOTO], None)
    assert any("'my photos/test/Akita/a 1.jpg'" in line for line in lines)
    lines = next_steps(compose([]), Path("out\x1bputs"), [PHOTO], None)
    assert not any("puts" in line for line in lines)


@pytest.mark.slow
def test_the_printed_command_classifies_a_photo(trained: TrainedRun) -> None:
    printed = trained.done.stdout
    (line,) = [line for line in printed.splitlines() if line.startswith("Classify a photo:")]
    done = subprocess.run(
        ["sh", "-c", line.partition(":")[2]],
        cwd=trained.cwd,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(PROJECT), "DOGBREED_CACHE": str(trained.cwd / "cache")},
    )
    assert done.returncode == 0, done.stderr
    assert '"label": "Akita"' in done.stdout or "Akita" in done.stdout
