"""The size of the report and the model card where a run has many of everything."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from helpers.made_facts import make_facts, with_everything
from helpers.made_watched import make_recording, make_watched
from helpers.pages import figures_in

from dogbreed.data.layouts.splits import Finding, Sample
from dogbreed.evaluation.facts import Duplicate, Facts
from dogbreed.evaluation.metrics.measuring import measure_classes
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.evaluation.mistakes import confusions
from dogbreed.report.frame import _plotly
from dogbreed.report.run.figures.confusion_matrix import MAX_CLASSES
from dogbreed.report.run.model_card import write_model_card
from dogbreed.report.run.report import write_report
from dogbreed.report.run.sections.classes import MAX_CLASSES as MAX_CLASS_ROWS

if TYPE_CHECKING:
    from helpers.browser import OpenPage
pytest_plugins = ("helpers.browser",)

MAX_BYTES = 12_000_000


def many(root: Path, classes: int, per_class: int, name: str = "class number {:04}") -> Facts:
    """Of each class one photo in three is taken for the next, and the last one for the first."""
    names = tuple(name.format(number) for number in range(classes))
    targets = torch.arange(classes).repeat_interleave(per_class)
    answers = torch.where(torch.arange(len(targets)) % 3 == 0, (targets + 1) % classes, targets)
    logits = torch.zeros(len(targets), classes).scatter_(1, answers[:, None], 9.0)
    scores = Scores(logits.log_softmax(-1), targets)
    samples = tuple(
        Sample(root / "test" / f"{number}.jpg", label, "test")
        for number, label in enumerate(targets.tolist())
    )
    return replace(
        make_facts(root),
        root=root,
        classes=names,
        display_names=names,
        counts={split: [per_class] * classes for split in ("train", "valid", "test")},
        class_metrics=measure_classes(scores, names, names),
        test_samples=samples,
        test_scores=scores,
    )


def report_bytes(folder: Path, facts: Facts) -> int:
    write_report(folder / "report.html", facts)
    return (folder / "report.html").stat().st_size


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_two_thousand_classes(tmp_path: Path) -> None:
    facts = with_everything(many(tmp_path, 2000, 3))
    assert report_bytes(tmp_path, facts) < MAX_BYTES - 3_000_000  # what 72 thumbnails may take
    write_model_card(tmp_path / "MODEL_CARD.md", facts)
    assert (tmp_path / "MODEL_CARD.md").stat().st_size < 100_000
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Of 2,000 classes it shows the 200 in the pairs confused most often" in page
    assert page.count("class number 1999") > 0
    matrix = figures_in(tmp_path / "report.html")["confusion-matrix"]["data"][0]
    assert len(matrix["x"]) == len(matrix["z"]) == MAX_CLASSES
    # All of it is beside the page.
    assert len(rows_of(tmp_path / "confusions.csv")) == 1 + 2000
    assert rows_of(tmp_path / "confusions.csv")[1][2:] == ["1", "3"]
    assert len(rows_of(tmp_path / "classes.csv")) == 1 + 2000


def test_more_classes_than_the_table_shows(tmp_path: Path) -> None:
    names = tuple(f"{number:05}" + "&" * 250 for number in range(10_000))
    logits = torch.zeros(50, len(names)).fill_diagonal_(9.0, wrap=False)
    scores = Scores(logits.log_softmax(-1), torch.arange(50))
    facts = replace(
        many(tmp_path, 50, 1),
        classes=names,
        display_names=names,
        class_metrics=measure_classes(scores, names, names),
        counts={split: [1] * len(names) for split in ("train", "valid", "test")},
        test_scores=scores,
    )
    assert report_bytes(tmp_path, facts) < MAX_BYTES - 3_000_000
    page = (tmp_path / "report.html").read_text("utf-8")
    sentence = f"The table has the {MAX_CLASS_ROWS:,} classes that are recognised least often"
    assert sentence in page
    assert "classes.csv has all 10,000." in page


def test_up_to_the_limit_the_matrix_is_whole(tmp_path: Path) -> None:
    facts = many(tmp_path, 120, 6)
    write_report(tmp_path / "report.html", facts)
    wrong, right = figures_in(tmp_path / "report.html")["confusion-matrix"]["data"]
    names = list(facts.display_names)
    assert wrong["x"] == wrong["y"] == right["x"] == right["y"] == names
    counts = np.zeros((120, 120), int)
    predicted = facts.test_scores.predicted
    np.add.at(counts, (facts.test_scores.targets.numpy(), predicted.numpy()), 1)
    assert wrong["text"] == right["text"] == counts.tolist()
    assert right["z"][5][5] == pytest.approx(4 / 6, abs=1e-4)
    assert wrong["z"][5][6] == pytest.approx(2 / 6, abs=1e-4)
    assert "classes it shows" not in (tmp_path / "report.html").read_text("utf-8")


def test_partners_stand_side_by_side(tmp_path: Path) -> None:
    facts = many(tmp_path, MAX_CLASSES + 1, 3)
    targets = facts.test_scores.targets
    logits = torch.zeros(len(targets), MAX_CLASSES + 1).scatter_(1, targets[:, None], 9.0)
    for photo, answer in ((0, 150), (1, 150), (15, 170)):  # of class 0 twice, of class 5 once
        logits[photo] = torch.zeros(MAX_CLASSES + 1).index_fill(0, torch.tensor(answer), 9.0)
    facts = replace(facts, test_scores=Scores(logits.log_softmax(-1), targets))
    write_report(tmp_path / "report.html", facts)
    wrong = figures_in(tmp_path / "report.html")["confusion-matrix"]["data"][0]
    assert wrong["x"] == [facts.display_names[label] for label in (0, 150, 5, 170)]
    assert wrong["text"][0] == [1, 2, 0, 0]
    assert rows_of(tmp_path / "confusions.csv")[1:] == [
        [facts.classes[0], facts.classes[150], "2", "3"],
        [facts.classes[5], facts.classes[170], "1", "3"],
    ]


def test_no_confusion_among_many_classes(tmp_path: Path) -> None:
    facts = many(tmp_path, MAX_CLASSES + 1, 1)
    targets = torch.arange(MAX_CLASSES + 1)
    facts = replace(
        facts, test_scores=Scores((9 * torch.eye(len(targets))).log_softmax(1), targets)
    )
    assert confusions(facts.test_scores) == []
    write_report(tmp_path / "report.html", facts)
    assert "confusion-matrix" not in figures_in(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "No test photo was taken for another class." in page


def test_many_epochs_findings_and_duplicates(tmp_path: Path) -> None:
    facts = make_facts(tmp_path / "photos")
    first, *_, last = facts.test_samples
    before = report_bytes(tmp_path, facts)
    finding = Finding(path=tmp_path / "x.jpg", reason="truncated", message="It ends.", bad=True)
    facts = replace(
        facts,
        epochs=tuple(
            dict.fromkeys(
                ("epoch", "train_loss", "train_top1", "valid_loss", "valid_top1"), epoch / 7
            )
            for epoch in range(1, 10_001)
        ),
        findings=(finding,) * 50_000,
        duplicates=(Duplicate(first=first, second=last, cosine=0.99),) * 10_000,
    )
    assert report_bytes(tmp_path, facts) < before + 150_000
    page = (tmp_path / "report.html").read_text("utf-8")
    for sentence in (
        "Each point is the mean of about 17 epochs; metrics.json has each.",
        "And 49,950 more, in findings.txt.",
        "near_duplicates.csv has all.",
    ):
        assert sentence in page
    assert len(rows_of(tmp_path / "near_duplicates.csv")) == 1 + 10_000


def test_many_layers_and_steps(tmp_path: Path) -> None:
    layers = tuple(f"layer{number}.weight" for number in range(500))
    watched = replace(make_watched(), recording=make_recording(layers, 1000, 100))
    facts = replace(make_facts(tmp_path / "photos"), watched=watched)
    assert report_bytes(tmp_path, facts) < len(_plotly()) + 400_000
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "12 of 500 trained layers are drawn" in page
    assert "validation, means of 2 epochs" in page
    assert page.count("debug/recording has each") == 5


def test_the_page_of_many_classes_on_a_phone(open_page: "OpenPage", tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", many(tmp_path, 400, 3))
    page = open_page(tmp_path / "report.html", width=390)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#confusion-matrix .heatmaplayer image").count() == 2
    plot = page.locator("#confusion-matrix .nsewdrag").bounding_box()
    assert plot is not None
    assert plot["width"] > 300  # not pressed together by its labels
