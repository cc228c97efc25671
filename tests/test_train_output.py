"""What a training shows: in a pipe, on terminals of all kinds, and of runs that prove little."""

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import JOB_NAME, SMALL, Train
from helpers.screen import Screen, on_screen

from dogbreed.evaluation.metrics.registry import objectives
from dogbreed.utils.metric_lines import metric_regexes

pytestmark = pytest.mark.runs

# As many epochs as the sample set has by default.
SAMPLES = [each for each in SMALL if not each.startswith(("trainer.epochs", "data.batch_size"))]
COMMAND = (sys.executable, "-m", "dogbreed.train")
SPARKLINE = re.compile(r"^[▁▂▃▄▅▆▇█]{3,}", re.MULTILINE)
NO_PHOTOS, NO_WEIGHTS = "No data.root: the photos are the built-in", "the metrics are meaningless"


def runs_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("outputs/*-*") if not path.is_symlink())


def long(photos: Path) -> tuple[str, ...]:
    """A command that trains until it is stopped."""
    endless = ("trainer.epochs=100000", "trainer.patience=0", "debug.enabled=false")
    return (*COMMAND, f"data.root={photos}", *SMALL, *endless)


def block_of(screen: Screen) -> list[str]:
    """The rows from the photos on, where the live block starts."""
    rows = screen.rows()
    return rows[next(n for n, row in enumerate(rows) if "60 photos of" in row) :]


def test_a_pipe_gets_sixty_lines_and_the_log_every_epoch(train: Train, tmp_path: Path) -> None:
    done = train(*SAMPLES)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 60, done.stdout
    epochs = [int(found[1]) for line in lines if (found := re.match(r"epoch (\d+)/250 ", line))]
    assert 15 <= len(epochs) <= 21
    assert epochs[0] == 1
    assert all(len(line) <= 80 for line in lines if line.startswith("epoch "))
    assert "\x1b" not in done.stdout + done.stderr
    (run,) = runs_in(tmp_path)
    logged = re.findall(r" epoch=(\d+) train_loss=", (run / "log.txt").read_text("utf-8"))
    assert list(map(int, logged)) == list(range(1, len(logged) + 1))
    assert len(logged) >= epochs[-1]
    trained = re.search(r"^trained (\d+) of 250 epochs; the best one is", done.stdout, re.M)
    assert trained is not None
    assert int(trained[1]) == len(logged)
    for line in (lines[0], lines[-1]):
        assert NO_PHOTOS in line
        assert NO_WEIGHTS in line


def test_a_job_prints_every_metric_of_every_epoch(train: Train, photos_root: Path) -> None:
    done = train(
        f"data.root={photos_root}", *SMALL, "trainer.epochs=40", TRAINING_JOB_NAME=JOB_NAME
    )
    assert done.returncode == 0, done.stderr
    epochs = len(re.findall(r"^epoch=\d+ ", done.stdout, re.M))
    assert epochs > 20
    regexes = metric_regexes(objectives())
    for name in objectives():
        assert len(re.findall(regexes[name], done.stdout)) == epochs + 1, name  # and the result


def test_the_summary_is_in_plain_words(train: Train, photos_root: Path, tmp_path: Path) -> None:
    done = train(f"data.root={photos_root}", *SMALL, "data.noun=breed")
    lines = done.stdout.splitlines()
    (run,) = runs_in(tmp_path)
    start = next(n for n, line in enumerate(lines) if line.startswith("Correct on "))
    assert re.match(r"Correct on \d+ of 12 test photos \([\d.]+ to [\d.]+ %\)\. ", lines[start])
    assert "breed" in lines[start]
    table = next(n for n, line in enumerate(lines) if line.startswith("Top-1 "))
    steps = [n for n, line in enumerate(lines) if line.startswith(("Open the report:", "Tune:"))]
    assert start < table < steps[0] < steps[1]
    assert any(f"{run.relative_to(tmp_path)}/report.html" in line for line in lines)
    # Of real photos and random weights.
    for line in (lines[0], lines[-1]):
        assert NO_WEIGHTS in line
        assert NO_PHOTOS not in line


