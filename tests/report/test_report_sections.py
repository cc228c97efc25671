"""A section that is registered from outside the package is a section of the report."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers.made_facts import make_facts
from helpers.pages import text_of, written

from dogbreed.errors import ConfigError
from dogbreed.report.charts import Chart, axis, layout_of
from dogbreed.report.frame import Section
from dogbreed.report.run.sections.registry import SECTIONS, Content

if TYPE_CHECKING:
    from helpers.browser import OpenPage
pytest_plugins = ("helpers.browser",)

TEMPLATE = """\
{% from "parts.html.j2" import chart %}
{% macro lengths(section) %}
<p>The longest name has {{ section.values.longest }} letters, of {{ facts.name }}.</p>
{% for own in section.charts %}{{ chart(own) }}{% endfor %}
{% endmacro %}
"""


@pytest.fixture
def lengths(tmp_path: Path) -> Iterator[None]:
    """A section of the lengths of the classes' names."""
    template = tmp_path / "lengths.html.j2"
    template.write_text(TEMPLATE, "utf-8")

    def build(content: Content) -> Section | None:
        names = content.facts.display_names
        if len(names) < 3:
            return None
        bars = {
            "type": "bar",
            "x": list(names),
            "y": list(map(len, names)),
        }
        layout = layout_of(axis("class"), axis("letters"))
        chart = Chart(
            key="name-lengths",
            title="Lengths of names",
            reading="Letters of each name.",
            figure={"data": [bars], "layout": layout},
        )
        longest = max(map(len, names))
        return Section(
            key="lengths",
            title="Lengths",
            template=template,
            charts=(chart,),
            values={"longest": longest},
        )

    SECTIONS.register("lengths", build)
    yield
    SECTIONS.unregister("lengths")


def test_a_section_from_outside_is_in_the_report(
    lengths: None, open_page: "OpenPage", tmp_path: Path
) -> None:
    page = open_page(written(tmp_path, make_facts(tmp_path / "photos")))
    assert page.locator("nav a").last.get_attribute("href") == "#lengths"
    assert "The longest name has 6 letters, of made." in text_of(page, "#lengths")
    assert page.locator("#name-lengths .barlayer .point").count() == 3


def test_a_section_that_a_run_has_nothing_for_is_left_out(lengths: None, tmp_path: Path) -> None:
    page = written(tmp_path, make_facts(tmp_path / "photos", ("cat", "dog"))).read_text("utf-8")
    assert 'href="#lengths"' not in page


def test_a_key_is_that_of_one_section() -> None:
    with pytest.raises(ConfigError, match="another report section is taken"):
        SECTIONS.register("results", lambda content: None)


def test_pages_call_a_class_what_the_configuration_does(
    open_page: "OpenPage", tmp_path: Path
) -> None:
    facts = make_facts(tmp_path / "photos")
    facts.config["data"]["noun"] = "breed"
    page = open_page(written(tmp_path, facts))
    text = text_of(page)
    assert "3 breeds" in text
    assert re.findall(r"[Cc]lass(?:es)?\b", text) == []
