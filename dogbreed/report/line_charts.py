"""Long series as lines of few points, for charts that make a page no larger than it has to be."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dogbreed.report.charts import axis, finite, layout_of

Numbers = npt.NDArray[Any]

MAX_POINTS = 600
MARKED_POINTS = 40  # fewer have their points drawn: one alone is no line
DIGITS = 5
RECORDING = "debug/recording"  # in a run's folder: every step, epoch and layer


def cuts(count: int, most: int = MAX_POINTS) -> npt.NDArray[np.intp]:
    """Where each of at most `most` equal parts of so many values begins, and the end."""
    return np.linspace(0, count, min(count, most) + 1).astype(np.intp)


def means(values: Numbers, parts: npt.NDArray[np.intp]) -> list[float | None]:
    """The mean of each part, of its finite values alone; a gap where it has none."""
    if not len(values):
        return []
    known = np.isfinite(values)
    filled = np.where(known, values, 0).astype(float)
    with np.errstate(invalid="ignore", over="ignore"):
        averages = np.add.reduceat(filled, parts[:-1]) / np.add.reduceat(
            known.astype(int), parts[:-1]
        )
    return finite(float(f"{average:.{DIGITS}g}") for average in averages)


def middles(values: Numbers, parts: npt.NDArray[np.intp]) -> list[Any]:
    """The value in the middle of each part: where its mean is drawn."""
    found: list[Any] = values[(parts[:-1] + parts[1:] - 1) // 2].tolist()
    return found


def thinned(count: int, noun: str, complete: str, most: int = MAX_POINTS) -> str:
    """The sentence for a line of `most` points that stand for more; `complete` has all values."""
    if count <= most:
        return ""
    return f" Each point is the mean of about {round(count / most):,} {noun}s; {complete} has each."


def line(name: str, x: Sequence[Any], y: Sequence[float | None], **look: Any) -> dict[str, Any]:
    """A trace; `look` is its colour and all else that Plotly's scatter takes."""
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(x) < MARKED_POINTS else "lines",
        "name": name,
        "x": x,
        "y": y,
        "marker": {"size": 5},
    } | look


def headed_layout(x: dict[str, Any], y: dict[str, Any], head_px: int = 30) -> dict[str, Any]:
    """A layout with its legend at the very top and `head_px` for labels between it and the plot."""
    layout = layout_of(x, y)
    layout["margin"] |= {"t": 26 + head_px}
    layout["legend"] |= {"yref": "container", "y": 1, "yanchor": "top"}
    return layout


def zero_up(title: str, **more: Any) -> dict[str, Any]:
    """An axis from zero up."""
    return axis(title, rangemode="tozero", **more)
