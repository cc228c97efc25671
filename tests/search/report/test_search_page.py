"""A search's page as a person meets it: opened from disk in a real browser."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers.made_facts import HOSTILE
from helpers.made_trials import SPACE, make_trials
from playwright.sync_api import Page

from dogbreed.report.formatting import shown
from dogbreed.search.report.facts import SearchFacts
from dogbreed.search.report.page import write_page
from dogbreed.search.searchable import Value
from dogbreed.search.space import Choice, Numbers, Space
from dogbreed.search.trials import FAILED, RUNNING, Trial

if TYPE_CHECKING:
    from helpers.browser import OpenPage
pytest_plugins = ("helpers.browser",)

pytestmark = pytest.mark.launch

TRIALS = make_trials(40)
BEST = min((t for t in TRIALS if t.status == "Completed"), key=lambda t: t.objective or math.inf)

# The trials in the chart of the history, but for the failed ones, which have an axis of their own.
DOTS = ".xy > .scatterlayer > .trace"


def written(tmp_path: Path, trials: Sequence[Trial], space: Space = SPACE, **changed: Any) -> Path:
    path = tmp_path / "search.html"
    given: dict[str, Any] = {
        "name": "made search",
        "metric": "valid_loss",
        "direction": "minimize",
        "settings": {"data.root": "photos", "optim.name": None},
    }
    facts = SearchFacts(
        trials=tuple(trials), parameters=tuple(space), space=space, **(given | changed)
    )
    write_page(path, facts)
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".part"] == []
    return path


def text_of(page: Page, selector: str = "body") -> str:
    return " ".join(page.inner_text(selector).split())


def column(page: Page, title: str) -> list[str]:
    """The cells below a heading of the table of trials."""
    titles = page.locator("#trials thead button").all_text_contents()
    return page.locator(
        f"#trials tbody tr > :nth-child({titles.index(title) + 1})"
    ).all_text_contents()


def hovered(page: Page, key: str, place: str) -> str:
    """The hover text of a point of a chart."""
    page.locator(f"#{key}").scroll_into_view_if_needed()
    box = page.locator(f"#{key} {place}").bounding_box()
    assert box is not None
    for step in (-1, 0):
        page.mouse.move(box["x"] + box["width"] / 2 + step, box["y"] + box["height"] / 2)
    page.wait_for_selector(f"#{key} .hoverlayer text")
    lines = page.locator(f"#{key} .hoverlayer text").evaluate_all(
        "all => all.flatMap(own => [...own.querySelectorAll('tspan.line')].map(l => l.textContent))"
    )
    return "\n".join(lines)


def test_a_complete_search(open_page: "OpenPage", tmp_path: Path) -> None:
    page = open_page(written(tmp_path, TRIALS))
    assert page.inner_text("h1") == "made search"
    text = text_of(page)
    low, high = BEST.ci95 or (0, 0)
    for text_shown in (
        "minimize valid_loss · 35 trials completed, 4 stopped early, 1 failed",
        f"{BEST.name} is the best of 35 completed trials: valid_loss {BEST.objective:.4f} "
        f"[{low:.4f}, {high:.4f}]",
        *(f"{name} {BEST.parameters[name]}" for name in SPACE),
        "Significant: lr (",
        "not significant: eps, batch_size",
        "data.root photos",
        "optim.name null",
    ):
        assert (
            text_shown in text
            or text_shown.replace(
                "not significant: eps, batch_size", "not significant: batch_size, eps"
            )
            in text
        )
    drawn = "figures[{!r}].data.map(own => own.x.filter(x => x !== null).length)"
    assert page.evaluate(drawn.format("history"))[:3] == [4, 35, 1]
    assert page.evaluate(drawn.format("curves")) == [4 * 4, 34 * 12, 12]
    assert sum(page.evaluate(drawn.format("slice-1"))) == 39
    assert page.locator("#parallel .scatterlayer .trace").count() > 2
    assert page.locator("#importance .bars .point").count() == 3
    links = page.locator("nav a").evaluate_all("all => all.map(own => own.hash)")
    assert len(links) == 5
    assert all(page.locator(link).count() == 1 for link in links)
    assert column(page, "Trial") == [trial.name for trial in TRIALS]
    assert column(page, "Reason")[3] == "Loss is not a number after epoch 1."
    assert page.locator("#trials tr.main th").all_text_contents() == [BEST.name]


def test_what_stands_beside_the_mouse(open_page: "OpenPage", tmp_path: Path) -> None:
    page = open_page(written(tmp_path, TRIALS))
    text_shown = hovered(page, "history", f"{DOTS}:nth-child(2) .point:nth-child(1)")
    first = TRIALS[0]
    assert first.objective is not None
    assert f"{first.name}\nCompleted\nvalid_loss {first.objective:.4f} [" in text_shown
    assert f"lr {first.parameters['optim.lr']:.3g}" in text_shown
    assert "Loss is not a number" in hovered(page, "history", ".xy2 .point")


def test_values_stand_where_they_belong(open_page: "OpenPage", tmp_path: Path) -> None:
    page = open_page(written(tmp_path, TRIALS))

    def ticks(key: str) -> list[str]:
        return page.locator(f"#{key} .xtick text").all_text_contents()

    assert ticks("slice-0") == ["0.0001", "0.001", "0.01", "0.1"]
    assert ticks("slice-1") == ["1e-9", "2e-9", "5e-9", "1e-8"]
    assert ticks("slice-2") == ["64", "128", "256"]
    places = page.evaluate("figures['slice-0'].data.at(-1).x")
    assert places == [pytest.approx(math.log10(float(BEST.parameters["optim.lr"])))]
    beside = page.locator("#parallel .textpoint text").all_text_contents()
    for text_shown in ("lr", "valid_loss", "0.001", "5e-9", "128"):
        assert text_shown in [text.strip() for text in beside]


def test_a_share_is_written_in_per_cent_and_more_of_it_is_better(
    open_page: "OpenPage", tmp_path: Path
) -> None:
    trials = [
        replace(t, objective=o, ci95=(o - 0.02, o + 0.02), curve=(), cost_usd=0.0123)
        for t, o in zip(TRIALS, (0.5, 0.7715, 0.6), strict=False)
    ]
    path = written(tmp_path, trials, metric="valid_top1", direction="maximize")
    page = open_page(path)
    text = text_of(page)
    assert "trial-002 is the best of 3 completed trials: valid_top1 77.15 % [75.15, 79.15]" in text
    assert "Of 2 other trials 0 are within that interval." in text
    assert "The trials reported nothing after each epoch." in text
    assert "Too few trials to estimate the parameters' importance: 3 completed" in text
    assert column(page, "95 %")[0] == "48.00 % to 52.00 %"
    assert column(page, "USD") == ["0.012"] * 3
    assert page.evaluate("figures.history.data.at(-1).y") == [0.5, 0.7715, 0.7715]


@pytest.mark.parametrize(
    ("trials", "sentences"),
    [
        ([], ["0 trials completed", "No trial has started.", "there is no best trial"]),
        (
            [replace(t, status=FAILED, objective=None, ci95=None, curve=()) for t in TRIALS[:3]],
            [
                "0 trials completed, 3 failed",
                "No trial has an objective that can be drawn.",
                "The trials reported nothing after each epoch.",
                "Fewer than two trials have an objective",
            ],
        ),
        (
            [replace(TRIALS[0], objective=math.nan, ci95=None, curve=(math.nan,))],
            ["1 trial completed", "there is no best trial", "No trial has an objective"],
        ),
        (TRIALS[:1], ["the best of 1 completed trial", "Fewer than two trials have an"]),
        (
            [replace(TRIALS[0], status=RUNNING, objective=None, ci95=None, ended=None)],
            ["0 trials completed, 1 still running", "there is no best trial"],
        ),
        (
            [replace(t, objective=1.0, ci95=None) for t in TRIALS if t.objective is not None],
            ["All trials have the same objective: no parameter made a difference."],
        ),
    ],
    ids=["none", "all-failed", "nan", "one", "running", "all-the-same"],
)
def test_a_chart_that_cannot_be_made_is_a_sentence(
    open_page: "OpenPage", tmp_path: Path, trials: list[Trial], sentences: list[str]
) -> None:
    page = open_page(written(tmp_path, trials, settings={}))
    text = text_of(page)
    for sentence in [*sentences, "No settings differ from conf/."]:
        assert sentence in text
    for word in ("nan", "NaN", "None", "undefined", "inf"):
        assert not re.search(rf"\b{word}\b", text)


def test_one_parameter(open_page: "OpenPage", tmp_path: Path) -> None:
    space = {"optim.lr": SPACE["optim.lr"]}
    page = open_page(written(tmp_path, TRIALS, space))
    text = text_of(page, "#parameters")
    assert "Only one parameter was searched" in text
    assert "With one parameter the chart below has all comparisons" in text
    assert page.locator("#parameters .chart").count() == 1


def test_a_trial_far_beyond_presses_no_other_together(
    open_page: "OpenPage", tmp_path: Path
) -> None:
    trials = [*TRIALS, replace(TRIALS[0], name="wild", objective=250.0, ci95=(240.0, 260.0))]
    page = open_page(written(tmp_path, trials))
    reading = re.search(
        r"Trials beyond ([\d.]+) are drawn as triangles at that edge", text_of(page, "#progress")
    )
    assert reading is not None
    assert float(reading[1]) < 3
    completed = page.evaluate("figures.history.data[1]")
    assert completed["y"][-1] == pytest.approx(float(reading[1]), abs=1e-4)
    assert completed["marker"]["symbol"][-1] == "triangle-up"
    assert "valid_loss 250.0000" in completed["text"][-1]
    assert column(page, "valid_loss")[-1] == "250.0000"


def test_values_that_the_space_lacks_have_a_place_too(
    open_page: "OpenPage", tmp_path: Path
) -> None:
    odd = {"optim.lr": 0.5, "optim.eps": 0.0, "data.batch_size": 512}
    trials = [*TRIALS[:3], replace(TRIALS[4], parameters=odd), replace(TRIALS[5], parameters={})]
    page = open_page(written(tmp_path, trials))
    assert page.locator("#slice-2 .xtick text").all_text_contents() == ["64", "128", "256", "512"]
    assert column(page, "lr")[-2:] == ["0.5", "–"]


def test_the_trials_sort_by_mouse_and_keyboard(open_page: "OpenPage", tmp_path: Path) -> None:
    space = {**SPACE, "model.head": Choice(("mlp", "linear"))}
    heads = ("mlp", "linear", "mlp", "linear", "linear")
    trials = [
        replace(trial, parameters={**trial.parameters, "model.head": head}, seconds=seconds)
        for trial, head, seconds in zip(TRIALS, heads, (9.0, 10.0, 100.0, 1.0, 2.0), strict=False)
    ]
    page = open_page(written(tmp_path, trials, space))
    buttons = page.locator("#trials thead").get_by_role("button")

    buttons.get_by_text("Seconds").click()
    assert column(page, "Seconds") == ["1.0", "2.0", "9.0", "10.0", "100.0"]
    page.keyboard.press("Enter")
    assert column(page, "Seconds") == ["100.0", "10.0", "9.0", "2.0", "1.0"]
    buttons.get_by_text("valid_loss").click()
    losses = column(page, "valid_loss")
    assert losses[:4] == sorted(losses[:4], key=float)
    assert losses[4] == "–"  # failed: last in either direction
    page.keyboard.press("Enter")
    assert column(page, "valid_loss") == [*losses[3::-1], "–"]
    buttons.get_by_text("head").click()
    assert column(page, "head") == ["linear"] * 3 + ["mlp"] * 2
    buttons.get_by_text("Start (UTC)").click()
    assert column(page, "Trial") == [trial.name for trial in trials]


def test_hostile_texts_stay_text(open_page: "OpenPage", tmp_path: Path) -> None:
    values = HOSTILE[:4]

    def searched(texts: Sequence[str], values: tuple[str, ...], key: str) -> Page:
        space = {**SPACE, "model.head": Choice(values)}
        trials = [
            replace(
                trial,
                name=texts[number % len(texts)],
                reason=texts[number % len(texts)],
                parameters={**trial.parameters, "model.head": values[number % len(values)]},
            )
            for number, trial in enumerate(TRIALS[: len(HOSTILE)])
        ]
        settings = {f"{key}{n}": text for n, text in enumerate(texts)}
        path = written(tmp_path, trials, space, name=texts[0], settings=settings)
        page: Page = open_page(path)
        return page

    clean = searched([f"text {n}" for n in range(len(HOSTILE))], ("a", "b", "c", "d"), "key")
    elements = clean.locator("body *:not(svg *)").count()
    page = searched(HOSTILE, values, "<i>")
    # Not one element more than with clean texts.
    assert page.locator("body *:not(svg *)").count() == elements
    assert page.locator("svg a, svg image, b, i, u, img[src='x']").count() == 0
    assert column(page, "Trial")[: len(HOSTILE)] == [shown(text) for text in HOSTILE]
    assert column(page, "Reason")[: len(HOSTILE)] == [shown(text) for text in HOSTILE]
    assert column(page, "head")[:4] == list(values)
    ticks = page.locator("#slice-3 .xtick text").all_text_contents()
    assert [tick[:13] for tick in ticks] == [value[:13] for value in values]
    text_shown = hovered(page, "history", f"{DOTS}:nth-child(1) .point:nth-child(1)")
    assert text_shown.startswith(f"{HOSTILE[0]}\nCompleted")


def test_formulas_and_templates_stay_text(open_page: "OpenPage", tmp_path: Path) -> None:
    names = ("$x^2$", "%{y} %{text}", "{{7*7}}", "Größe 犬 \u2028")
    trials = [replace(t, name=name) for t, name in zip(TRIALS, names, strict=False)]
    page = open_page(written(tmp_path, trials))
    for number, name in enumerate((names[0], names[1], names[2]), 1):
        place = f"{DOTS}:nth-child(1) .point:nth-child({number})"
        assert hovered(page, "history", place).startswith(name)
        page.mouse.move(0, 0)


def test_nothing_overflows_a_narrow_page(open_page: "OpenPage", tmp_path: Path) -> None:
    space: dict[str, Choice | Numbers] = {
        **SPACE,
        "model.head": Choice(("x" * 255, "a rather long choice")),
        "model.dropout": Numbers("float", 0.0, 0.5, False),
        "model.hidden": Numbers("int", 64, 1024, True),
    }
    extra: dict[str, Value] = {"model.head": "x" * 255, "model.dropout": 0.25, "model.hidden": 100}
    trials = [
        replace(t, name="y" * 63, reason="word " * 200, parameters={**t.parameters, **extra})
        for t in TRIALS[:16]
    ]
    page = open_page(written(tmp_path, trials, space, name="z" * 200), width=400)
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    wide = page.evaluate(
        "[...document.querySelectorAll('main *:not(.scroll, .scroll *, .sideways, .sideways *)')]"
        ".filter(own => own.clientWidth && own.scrollWidth > own.clientWidth + 1)"
        ".map(own => own.outerHTML)"
    )
    assert wide == []


LABELS_AT_ODDS = """() => {
  const problems = [];
  for (const key of Object.keys(figures)) {
    const box = document.getElementById(key).getBoundingClientRect();
    const kinds = `#${key} :is(.xtick, .ytick, .xtitle, .ytitle, .textpoint text)`;
    const texts = [...document.querySelectorAll(kinds)].filter((own) => own.textContent);
    const placed = texts.map((own) => [own.textContent, own.getBoundingClientRect()]);
    placed.forEach(([text, own], n) => {
      const inside = own.left >= box.left - 1 && own.right <= box.right + 1 &&
        own.top >= box.top - 1 && own.bottom <= box.bottom + 1;
      if (!inside) problems.push(`${key}: ${text} is cut`);
      for (const [other, at] of placed.slice(n + 1)) {
        const across = Math.min(own.right, at.right) - Math.max(own.left, at.left);
        const down = Math.min(own.bottom, at.bottom) - Math.max(own.top, at.top);
        if (across > 1 && down > 3) problems.push(`${key}: ${text} overlaps ${other}`);
      }
    });
  }
  return problems;
}"""


def test_labels_are_complete_and_apart(open_page: "OpenPage", tmp_path: Path) -> None:
    path = written(tmp_path, TRIALS)
    for width in (320, 400, 768, 1280):
        assert open_page(path, width=width).evaluate(LABELS_AT_ODDS) == [], width


def test_the_data_in_the_page_can_end_no_script(tmp_path: Path) -> None:
    trials = [replace(trial, name="</script><!-- \u2028 &") for trial in TRIALS[:5]]
    page = written(tmp_path, trials).read_text("utf-8")
    found = re.findall(r'<script type="application/json" id="(.*?)">(.*?)</script>', page, re.S)
    assert [name for name, _ in found] == ["figures", "texts"]
    for _, text in found:
        assert not set("<>&\u2028\u2029") & set(text)
        assert "NaN" not in text
    assert any(label.startswith("&lt;/script&gt;") for label in json.loads(found[1][1]))
