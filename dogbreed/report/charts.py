"""What the report's charts share: Plotly's plain dictionaries of data and layout."""

import html
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dogbreed.report.formatting import shown

# Tones that can be read on white and on black alike; backgrounds are left to the page.
BLUE, ORANGE, GREY = "#3b82f6", "#f08c2e", "#8a94a6"
GRID = "rgba(128, 138, 150, 0.28)"
LABEL_CHARACTERS = 40


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure with its title and the one sentence that says how to read it.

    On a page narrower than `least_width_px` it is moved sideways; if `wide`, it has a
    row of its own.
    """

    key: str
    title: str
    reading: str
    figure: dict[str, Any]
    height_px: int = 320
    least_width_px: int = 0
    wide: bool = False


def labels(names: Sequence[str], characters: int = LABEL_CHARACTERS) -> list[str]:
    """Names as axis labels: short, different from each other, and never markup to Plotly."""
    taken: dict[str, None] = {}  # in order; equal labels would be one row
    times: Counter[str] = Counter()
    for name in map(shown, names):
        short = label = f"{name[: characters - 1]}…" if len(name) > characters else name
        while label in taken:
            times[short] += 1
            label = f"{short} ({times[short] + 1})"
        taken[label] = None
    # A pair of dollars would be a formula.
    return [html.escape(label, quote=False).replace("$", "&#36;") for label in taken]


def finite(values: Iterable[float | None]) -> list[float | None]:
    """Values for an axis: JSON has no infinity: what isn't a number is a gap."""
    return [v if v is not None and math.isfinite(v) else None for v in values]


def pale_blue(strength: float) -> str:
    """Blue on whatever is behind it; at 1 it is `BLUE`."""
    return f"rgba(59, 130, 246, {strength:.3g})"


def axis(title: str | None, **more: Any) -> dict[str, Any]:
    """An axis that makes room for its title, if it has one, and for its own labels."""
    return {
        "title": {"text": title, "standoff": 12} if title else {},
        "automargin": True,
        "gridcolor": GRID,
        "linecolor": GRID,
        "zeroline": False,
    } | more


def layout_of(x: dict[str, Any], y: dict[str, Any]) -> dict[str, Any]:
    """A layout on the page's own background; the page adds size, font and text colour."""
    return {
        "margin": {"l": 48, "r": 16, "t": 36, "b": 44},
        "paper_bgcolor": "rgba(0, 0, 0, 0)",
        "plot_bgcolor": "rgba(0, 0, 0, 0)",
        "modebar": {"bgcolor": "rgba(0, 0, 0, 0)", "color": GREY, "activecolor": BLUE},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": x,
        "yaxis": y,
    }
