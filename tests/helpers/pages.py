"""Reports as a person meets them: written, opened in a browser, and read there."""

import json
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from dogbreed.evaluation.facts import Facts
from dogbreed.report.run.report import write_report


def written(tmp_path: Path, facts: Facts) -> Path:
    path = tmp_path / "report.html"
    write_report(path, facts)
    return path


def figures_in(path: Path) -> dict[str, Any]:
    """The figures in a page, as strict JSON."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    page = path.read_text("utf-8")
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.S)
    assert found is not None
    figures: dict[str, Any] = json.loads(found[1], parse_constant=refuse)
    return figures


def text_of(page: Page, selector: str = "body") -> str:
    return " ".join(page.inner_text(selector).split())


def cells(page: Page, table: str) -> list[list[str]]:
    rows = page.locator(f"{table} tbody tr").all()
    return [
        [" ".join(text.split()) for text in row.locator("th, td").all_inner_texts()] for row in rows
    ]


def hovered(page: Page, key: str, point: str) -> str:
    """What a chart says beside the mouse on one of its points; Plotly wants real movements."""
    page.locator(f"#{key}").scroll_into_view_if_needed()
    box = page.locator(f"#{key} {point}").first.bounding_box()
    assert box is not None
    for step in (-1, 0):
        page.mouse.move(box["x"] + box["width"] / 2 + step, box["y"] + box["height"] / 2)
    page.wait_for_selector(f"#{key} .hoverlayer text")
    return page.locator(f"#{key} .hoverlayer").text_content() or ""


def overlaps(page: Page, selector: str) -> int:
    """How many pairs of these texts are drawn over each other."""
    count: int = page.evaluate(
        """selector => {
          const found = [...document.querySelectorAll(selector)];
          const boxes = found.map(own => own.getBoundingClientRect());
          let count = 0;
          boxes.forEach((a, i) => boxes.slice(i + 1).forEach(b => {
            const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (wide > 1 && high > 4) count += 1; // boxes have room above and below the letters
          }));
          return count;
        }""",
        selector,
    )
    return count