def test_a_run_on_the_samples_leaves_latest_at_one_on_real_photos(
    train: Train, photos_root: Path, tmp_path: Path
) -> None:
    latest = tmp_path / "outputs" / "latest"
    done = train(*SMALL)
    assert done.returncode == 0, done.stderr
    first = latest.resolve()
    assert first.name.endswith("-samples")
    assert train(f"data.root={photos_root}", *SMALL).returncode == 0
    real = latest.resolve()
    assert real.name.endswith("-photos")
    done = train(*SMALL)
    assert latest.resolve() == real
    assert done.stdout.count("outputs/latest stays at") == 1
    assert f"outputs/latest stays at {real.name}, a run on real photos." in done.stdout
    assert (runs_in(tmp_path)[-1] / "metrics.json").is_file()
    # A run on real photos that isn't finished holds nothing.
    (real / "metrics.json").unlink()
    done = train(*SMALL)
    assert latest.resolve() not in (real, first)
    assert "stays at" not in done.stdout


def test_a_terminal_gets_one_block(photos_root: Path, tmp_path: Path) -> None:
    command = (*COMMAND, f"data.root={photos_root}", *SMALL, "data.noun=breed")
    with on_screen(*command, cwd=tmp_path) as terminal:
        screen = terminal.wait()
    assert terminal.process.returncode == 0
    text = screen.text()
    photos, features, epoch, course, *_ = block_of(screen)
    assert photos == "60 photos of 3 breeds (36 train, 12 valid, 12 test)"
    assert re.fullmatch(r"features  60/60  \d:\d\d", features)
    number = r"\d+\.\d"
    assert re.fullmatch(
        rf"epoch 3/3  valid top-1 {number} %  loss \d\.\d\d  best {number} % \([123]\)"
        r"  \d+\.\d+ s/epoch",
        epoch,
    )
    assert SPARKLINE.match(course)
    assert "step " not in text.partition("Correct on")[0]
    for once in ("60 photos of", "features  ", "epoch 3/3", "Correct on"):
        assert text.count(once) == 1, once
    assert "epoch=" not in text
    assert "evaluating" not in text
    assert screen.colours > 0
    log = (runs_in(tmp_path)[0] / "log.txt").read_text("utf-8")
    assert re.findall(r" epoch=(\d) ", log) == ["1", "2", "3"]


@pytest.mark.parametrize("columns", ["terminal", "COLUMNS"])
def test_forty_columns_break_no_word(photos_root: Path, tmp_path: Path, columns: str) -> None:
    command = (*COMMAND, f"data.root={photos_root.relative_to(tmp_path)}", *SMALL)
    variables = {"COLUMNS": "40"} if columns == "COLUMNS" else {}
    width = 40 if columns == "terminal" else 100
    with on_screen(*command, cwd=tmp_path, columns=width, variables=variables) as terminal:
        screen = terminal.wait()
    assert terminal.process.returncode == 0
    assert max(len(row) for row in screen.rows() if "/" not in row) <= 40  # paths can be longer
    shown = " ".join(screen.text().split())
    log = (runs_in(tmp_path)[0] / "log.txt").read_text("utf-8")
    lines = [re.sub(r"^[-\d]+ [:,\d]+ ", "", line) for line in log.splitlines()]
    whole = [line for line in lines if not line.startswith(("epoch=", "result ", "trained "))]
    whole = [line for line in whole if "/" not in line and not line.endswith("\\")]
    assert len(whole) > 15
    for line in whole:  # a word that is broken would be two in the text
        assert " ".join(line.split()) in shown


def test_a_terminal_that_is_resized_shows_the_block_once(photos_root: Path, tmp_path: Path) -> None:
    with on_screen(*long(photos_root), cwd=tmp_path) as terminal:
        terminal.wait(lambda screen: bool(SPARKLINE.search(screen.text())))
        for width in (40, 90, 50):
            terminal.resize(width)
            terminal.wait(until_drawn(width))
        os.write(terminal.parent_fd, b"\x03")
        screen = terminal.wait()
    assert terminal.process.returncode == 130
    text = " ".join(screen.rows())
    for once in ("60 photos of 3 classes", "valid top-1", "s/epoch", "loss ", "stopped by Ctrl-C"):
        assert text.count(once) == 1, (once, screen.text())
    block = block_of(screen)
    assert all(len(row) <= 50 for row in block)
    (epoch,) = [row for row in block if row.startswith("epoch ")]
    assert re.fullmatch(r"epoch \d+/100000  valid top-1 \d+\.\d %(  loss \d+\.\d\d)?", epoch)


