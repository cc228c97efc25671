"""The charts of how a search went: its trials in their order, and their epochs.

Each function gives a chart, or the sentence that stands in its place.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dogbreed.report.charts import (
    BLUE,
    GREY,
    ORANGE,
    Chart,
    axis,
    layout_of,
    pale_blue,
)
from dogbreed.report.line_charts import cuts, means, middles
from dogbreed.search.report.facts import SearchFacts, edge, label
from dogbreed.search.trials import COMPLETED, FAILED, STOPPED, Trial

OBJECTIVE_PX = 76  # room for the objective's ticks and its name
MAX_CURVES, CURVE_POINTS = 200, 200
MARKED_EPOCHS = 1500  # more points than so many are lines alone


def history(facts: SearchFacts) -> Chart | str:
    """The objective of each trial, and the best so far."""
    if not facts.scored:
        return "No trial has come to an objective that could be drawn."
    data = [
        _dots(facts, STOPPED, "stopped early", GREY, "circle-open"),
        _dots(facts, COMPLETED, "completed", BLUE, "circle"),
        _failed(facts),
        _best_so_far(facts),
    ]
    bars = "" if facts.crowded else "The bars are 95 % intervals. "
    whole = {"tickmode": "linear", "dtick": 1} if len(facts.trials) <= 10 else {}
    layout = _layout(facts, axis("trial", range=[0.4, len(facts.trials) + 0.6], **whole))
    layout["yaxis2"] = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    return Chart(
        key="history",
        title="Each trial",
        reading=f"{bars}The line is the best so far.{_beyond(facts)}",
        figure={"data": [own for own in data if own["x"]], "layout": layout},
        height_px=380,
    )


def _layout(facts: SearchFacts, x: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A layout over `x`, the objective upwards.

    With a fixed margin: one by the ticks changes the width, so the lines of the legend, so
    the height and the ticks again, and Plotly gives up.
    """
    y = axis(label(facts.metric), tickformat=facts.tick_format, automargin=False, **more)
    layout = layout_of(x, y)
    layout["margin"] |= {"l": OBJECTIVE_PX}
    return layout


def _beyond(facts: SearchFacts) -> str:
    if facts.edge is None:
        return ""
    return (
        f" Trials beyond {facts.written(facts.edge)} stand at that edge as triangles, here and in "
        "the charts below."
    )


def _numbered(facts: SearchFacts, status: str) -> list[tuple[int, Trial]]:
    return [(n, trial) for n, trial in facts.drawn if trial.status == status]


def _dots(facts: SearchFacts, status: str, name: str, colour: str, symbol: str) -> dict[str, Any]:
    found = [(n, t, t.objective) for n, t in _numbered(facts, status) if t.objective is not None]
    held = [facts.held(objective) for _, _, objective in found]
    intervals = [trial.ci95 for _, trial, _ in found]
    around = [
        (ci95[1] - y, y - ci95[0]) if ci95 and ci95[0] <= y <= ci95[1] else (None, None)
        for ci95, y in zip(intervals, held, strict=True)
    ]
    beyond = [y != objective for y, (_, _, objective) in zip(held, found, strict=True)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [n for n, _, _ in found],
        "y": held,
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [up for up, _ in around],
            "arrayminus": [down for _, down in around],
            "thickness": 1.2,
            "width": 3,
            "visible": not facts.crowded,
        },
        "marker": {
            "color": colour,
            "size": 5 if facts.crowded else 8,
            "symbol": ["triangle-up" if own else symbol for own in beyond],
        },
        "text": [facts.hover(trial) for _, trial, _ in found],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _best_so_far(facts: SearchFacts) -> dict[str, Any]:
    numbers: list[int] = []
    values: list[float] = []
    for n, trial in enumerate(facts.trials, 1):
        value = trial.objective if trial.status == COMPLETED else None
        if value is not None and (not values or facts.sign * (value - values[-1]) < 0):
            numbers.append(n)
            values.append(value)
    if values:
        numbers.append(len(facts.trials))
        values.append(values[-1])
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "best so far",
        "x": numbers,
        "y": [facts.held(value) for value in values],
        "line": {"color": ORANGE, "width": 2, "shape": "hv"},
        "hoverinfo": "skip",
    }


def _failed(facts: SearchFacts) -> dict[str, Any]:
    """Those without an objective, along the bottom."""
    found = _numbered(facts, FAILED)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "failed",
        "x": [n for n, _ in found],
        "y": [0.02] * len(found),
        "yaxis": "y2",
        "marker": {"color": GREY, "size": 9, "symbol": "x"},
        "text": [facts.hover(trial) for _, trial in found],
        "hovertemplate": "%{text}<extra></extra>",
    }


def curves(facts: SearchFacts) -> Chart | str:
    """The objective after each epoch."""
    reported = [trial for _, trial in facts.drawn if trial.curve]
    if not reported:
        return "The trials reported nothing after each epoch."
    chosen = set(cuts(len(reported), MAX_CURVES)[:-1].tolist())
    there = [trial for n, trial in enumerate(reported) if n in chosen or trial is facts.best]
    points = sum(len(trial.curve) for trial in there)
    longest = max(len(trial.curve) for trial in there)
    look = {
        "mode": "lines+markers" if points < MARKED_EPOCHS or longest == 1 else "lines",
        "hovertemplate": f"%{{text}}, epoch %{{x}}: %{{y:{facts.hover_format}}}<extra></extra>",
    }
    pale = {"color": pale_blue(0.2 if facts.crowded else 0.45), "width": 1.4}
    best = [trial for trial in there if trial is facts.best]
    ended = [trial for trial in there if trial is not facts.best and trial.status == COMPLETED]
    others = [trial for trial in there if trial is not facts.best and trial.status != COMPLETED]
    data = [
        _lines(others, "not completed", line={"color": GREY, "width": 1.2, "dash": "dot"}, **look),
        _lines(ended, "completed", line=pale, **look),
        _lines(best, "the best", line={"color": ORANGE, "width": 3}, **look),
    ]
    whole = {"tickmode": "linear", "dtick": 1} if longest <= 10 else {}
    values = [value for trial in there for value in trial.curve if math.isfinite(value)]
    layout = _layout(facts, axis("epoch", **whole), range=_reach(values, facts.sign))
    return Chart(
        key="curves",
        title="Each epoch",
        reading="What the trials came to after each epoch; a line that ends early was stopped."
        + (f" {len(there):,} trials are drawn, the best among them." if there != reported else "")
        + (" The points of long lines are means of epochs." if longest > CURVE_POINTS else ""),
        figure={"data": [own for own in data if own["x"]], "layout": layout},
        height_px=380,
    )


def _lines(trials: Sequence[Trial], name: str, **look: Any) -> dict[str, Any]:
    """The curves of some trials in one trace, a gap after each."""
    x: list[int | None] = []
    y: list[float | None] = []
    text: list[str] = []
    for trial in trials:
        parts = cuts(len(trial.curve), CURVE_POINTS)
        x += [*middles(np.arange(1, len(trial.curve) + 1), parts), None]
        y += [*means(np.array(trial.curve), parts), None]
        text += [label(trial.name)] * len(parts)
    return {
        "type": "scatter",
        "name": name,
        "x": x,
        "y": y,
        "text": text,
        "marker": {"size": 4},
        **look,
    }


def _reach(values: Sequence[float], sign: int) -> list[float] | None:
    """An axis that leaves out what lies far beyond, such as the first epochs."""
    end = edge(values, sign)
    if end is None:
        return None
    low, high = sorted((end, sign * min(sign * value for value in values)))
    room = 0.05 * (high - low)
    return [low - room, high + room]
