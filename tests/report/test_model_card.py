"""The model card: the run's numbers, and names that Markdown can't take for markup."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from helpers.made_facts import HOSTILE, make_facts, with_everything
from markdown_it import MarkdownIt

from dogbreed.evaluation.facts import Facts
from dogbreed.report.formatting import decimal, percent, shown
from dogbreed.report.run.model_card import plain, write_model_card


def card(tmp_path: Path, facts: Facts) -> str:
    write_model_card(tmp_path / "MODEL_CARD.md", facts)
    return (tmp_path / "MODEL_CARD.md").read_text("utf-8")


def html_of(markdown: str) -> str:
    html: str = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)
    return html


def test_the_numbers_of_the_run(tmp_path: Path) -> None:
    facts = with_everything(make_facts(tmp_path))
    html = html_of(card(tmp_path, facts))
    test = facts.metrics["test"]
    rows = [re.sub(r"<.*?>", " ", row).split("\n") for row in html.split("</tr>")]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    # In columns: train, valid, test, and the test of two other heads.
    assert ["Top-1", "higher", *[percent(test["top1"], test.ci95["top1"])] * 5] in cells
    assert ["Loss (nats)", "lower", *[decimal(test["loss"], test.ci95["loss"])] * 5] in cells
    calibrated = percent(test["ece_calibrated_share"], test.ci95["ece_calibrated_share"])
    assert ["ECE, calibrated", "lower", *[calibrated] * 5] in cells
    assert ["Photos", *["12"] * 5] in cells
    assert ["data.size_px", "224"] in cells
    assert ["Akita", "4", "75.0 % [30.1, 95.4]", "75.0 % [30.1, 95.4]"] in cells
    for said in (
        "Intended use",
        "better than logistic regression (C = 0.1, 36 training photos): +4.2 points [+1.5, +7.0]",
        "Cross-validated over 2 folds: top-1 72.3 %, standard deviation 1.6 points",
        "The temperature 0.800",
        "probability below 0.312",
        "1 of 4 photos of Collie taken for Akita",
        "can't be used: 60.",
        "1 pair;",
        "<code>9f2c41d07be1</code>",
        "int8: top1 equal 98.75 %; valid top1 loss 0.17 points",
        "fit 3.2 s, total 2 min 7 s",
    ):
        assert said in html, said


def test_what_a_run_lacks_is_left_out(tmp_path: Path) -> None:
    text = card(tmp_path, make_facts(tmp_path))
    for lacking in ("The head of this run", "Cross-validated", "Near-duplicates", "Export formats"):
        assert lacking not in text


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    facts = make_facts(tmp_path, HOSTILE)
    facts = replace(facts, name=HOSTILE[0], config={"key": HOSTILE[6]}, versions={HOSTILE[2]: "1"})
    html = html_of(card(tmp_path, facts))
    assert set(re.findall(r"<(\w+)", html)) == {
        *("h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "code")
    }
    text = unescape(html)
    for name in HOSTILE:
        assert " ".join(shown(name).split()) in text


@pytest.mark.parametrize("name", ["_a_", "~~x~~", "a | b", "![x](y)", "&lt;", "a\\b"])
def test_a_name_is_itself_once_rendered(name: str) -> None:
    assert unescape(html_of(f"| {plain(name)} |\n|---|\n")) == (
        f"<table>\n<thead>\n<tr>\n<th>{name}</th>\n</tr>\n</thead>\n</table>\n"
    )


def test_a_name_links_to_nothing_where_addresses_become_links() -> None:
    assert plain("www.example.org") == r"www\.example.org"
    assert plain("https://example.org") == r"https\://example.org"
    assert plain("a@example.org") == r"a\@example.org"


def test_many_classes_are_counted_not_all_named(tmp_path: Path) -> None:
    names = tuple(f"class number {number}" for number in range(203))
    text = card(tmp_path, make_facts(tmp_path, names, per_class=1))
    assert text.endswith("class number 199 and 3 more, which are in classes.csv.\n")


def test_the_licence_of_the_weights(tmp_path: Path) -> None:
    facts = replace(make_facts(tmp_path), licence="cc-by-nc-4.0")
    assert "Licence of the published weights of the backbone: cc-by-nc-4.0." in card(
        tmp_path, facts
    )
    assert "Licence" not in card(tmp_path, replace(facts, licence=None))
