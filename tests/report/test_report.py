"""The report as a person meets it: opened from disk in a real browser."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers.made_facts import HOSTILE, make_facts, with_everything
from playwright.sync_api import Page, expect

from dogbreed.evaluation.facts import Facts
from dogbreed.report.formatting import percent, shown
from dogbreed.report.run.report import write_report

if TYPE_CHECKING:
    from helpers.browser import OpenPage
pytest_plugins = ("helpers.browser",)


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return make_facts(tmp_path / "photos")


def opened(open_page: "OpenPage", tmp_path: Path, facts: Facts, width: int = 1280) -> Page:
    path = tmp_path / "report.html"
    write_report(path, facts)
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".part"] == []
    page: Page = open_page(path, width=width)
    return page


def text_of(page: Page, selector: str = "body") -> str:
    return " ".join(page.inner_text(selector).split())


def labels(page: Page, axis: str) -> list[str]:
    """The confusion matrix's labels along an axis, from its first class on."""
    ticks = page.locator(f"#confusion-matrix .{axis}tick text")
    side = "top" if axis == "y" else "left"
    placed = ticks.evaluate_all(
        f"all => all.map(own => [own.getBoundingClientRect().{side}, own.textContent])"
    )
    return [name for _, name in sorted(placed)]


def test_a_whole_report(open_page: "OpenPage", tmp_path: Path, facts: Facts) -> None:
    facts = with_everything(facts)
    page = opened(open_page, tmp_path, facts)
    for chart in ("cross-entropy", "accuracy-curves", "rate-curve", "reliability"):
        assert page.locator(f"#{chart} .scatterlayer .trace").count() >= 1, chart
    matrix = page.locator("#confusion-matrix")
    assert matrix.locator(".heatmaplayer image").count() == 2
    assert labels(page, "y") == list(facts.display_names)
    assert labels(page, "x") == list(facts.display_names)
    text = text_of(page)
    test = facts.metrics["test"]
    for said in (
        percent(test["top1"], test.ci95["top1"]),
        percent(test["ece_calibrated_share"], test.ci95["ece_calibrated_share"]),
        "better than logistic regression (C = 0.1, 36 training photos): +4.2 points [+1.5, +7.0]",
        "72.3 % on average with a standard deviation of 1.6 points",
        "probability below 0.312 is",
        "temperature 0.800",
        "60 photos could not be used",
        "And 10 more, in findings.txt",
        "Cosine 0.9871",
        "98.75 %",
        "data.size_px 224",
        "resume null",
        "2 min 7 s",
        "9f2c41d07be1",
    ):
        assert said in text, said
    # Every photo that is shown has been decoded by the browser and is told of in words.
    photos = page.locator("img")
    assert photos.count() == 3 * 2 + 12 + 2
    assert photos.evaluate_all("all => all.every(own => own.naturalWidth > 0 && own.alt)")
    links = page.locator("nav a").evaluate_all("all => all.map(own => own.hash)")
    assert len(links) == 10
    assert all(page.locator(link).count() == 1 for link in links)
    charts_are_as_dark_as_the_page(page)


def charts_are_as_dark_as_the_page(page: Page) -> None:
    text = "getComputedStyle(document.querySelector('#reliability .xtick text')).fill"
    before = page.evaluate("getComputedStyle(document.body).color")
    assert page.evaluate(text) == before
    page.emulate_media(color_scheme="dark")
    after = page.evaluate("getComputedStyle(document.body).color")
    assert after != before
    expect(page.locator("#reliability .xtick text").first).to_have_css("fill", after)


def test_what_a_run_lacks_is_left_out_or_said(
    open_page: "OpenPage", tmp_path: Path, facts: Facts
) -> None:
    page = opened(open_page, tmp_path, replace(facts, epochs=()))
    text = text_of(page)
    assert "No epoch was trained" in text
    assert "Every file could be used." in text
    assert "None were found." in text
    for lacking in ("Baseline", "Cross-validation", "Learning-rate finder", "Debug", "Profile"):
        assert lacking not in text


def test_two_classes(open_page: "OpenPage", tmp_path: Path) -> None:
    page = opened(open_page, tmp_path, make_facts(tmp_path / "photos", ("cat", "dog")))
    assert labels(page, "y") == labels(page, "x") == ["cat", "dog"]
    # So few cells have their counts written in them.
    cells = page.locator("#confusion-matrix .heatmap-label").all_text_contents()
    assert sorted(cells) == ["1", "1", "3", "3"]
    assert "five likeliest" not in text_of(page)


def test_hostile_names_stay_text(open_page: "OpenPage", tmp_path: Path, facts: Facts) -> None:
    clean = make_facts(tmp_path / "photos", tuple(f"class {n}" for n in range(len(HOSTILE))))
    elements = opened(open_page, tmp_path, clean).locator("body *:not(svg *)").count()
    hostile = replace(
        clean,
        name=HOSTILE[0],
        root=tmp_path / "elsewhere",
        classes=HOSTILE,
        display_names=HOSTILE,
        class_metrics=tuple(
            replace(class_metrics, name=name, display_name=name)
            for class_metrics, name in zip(clean.class_metrics, HOSTILE, strict=True)
        ),
        config=dict.fromkeys(HOSTILE[:5], HOSTILE[2]),
        versions={"</script>": "<i>1</i>"},
    )
    page = opened(open_page, tmp_path, hostile)
    # Not one element more than with clean names.
    assert page.locator("body *:not(svg *)").count() == elements
    assert page.locator("svg a, b, i, u, img[src='x']").count() == 0
    names = page.locator("#classes tbody th").all_text_contents()
    assert sorted(names) == sorted(shown(name) for name in HOSTILE)
    assert "undecodable \\udcff\\udc80" in names
    labelled = {label[:39] for label in labels(page, "y")}
    assert {name[:39] for name in HOSTILE[:5]} <= labelled
    hover_over_first_cell(page)
    said = page.locator("#confusion-matrix .hoverlayer").text_content()
    assert said is not None
    assert f"photos of {HOSTILE[0]}" in said
    assert "taken for" in said