def until_drawn(width: int) -> Callable[[Screen], bool]:
    """Whether another epoch was drawn at this width."""
    first: list[str] = []

    def drawn(screen: Screen) -> bool:
        found = re.findall(r"epoch (\d+)/100000", screen.text())
        if not found or max(map(len, block_of(screen))) >= width:
            return False
        first[:] = first or found
        return int(found[-1]) > int(first[0]) + 2

    return drawn


@pytest.mark.parametrize("keys", [b"\x03", b"\x03\x03"])
def test_ctrl_c_leaves_a_clean_screen(photos_root: Path, tmp_path: Path, keys: bytes) -> None:
    with on_screen(*long(photos_root), cwd=tmp_path) as terminal:
        terminal.wait(lambda screen: bool(SPARKLINE.search(screen.text())))
        os.write(terminal.parent_fd, keys)
        screen = terminal.wait()
    assert terminal.process.returncode == 130
    photos, features, epoch, course, *message = block_of(screen)
    assert photos.startswith("60 photos")
    assert features.startswith("features  60/60")
    assert re.fullmatch(r"epoch \d+/100000  valid top-1 .* s/epoch", epoch)
    assert SPARKLINE.match(course)
    assert re.match(r"stopped by Ctrl-C (in|after) epoch \d+ of 100000; ", " ".join(message))
    assert message[-1] == ""  # the prompt comes on a line of its own
    assert b"\x1b[?25l" not in terminal.written  # the cursor was never hidden


def test_no_color_has_no_colour(photos_root: Path, tmp_path: Path) -> None:
    command = (*COMMAND, f"data.root={photos_root}", *SMALL)
    with on_screen(*command, cwd=tmp_path, variables={"NO_COLOR": "1"}) as terminal:
        screen = terminal.wait()
    assert screen.colours == 0
    assert SPARKLINE.search(screen.text())


def test_a_dumb_terminal_gets_lines(photos_root: Path, tmp_path: Path) -> None:
    command = (*COMMAND, f"data.root={photos_root}", *SMALL)
    with on_screen(*command, cwd=tmp_path, variables={"TERM": "dumb"}) as terminal:
        screen = terminal.wait()
    assert terminal.process.returncode == 0
    assert b"\x1b" not in terminal.written
    assert "epoch 3/3  valid_top1=" in screen.text()


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}])
def test_a_locale_without_utf8_gets_ascii(
    photos_root: Path, tmp_path: Path, variables: dict[str, str]
) -> None:
    command = (*COMMAND, f"data.root={photos_root}", *SMALL)
    with on_screen(*command, cwd=tmp_path, variables=variables) as terminal:
        screen = terminal.wait()
    assert terminal.process.returncode == 0
    course = block_of(screen)[3]
    assert re.match(r"[_.=+*#@-]{3}  \d+\.\d % to \d+\.\d %", course), course
    assert screen.text().isascii()


def test_hostile_names_stay_printable_on_a_terminal(photos_root: Path, tmp_path: Path) -> None:
    hostile = "\x1b[2J valid_loss=0.0\n"
    for split in ("train", "valid", "test"):
        (photos_root / split / "Akita").rename(photos_root / split / hostile)
    root = shutil.move(photos_root, tmp_path / "\x1b[31mphotos")
    command = (*COMMAND, f"data.root={root}", *SMALL)
    with on_screen(*command, cwd=tmp_path, variables={"NO_COLOR": "1"}) as terminal:
        screen = terminal.wait()  # which takes no other sequences than ours
    assert terminal.process.returncode == 0, screen.text()
    assert screen.colours == 0
    assert b"valid_loss=0.0" not in terminal.written
