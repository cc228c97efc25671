"""Charts of the progress of a search: its trials in order, and their epochs.

Each function returns a chart, or a sentence in its place.
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

OBJECTIVE_PX = 76  # margin for tick labels and axis title
MAX_CURVES, CURVE_POINTS = 200, 200
MARKED_EPOCHS = 1500  # with more points the lines have no markers


def history(facts: SearchFacts) -> Chart | str:
    """The objective of each trial, and the best so far."""
    if not facts.scored:
        return "No trial has an objective that can be drawn."
    data = [
        _dots(facts, STOPPED, "stopped early", GREY, "circle-open"),
        _dots(facts, COMPLETED, "completed", BLUE, "circle"),
        _failed(facts),
        _best_so_far(facts),
    ]
    bars = "" if facts.crowded else "The bars are 95 % intervals. "
    integer_ticks = {"tickmode": "linear", "dtick": 1} if len(facts.trials) <= 10 else {}
    layout = _layout(facts, axis("trial", range=[0.4, len(facts.trials) + 0.6], **integer_ticks))
    layout["yaxis2"] = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    return Chart(
        key="history",
        title="Each trial",
        reading=f"{bars}The line is the best so far.{_beyond(facts)}",
        figure={"data": [trace for trace in data if trace["x"]], "layout": layout},
        height_px=380,
    )


def _layout(facts: SearchFacts, x: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A layout with the x axis `x` and the objective as y axis.

    Its margin is fixed: an automatic margin depends on the tick labels and changes the width, which
    changes the legend's height and the ticks again, and Plotly gives up.
    """
    y = axis(label(facts.metric), tickformat=facts.tick_format, automargin=False, **more)
    layout = layout_of(x, y)
    layout["margin"] |= {"l": OBJECTIVE_PX}
    return layout


def _beyond(facts: SearchFacts) -> str:
    if facts.edge is None:
        return ""
    return (
        f" Trials beyond {facts.written(facts.edge)} are drawn as triangles at that edge, in "
        "this chart and those below."
    )


def _numbered(facts: SearchFacts, status: str) -> list[tuple[int, Trial]]:
    return [(n, trial) for n, trial in facts.drawn if trial.status == status]


def _dots(facts: SearchFacts, status: str, name: str, colour: str, symbol: str) -> dict[str, Any]:
    found = [(n, t, t.objective) for n, t in _numbered(facts, status) if t.objective is not None]
    clipped = [facts.clipped(objective) for _, _, objective in found]
    intervals = [trial.ci95 for _, trial, _ in found]
    around = [
        (ci95[1] - y, y - ci95[0]) if ci95 and ci95[0] <= y <= ci95[1] else (None, None)
        for ci95, y in zip(intervals, clipped, strict=True)
    ]
    beyond = [y != objective for y, (_, _, objective) in zip(clipped, found, strict=True)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [n for n, _, _ in found],
        "y": clipped,
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
            "symbol": ["triangle-up" if is_beyond else symbol for is_beyond in beyond],
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
        "y": [facts.clipped(value) for value in values],
        "line": {"color": ORANGE, "width": 2, "shape": "hv"},
        "hoverinfo": "skip",
    }


def _failed(facts: SearchFacts) -> dict[str, Any]:
    """The failed trials, along the bottom."""
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
    """The objective of each trial after each epoch."""
    reported = [trial for _, trial in facts.drawn if trial.curve]
    if not reported:
        return "The trials reported nothing after each epoch."
    chosen = set(cuts(len(reported), MAX_CURVES)[:-1].tolist())
    selected = [trial for n, trial in enumerate(reported) if n in chosen or trial is facts.best]
    points = sum(len(trial.curve) for trial in selected)
    longest = max(len(trial.curve) for trial in selected)
    style = {
        "mode": "lines+markers" if points < MARKED_EPOCHS or longest == 1 else "lines",
        "hovertemplate": f"%{{text}}, epoch %{{x}}: %{{y:{facts.hover_format}}}<extra></extra>",
    }
    pale = {"color": pale_blue(0.2 if facts.crowded else 0.45), "width": 1.4}
    best = [trial for trial in selected if trial is facts.best]
    ended = [trial for trial in selected if trial is not facts.best and trial.status == COMPLETED]
    others = [trial for trial in selected if trial is not facts.best and trial.status != COMPLETED]
    data = [
        _lines(others, "not completed", line={"color": GREY, "width": 1.2, "dash": "dot"}, **style),
        _lines(ended, "completed", line=pale, **style),
        _lines(best, "the best", line={"color": ORANGE, "width": 3}, **style),
    ]
    integer_ticks = {"tickmode": "linear", "dtick": 1} if longest <= 10 else {}
    values = [value for trial in selected for value in trial.curve if math.isfinite(value)]
    layout = _layout(facts, axis("epoch", **integer_ticks), range=_axis_range(values, facts.sign))
    return Chart(
        key="curves",
        title="Each epoch",
        reading="The objective after each epoch; a line that ends early was stopped."
        + (
            f" {len(selected):,} trials are drawn, including the best."
            if selected != reported
            else ""
        )
        + (" The points of long lines are means of epochs." if longest > CURVE_POINTS else ""),
        figure={"data": [trace for trace in data if trace["x"]], "layout": layout},
        height_px=380,
    )


def _lines(trials: Sequence[Trial], name: str, **style: Any) -> dict[str, Any]:
    """The curves of some trials in one trace, with a gap after each."""
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
        **style,
    }


def _axis_range(values: Sequence[float], sign: int) -> list[float] | None:
    """The range of an axis without much worse values, such as those of the first epochs."""
    end = edge(values, sign)
    if end is None:
        return None
    low, high = sorted((end, sign * min(sign * value for value in values)))
    margin = 0.05 * (high - low)
    return [low - margin, high + margin]