def hover_over_first_cell(page: Page) -> None:
    """Plotly answers to real movements of the mouse only."""
    page.locator("#confusion-matrix").scroll_into_view_if_needed()
    box = page.locator("#confusion-matrix .nsewdrag").bounding_box()
    assert box is not None
    for step in (3, 6):
        page.mouse.move(box["x"] + step, box["y"] + step)
    page.wait_for_selector("#confusion-matrix .hoverlayer text")


def test_hostile_file_names_and_photos_that_are_gone(
    open_page: "OpenPage", tmp_path: Path, facts: Facts
) -> None:
    names = ("<img src=x onerror=alert(1)>.jpg", "\udcff&amp;'\".jpg")
    samples = list(facts.test_samples)
    for number, name in enumerate(names):
        path = samples[number].path.rename(samples[number].path.with_name(name))
        samples[number] = replace(samples[number], path=path)
    samples[4].path.unlink()
    samples[5].path.write_bytes(b"no photo")
    page = opened(open_page, tmp_path, replace(facts, test_samples=tuple(samples)))
    hardest = page.locator("#hardest")
    assert {shown(name) for name in names} <= set(hardest.locator(".file").all_text_contents())
    assert page.locator("img[src='x']").count() == 0
    assert hardest.locator("img").count() == 10
    assert (
        hardest.locator(".missing").all_text_contents() == ["The photo can't be read any more"] * 2
    )


def test_the_confusion_matrix_zooms(open_page: "OpenPage", tmp_path: Path, facts: Facts) -> None:
    names = tuple(f"breed number {number:03}" for number in range(120))
    page = opened(open_page, tmp_path, make_facts(tmp_path / "photos", names, per_class=1))
    before = len(labels(page, "y"))
    assert 30 < before < 120  # as many as can be read
    page.locator("#confusion-matrix").scroll_into_view_if_needed()
    box = page.locator("#confusion-matrix .nsewdrag").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 200, steps=4)
    page.mouse.up()
    expect(page.locator("#confusion-matrix .ytick text")).not_to_have_count(before)
    zoomed = labels(page, "y")
    first = names.index(zoomed[0])
    assert 5 < len(zoomed) < 30
    assert zoomed == list(names[first : first + len(zoomed)])  # none left out any more


def test_the_classes_sort_by_mouse_and_keyboard(
    open_page: "OpenPage", tmp_path: Path, facts: Facts
) -> None:
    numbers = (10, 9, 100)
    changed = tuple(
        replace(class_metrics, n=n, recall=recall)
        for class_metrics, n, recall in zip(
            facts.class_metrics, numbers, (0.5, None, 0.25), strict=True
        )
    )
    page = opened(open_page, tmp_path, replace(facts, class_metrics=changed))

    def names() -> list[str]:
        return page.locator("#classes tbody th").all_text_contents()

    assert names() == ["Collie", "Akita", "Beagle"]  # weakest first, unknown last
    heads = page.locator("#classes thead th")
    heads.get_by_role("button", name="Test photos").click()
    assert names() == ["Beagle", "Akita", "Collie"]  # as numbers: 9, 10, 100
    assert [head.get_attribute("aria-sort") for head in heads.all()][1:4] == [
        "ascending",
        "none",
        "none",
    ]
    page.keyboard.press("Enter")
    assert names() == ["Collie", "Akita", "Beagle"]
    assert heads.nth(1).get_attribute("aria-sort") == "descending"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert heads.nth(3).get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert names() == ["Akita", "Collie", "Beagle"]  # unknown last in either direction


def test_nothing_overflows_a_narrow_page(
    open_page: "OpenPage", tmp_path: Path, facts: Facts
) -> None:
    long = ("x" * 255, "a rather long name of a class " * 4, "short")
    facts = with_everything(make_facts(tmp_path / "long", long))
    page = opened(open_page, tmp_path, facts, width=400)
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    # What is wider than its box scrolls inside a box of its own.
    wide = page.evaluate(
        "[...document.querySelectorAll('main *:not(.scroll, .scroll *, .chart *)')]"
        ".filter(own => own.clientWidth && own.scrollWidth > own.clientWidth + 1)"
        ".map(own => own.outerHTML)"
    )
    assert wide == []


def test_the_data_in_the_page_can_end_no_script(tmp_path: Path) -> None:
    names = ("</script><!--", "\u2028 & \u2029")
    write_report(tmp_path / "report.html", make_facts(tmp_path / "photos", names))
    page = (tmp_path / "report.html").read_text("utf-8")
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.S)
    assert found is not None
    assert not set("<>&\u2028\u2029") & set(found[1])
    figures = json.loads(found[1])
    assert figures["confusion-matrix"]["data"][0]["x"] == [
        "&lt;/script&gt;&lt;!--",
        r"\u2028 &amp; \u2029",  # shown as escapes
    ]
