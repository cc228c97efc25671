"""What a training shows of its epochs: rows of the live block, brief lines elsewhere."""

import itertools
import math
import re
from pathlib import Path

import pytest
from conftest import draw_folders

from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.sampling import Sampling
from dogbreed.training import live
from dogbreed.training.live import EpochRow, best_of, packed, printed_as, show_photos, sparkline
from dogbreed.utils.metric_lines import ASSIGNMENT, brief_line, metric_regexes
from dogbreed.utils.screen import ASCII_STEPS, BRIEF, STEPS, Canvas, Row


def epochs(*losses: float) -> list[dict[str, float]]:
    return [
        {"epoch": n, "train_loss": 0.981, "valid_loss": loss, "valid_top1": 1 - loss / 5}
        for n, loss in enumerate(losses, 1)
    ]


class Block:
    """A live block that keeps its rows."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, row: Row) -> None:
        self.rows.append(row)


@pytest.fixture
def block(monkeypatch: pytest.MonkeyPatch) -> Block:
    opened = Block()
    monkeypatch.setattr(live, "open_block", lambda: opened)
    return opened


def test_the_row_has_epoch_metrics_best_and_rate() -> None:
    history = epochs(3.0, 1.29)
    row = EpochRow(20, [])
    assert row(Canvas(77, STEPS)) == ["epoch 1/20"]
    row = EpochRow(20, history)
    history += epochs(3.0, 1.29, 1.31)[2:]
    line, course = row(Canvas(77, STEPS))
    assert re.fullmatch(
        r"epoch 3/20  valid top-1 73\.8 %  loss 1\.31  best 74\.2 % \(2\)  0\.00 s/epoch", line
    )
    assert course == "▁██  40.0 % to 74.2 %"
    assert row(Canvas(37, ASCII_STEPS)) == [
        "epoch 3/20  valid top-1 73.8 %",
        "loss 1.31  best 74.2 % (2)",
        "0.00 s/epoch",
        "_@@  40.0 % to 74.2 %",
    ]


def test_an_epoch_line_fits_eighty_columns() -> None:
    history = epochs(*[4.0] * 249)
    row = EpochRow(250, history)
    history.append({**history[0], "epoch": 250, "valid_top1": 0.806, "valid_loss": 0.5})
    line, _ = row(Canvas(77, STEPS))
    assert line.startswith("epoch 250/250  valid top-1 80.6 %  loss 0.50  best 80.6 % (250)  0.0")


def test_of_a_long_epoch_the_steps_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    row = EpochRow(20, [])
    row.advance(1_200, 94_000)
    assert row(Canvas(77, STEPS)) == ["epoch 1/20"]
    monkeypatch.setattr(live, "LONG_EPOCH_S", 0.0)
    assert row(Canvas(77, STEPS)) == ["epoch 1/20  step 1,200/94,000"]
    row.end()
    assert row(Canvas(77, STEPS)) == ["epoch 1/20"]


def test_the_best_epoch_is_the_one_whose_weights_are_saved() -> None:
    assert best_of(epochs(2.0, math.nan, 1.0, 1.0))["epoch"] == 3
    assert best_of(epochs(math.nan, math.inf))["epoch"] == 2
    assert best_of(epochs(math.nan, math.nan))["epoch"] == 1


@pytest.mark.parametrize("steps", [STEPS, ASCII_STEPS])
def test_a_sparkline_rises_with_its_values(steps: str) -> None:
    assert sparkline(range(8), 60, steps) == steps
    assert sparkline(range(80), 8, steps) == steps  # means of ten
    assert sparkline([0.5, 0.5, 0.5], 60, steps) == 3 * steps[0]
    assert len(sparkline(range(1000), 37, steps)) == 37


def test_parts_are_packed_without_breaking_one() -> None:
    assert packed(["a b", "c d", "e"], 8) == ["a b  c d", "e"]
    assert packed(["longer than it", "x"], 5) == ["longer than it", "x"]


@pytest.mark.parametrize("total", [1, 3, 18, 19, 250, 100_000])
def test_elsewhere_about_twenty_epochs_are_printed(total: int) -> None:
    printed = [
        number
        for number in range(1, total + 1)
        if printed_as([{**epochs(1.0)[0], "epoch": number}], total)[BRIEF] is not None
    ]
    assert printed[0] == 1
    assert printed[-1] == total
    assert len(printed) <= 20
    assert len(printed) >= min(total, 10)
    gaps = [after - before for before, after in itertools.pairwise(printed)]
    assert not gaps or max(gaps) <= math.ceil(total / 18)


def test_a_job_prints_every_metric_of_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed_as(epochs(2.0, 1.0), 250) == {BRIEF: None}
    monkeypatch.setenv("TRAINING_JOB_NAME", "job-1")
    assert printed_as(epochs(2.0, 1.0), 250) == {}


def test_a_live_block_replaces_the_lines(block: Block) -> None:
    assert printed_as(epochs(2.0), 20) == {BRIEF: None}


def test_a_brief_line_is_short_and_its_metrics_can_be_read() -> None:
    values = {"train_loss": 2.3456, "train_top1": 1.0, "valid_loss": 0.98765, "valid_top1": 0.5}
    line = brief_line(9_999, 10_000, values, 9_999)
    assert len(line) <= 80
    assert ASSIGNMENT.findall(line) == ["valid_top1", "valid_loss", "train_loss"]
    found = re.search(metric_regexes(["valid_loss"])["valid_loss"], line)
    assert found is not None
    assert float(found[1]) == 0.988


def test_photos_and_classes_are_a_row(block: Block, tmp_path: Path) -> None:
    root = draw_folders(tmp_path / "photos", {"train": 2, "valid": 1, "test": 1})
    folders = read_folders(root, sampling=Sampling(valid_share=0.1, test_share=0.1, split_seed=0))
    show_photos(folders, "dog breed")
    (row,) = block.rows
    assert row(Canvas(77, STEPS)) == ["12 photos of 3 dog breeds (6 train, 3 valid, 3 test)"]
