"""What the report says of a run's time and of what it had in use, opened in a real browser."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers.made_facts import make_facts, with_everything
from helpers.made_watched import make_profile
from helpers.pages import cells, overlaps, text_of, written
from playwright.sync_api import Page

from dogbreed.evaluation.facts import Facts

if TYPE_CHECKING:
    from helpers.browser import OpenPage
pytest_plugins = ("helpers.browser",)


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return with_everything(make_facts(tmp_path / "photos"))


def test_where_the_time_went(open_page: "OpenPage", tmp_path: Path, facts: Facts) -> None:
    page = open_page(written(tmp_path, facts))
    assert text_of(page, "#profile .lead") == (
        "Of 2 min 45 s, 81 % went into features and 12 % into fit."
    )
    assert cells(page, "#profile .phases") == [
        ["check", "6.0 s", "3.6 %"],
        ["features", "2 min 14 s", "81.2 %"],
        ["decode wait", "30.0 s", "18.2 %"],
        ["backbone", "1 min 40 s", "60.6 %"],
        ["fit", "20.0 s", "12.1 %"],
        ["all phases", "2 min 40 s", "97.0 %"],
        ["the rest", "5.0 s", "3.0 %"],
        ["the whole run", "2 min 45 s", "100.0 %"],
        [
            "not part of the sum: decoding photos, in seconds of all threads",
            *("5 min 1 s", "–"),
        ],
    ]
    text = text_of(page, "#profile")
    for said in (
        "steps 960",
        "median (p50) 4.12 ms",
        "95th percentile (p95) 5.1 ms",
        "longest 1.2 s",
        "outliers 3, 3.1 % of the steps' time",
        "step 0: 1.2 s, step 320: 90 ms",
        "features, decoding included 412 photos/s",
        "this machine's limit 485 photos/s",
        "features, of the limit 85 %",
        "training 12,345 photos/s",
        "is in profile.json only",
        "A made GPU computes",
        "1 of 3 triggers found nothing; CPU bottleneck fired at 12.0 s; 1 does not apply.",
    ):
        assert said in text, said
    triggers = cells(page, "#profile .verdicts")
    assert [row[0] for row in triggers] == ["CPU bottleneck", "Memory growth", "GPU memory"]
    assert triggers[0][3:] == ["12.0 s to 1 min 51 s", "12"]
    page.locator("#profile summary").click()
    assert page.locator("#profile details li").all_inner_texts() == [
        "12.0 s: share 25.00 %, to 3.0 MB, n 12,345"
    ]
    phases_stand_one_after_the_other(page)
    for key, lines in (("cpu", 3), ("memory", 1), ("disk", 2), ("gpu", 2)):
        chart = page.locator(f"#{key}")
        assert chart.locator(".scatterlayer .trace").count() == lines, key
        assert chart.locator(".shapelayer path").count() == 3, key
        # Six seconds have no room for a name.
        assert chart.locator(".annotation text").all_text_contents() == ["features", "fit"]
        assert overlaps(page, f"#{key} .annotation text, #{key} .legendtext") == 0


def phases_stand_one_after_the_other(page: Page) -> None:
    bars = page.locator("#phases .point path").evaluate_all(
        "all => all.map(own => own.getBoundingClientRect()).map(own => [own.x, own.right, own.y])"
    )
    check, features, wait, backbone, fit, rest = bars
    upper = [check, features, fit, rest]
    for before, after in pairwise(upper):
        assert before[2] == after[2]
        assert abs(before[1] - after[0]) < 2
    assert wait[2] == backbone[2] > check[2]
    assert abs(wait[0] - features[0]) < 2
    assert features[1] - features[0] > 6 * (fit[1] - fit[0])


def test_a_machine_without_a_gpu(open_page: "OpenPage", tmp_path: Path, facts: Facts) -> None:
    made = make_profile()
    samples = tuple(
        replace(sample, gpu_share=None, gpu_memory_share=None) for sample in made.samples
    )
    profile = replace(made, gpu=None, samples=samples[:1])
    page = open_page(written(tmp_path, replace(facts, profile=profile)))
    assert page.locator("#gpu").count() == 0
    # One sample is no line, but it can be seen.
    assert page.locator("#cpu .point").count() == 3
