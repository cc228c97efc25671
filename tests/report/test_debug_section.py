"""What the report says of a watched training, opened in a real browser."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from helpers.made_facts import HOSTILE, make_facts, with_everything
from helpers.made_watched import make_profile, make_recording, make_verdict, make_watched
from helpers.pages import cells, figures_in, hovered, overlaps, text_of, written

from dogbreed.debug.profiling.profile import Phase, Profile, Rates
from dogbreed.debug.recording.records import Recording
from dogbreed.debug.rules.verdicts import FINE, FIRED, OFF, Point
from dogbreed.evaluation.facts import Facts, Watched
from dogbreed.report.formatting import shown
from dogbreed.report.line_charts import MAX_POINTS

if TYPE_CHECKING:
    from helpers.browser import OpenPage
pytest_plugins = ("helpers.browser",)

NORMS = ("gradient-norm", "weight-norm", "update-ratio")


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return with_everything(make_facts(tmp_path / "photos"))


def watched_by(
    recording: Recording | None = None, *verdicts: Any, profile: Profile | None = None
) -> dict[str, Any]:
    """What `replace` takes to have been watched otherwise."""
    watched = Watched(recording=recording or make_recording(), verdicts=verdicts)
    return {"watched": watched, "profile": profile}


def test_the_cross_entropy_with_its_marks(
    open_page: "OpenPage", tmp_path: Path, facts: Facts
) -> None:
    for width in (1280, 400):
        page = open_page(written(tmp_path, facts), width=width)
        assert page.locator("#loss-curves").count() == 0
        chart = page.locator("#cross-entropy")
        assert chart.locator(".legendtext").all_text_contents() == [
            "training, means of 2 steps",
            "training, each epoch",
            "validation",
        ]
        epochs = chart.locator(".x2tick text").all_text_contents()
        assert epochs == ["epoch 5", "epoch 10"]
        # Rules that fired at one step, or nearly, don't hide each other's names.
        names = chart.locator(".textpoint text")
        assert names.all_text_contents() == ["overfit", "overtraining", "update ratio"]
        assert overlaps(page, "#cross-entropy .textpoint text, #cross-entropy .x2tick text") == 0
        assert overlaps(page, "#cross-entropy .legendtext, #cross-entropy .x2tick text") == 0
        lines = chart.locator(".shapelayer path")
        assert lines.count() == 2  # at 639 and at 640
    said = hovered(page, "cross-entropy", ".xy2 .point >> nth=1")
    assert "overtraining" in said
    assert "fired first at step 640 (epoch 9)" in said


def test_without_a_recording_there_are_the_losses_of_the_epochs(
    open_page: "OpenPage", tmp_path: Path, facts: Facts
) -> None:
    page = open_page(written(tmp_path, replace(facts, watched=None, profile=None)))
    assert page.locator("#loss-curves .scatterlayer .trace").count() == 2
    for lacking in ("#cross-entropy", "#debug", "#profile"):
        assert page.locator(lacking).count() == 0


def test_what_the_rules_found(open_page: "OpenPage", tmp_path: Path, facts: Facts) -> None:
    page = open_page(written(tmp_path, facts))
    assert text_of(page, "#debug .lead") == (
        "1 of 7 rules found nothing; 4 fired, the first: overfit at step 639 (epoch 8); "
        "1 does not apply; 1 is off."
    )
    table = cells(page, "#debug .verdicts")
    assert [row[0] for row in table] == [
        *("Overfit", "Overtraining", "Update ratio", "Class imbalance"),
        *("Loss not finite", "Dead units", "Stalled"),
    ]
    assert table[0][1:2] + table[0][3:] == ["fired", "639 to 738", "12"]
    assert "What overfit saw. What to do: Set a key because of overfit." in table[0][2]
    assert table[3][3] == "–"
    assert table[4][1:] == ["fine", "What loss_not_finite saw.", "–", "–"]
    assert [row[1] for row in table[5:]] == ["not applicable", "off"]
    assert page.locator("#debug details").count() == 4
    # The limits and the points open by the keyboard.
    details = page.locator("#debug details").first
    assert not details.locator("dl").is_visible()
    details.locator("summary").focus()
    page.keyboard.press("Enter")
    text = " ".join(details.inner_text().split())
    assert "action warn patience 3 mean below 1e-08" in text
    assert "Step 639 (epoch 8): mean 1.5, rise share 7.12 %" in text
    # One that is about no moment names none.
    last = page.locator("#debug details").last
    last.locator("summary").click()
    assert last.locator("li").all_inner_texts() == ["mean 1.5, rise share 7.12 %"]


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ((make_verdict("overfit"), make_verdict("stalled")), "None of 2 rules found anything."),
        (
            (make_verdict("overfit", FIRED, 80), *(make_verdict(f"r{n}") for n in range(12))),
            "12 of 13 rules found nothing; overfit fired at step 80 (epoch 2).",
        ),
        ((make_verdict("overfit", FIRED),), "Of 1 rule overfit fired."),
        ((make_verdict("overfit", OFF),), "Of 1 rule 1 is off."),
        ((), "No rule was watching."),
    ],
)
def test_the_headline(tmp_path: Path, facts: Facts, verdicts: tuple[Any, ...], said: str) -> None:
    page = written(tmp_path, replace(facts, **watched_by(None, *verdicts))).read_text("utf-8")
    section = page[page.index('id="debug-title"') :]
    assert f'<p class="lead">{said}</p>' in section


def test_a_rule_that_says_nothing(open_page: "OpenPage", tmp_path: Path, facts: Facts) -> None:
    silent = (make_verdict("a", FINE, message=""), make_verdict("b", OFF, message=""))
    page = open_page(written(tmp_path, replace(facts, **watched_by(None, *silent))))
    assert [row[2] for row in cells(page, "#debug .verdicts")] == [
        "Nothing.",
        "It was switched off.",
    ]


def test_the_layers(open_page: "OpenPage", tmp_path: Path, facts: Facts) -> None:
    page = open_page(written(tmp_path, facts))
    for key in NORMS:
        assert page.locator(f"#{key} .scatterlayer .trace").count() == 2, key
        assert figures_in(tmp_path / "report.html")[key]["layout"]["yaxis"]["type"] == "log"
    assert page.locator("#learning-rate .scatterlayer .trace").count() == 1
    # The list of names has the colours of the lines.
    names = page.locator("#debug .colours li")
    assert names.all_inner_texts() == ["head.weight", "head.bias"]
    listed = page.locator("#debug .swatch").evaluate_all(
        "all => all.map(own => getComputedStyle(own).backgroundColor)"
    )
    drawn = page.locator("#gradient-norm .js-line").evaluate_all(
        "all => all.map(own => getComputedStyle(own).stroke)"
    )
    assert listed == drawn
    assert len(set(listed)) == 2
    # The first weights are zero: no number on a log axis.
    assert figures_in(tmp_path / "report.html")["weight-norm"]["data"][0]["y"][:2] == [None, 3.1623]
    assert "960 steps in 12 epochs were recorded, and the norms of 2 trained layers at 96" in (
        text_of(page, "#debug")
    )


def test_many_layers_and_steps(open_page: "OpenPage", tmp_path: Path, facts: Facts) -> None:
    names = tuple(f"layer4.{number}.conv.weight" for number in range(107))
    recording = make_recording(names, epochs=50, per_epoch=500)
    bare = len(written(tmp_path, replace(facts, watched=None)).read_bytes())
    path = written(tmp_path, replace(facts, **watched_by(recording, profile=facts.profile)))
    assert len(path.read_bytes()) - bare < 200_000
    figures = figures_in(path)
    for key in (*NORMS, "cross-entropy", "learning-rate"):
        for trace in figures[key]["data"]:
            assert 2 < len(trace["x"]) == len(trace["y"]) <= MAX_POINTS
    assert len(figures["cross-entropy"]["data"][0]["x"]) == MAX_POINTS
    page = open_page(path, width=400)
    drawn = page.locator("#debug .colours li").all_inner_texts()
    assert len(drawn) == 12
    assert (drawn[0], drawn[-1]) == (names[0], names[-1])
    assert page.locator("#gradient-norm .scatterlayer .trace").count() == 12
    assert len({trace["line"]["color"] for trace in figures["gradient-norm"]["data"]}) == 12
    assert "12 of 107 trained layers are drawn" in text_of(page, "#debug")
    assert overlaps(page, "#gradient-norm .ytick text") == 0
    assert overlaps(page, "#cross-entropy .x2tick text") == 0


def test_hostile_names_stay_text(open_page: "OpenPage", tmp_path: Path, facts: Facts) -> None:
    count = len(HOSTILE)

    def run(names: tuple[str, ...]) -> Facts:
        verdicts = [
            make_verdict(
                name,
                FIRED,
                10 * number,
                message=name,
                recommendation=name,
                points=(Point(step=3, values={name: name}),),
                parameters={name: name},
            )
            for number, name in enumerate(names)
        ]
        made = make_profile()
        profile = replace(
            made,
            gpu=names[0],
            phases=tuple(
                Phase(name=name, seconds=20, parts=(Phase(name=name, seconds=9),)) for name in names
            ),
            samples=tuple(
                replace(sample, phase=names[20 * count * number // len(made.samples) // 20])
                for number, sample in enumerate(made.samples)
            ),
            triggers=tuple(verdicts),
        )
        recording = make_recording(names, epochs=3)
        return replace(facts, **watched_by(recording, *verdicts, profile=profile))

    clean = open_page(written(tmp_path, run(tuple(f"name {n}" for n in range(count)))))
    elements = clean.locator("body *:not(svg *)").count()
    page = open_page(written(tmp_path, run(HOSTILE)))
    assert page.locator("body *:not(svg *)").count() == elements
    assert page.locator("svg a, b, i, u, img[src='x']").count() == 0
    flat = [" ".join(shown(name).split()) for name in HOSTILE]
    assert [
        " ".join(text.split()) for text in page.locator("#debug .colours li").all_inner_texts()
    ] == flat
    assert cells(page, "#debug .verdicts")[0][0].lower() == HOSTILE[0].lower()
    said = hovered(page, "gradient-norm", ".trace:nth-child(5) .point")
    assert "$x^2$ %{y} &lt;i&gt;" in said
    assert HOSTILE[0] in hovered(page, "cross-entropy", ".xy2 .point")
    assert HOSTILE[0] in hovered(page, "phases", ".point")
    assert HOSTILE[0] in text_of(page, "#gpu ~ figcaption, figure:has(#gpu) figcaption")


def test_a_run_that_stopped_at_once(open_page: "OpenPage", tmp_path: Path, facts: Facts) -> None:
    recording = replace(make_recording((), epochs=0), complete=False)
    verdicts = make_watched().verdicts
    profile = replace(
        make_profile(),
        total_s=0.0,
        phases=(),
        decode_s=0.0,
        steps=None,
        samples=(),
        photos_per_s=Rates(features=None, limit=None, fit=None),
        triggers=(),
    )
    path = written(tmp_path, replace(facts, **watched_by(recording, *verdicts, profile=profile)))
    page = open_page(path)
    assert page.locator("#loss-curves .scatterlayer .trace").count() == 2
    debug, spent = text_of(page, "#debug"), text_of(page, "#profile")
    assert "overfit at step 639; 1 does not apply" in debug
    assert "No step was recorded." in debug
    assert page.locator("#debug .chart").count() == 0
    for said in (
        "The run took 0.00 s.",
        "No training step was timed.",
        "The run was too short for a sample.",
        "No trigger was watching.",
    ):
        assert said in spent
    assert "Photos a second" not in spent
    assert [row[0] for row in cells(page, "#profile table")] == [
        *("all phases", "the rest", "the whole run")
    ]


def test_a_first_epoch_that_never_ended(
    open_page: "OpenPage", tmp_path: Path, facts: Facts
) -> None:
    made = make_recording(epochs=1)
    recording = replace(made, epochs=make_recording((), epochs=0).epochs, complete=False)
    fired = make_verdict("poor_start", FIRED, 0)
    page = open_page(written(tmp_path, replace(facts, **watched_by(recording, fired))))
    assert text_of(page, "#debug .lead") == "Of 1 rule poor start fired at step 0."
    assert "80 steps in 0 epochs were recorded" in text_of(page, "#debug")
    assert "The last rows of the recording were lost." in text_of(page, "#debug")
    assert page.locator("#cross-entropy .scatterlayer .trace").count() == 2
    assert page.locator("#cross-entropy .textpoint text").all_text_contents() == ["poor start"]


def test_what_is_no_number_is_a_gap(open_page: "OpenPage", tmp_path: Path, facts: Facts) -> None:
    made = make_recording(epochs=2)
    broken = {name: values.astype(float) for name, values in made.steps.items()}
    broken["cross_entropy"][80:] = np.nan
    layers = {name: values.copy() for name, values in made.layers.items()}
    layers["grad_norm"][8:] = np.inf
    layers["update_ratio"][:] = np.nan
    epochs = dict(made.epochs) | {"valid_cross_entropy": np.array([np.nan, np.inf])}
    steps = broken | {"step": made.steps["step"]}
    recording = replace(made, steps=steps, layers=layers, epochs=epochs)
    verdict = make_verdict(
        "loss_not_finite",
        FIRED,
        80,
        points=(Point(step=80, values={"cross_entropy": float("nan"), "within_s": float("inf")}),),
    )
    path = written(tmp_path, replace(facts, **watched_by(recording, verdict)))
    figures = figures_in(path)
    training = figures["cross-entropy"]["data"][0]
    assert training["y"][80:] == [None] * 80
    assert None not in training["y"][:80]
    page = open_page(path)
    page.locator("#debug summary").click()
    assert "cross entropy nan, within s inf" in text_of(page, "#debug details")
    # Nothing of it can be drawn, so no axes are.
    assert page.locator("#update-ratio").count() == 0
    assert page.locator("#gradient-norm .scatterlayer .trace").count() == 2


def test_nothing_overflows_a_narrow_page(
    open_page: "OpenPage", tmp_path: Path, facts: Facts
) -> None:
    long = "x" * 200
    verdicts = tuple(
        make_verdict(f"{name}", FIRED, 640, message=f"{long} was seen.", parameters={long: long})
        for name in (long, "a rather long name of a rule " * 3, "short")
    )
    profile = replace(
        make_profile(),
        phases=(Phase(name=long, seconds=100, parts=(Phase(name=long, seconds=5),)),),
        triggers=verdicts,
    )
    recording = make_recording((long, f"{long}2"))
    watched = watched_by(recording, *verdicts, profile=profile)
    page = open_page(written(tmp_path, replace(facts, **watched)), width=400)
    page.locator("#debug summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    wide = page.evaluate(
        "[...document.querySelectorAll('main *:not(.scroll, .scroll *, .chart *, .hidden)')]"
        ".filter(own => own.clientWidth && own.scrollWidth > own.clientWidth + 1)"
        ".map(own => own.outerHTML)"
    )
    assert wide == []
    # What was seen is read without moving the table sideways, and it is a table all the same.
    table = page.locator("#debug .scroll")
    assert table.evaluate("own => own.scrollWidth - own.clientWidth") == 0
    assert page.get_by_role("rowheader", name="Short").count() == 2
    assert page.get_by_role("columnheader", name="Observation").count() == 2
