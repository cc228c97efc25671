"""The chart of cross entropy over steps, with the marks of the rules that fired."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dogbreed.debug.recording.records import Recording
from dogbreed.debug.rules.verdicts import Verdict
from dogbreed.evaluation.facts import Watched
from dogbreed.report.charts import BLUE, GREY, ORANGE, Chart, axis, labels
from dogbreed.report.line_charts import (
    MAX_POINTS,
    RECORDING,
    cuts,
    headed_layout,
    line,
    means,
    middles,
)
from dogbreed.report.run.wording.step_labels import epochs_of
from dogbreed.report.run.wording.verdicts import fired, words

LANE_PX, PLOT_PX = 22, 340
EPOCH_LABELS = 4  # a phone has room for no more


def cross_entropy(watched: Watched) -> Chart:
    """Cross entropy of both splits over steps, and where each rule fired first."""
    recording = watched.recording
    marked = [verdict for verdict in fired(watched.verdicts) if verdict.first_step is not None]
    layout = headed_layout(axis("step"), axis("cross entropy (nats)"))
    data = _course(recording)
    if len(recording.epochs["step"]):
        layout["xaxis2"] = _epoch_axis(recording)
    if marked:
        share = LANE_PX * len(marked) / (PLOT_PX - 100 + LANE_PX * len(marked))
        _add_lanes(layout, marked, share)
        data.append(_marks(recording, marked))
    return Chart(
        key="cross-entropy",
        title="Cross entropy over steps",
        reading="Lower is better; validation rising while training falls is overfitting. It is the "
        "plain cross entropy in both, whatever loss was minimised."
        + (" The dotted lines are where a rule fired for the first time." if marked else "")
        + (f" {RECORDING} has each step." if len(recording.steps["step"]) > MAX_POINTS else ""),
        figure={"data": data, "layout": layout | {"hovermode": "closest"}},
        height_px=PLOT_PX + LANE_PX * len(marked),
        wide=True,
    )


def _course(recording: Recording) -> list[dict[str, Any]]:
    steps, epochs = recording.steps, recording.epochs
    parts = cuts(len(steps["step"]))
    each = round(len(steps["step"]) / max(1, len(parts) - 1))
    at = middles(steps["step"], parts)
    hover = "step %{x:,}%{customdata}<br>%{y:.3f}"
    data = [
        line(
            "training, each step" if each <= 1 else f"training, means of {each} steps",
            at,
            means(steps["cross_entropy"], parts),
            customdata=epochs_of(recording, at),
            line={"color": GREY, "width": 1},
            opacity=0.6,
            hovertemplate=f"training at {hover}<extra></extra>",
        )
    ]
    if not len(epochs["step"]):
        return data
    parts = cuts(len(epochs["step"]))
    each = round(len(epochs["step"]) / (len(parts) - 1))
    ending = f", means of {each} epochs" if each > 1 else ""
    # The mean of an epoch stands in its middle, where its steps have it.
    begin = np.append(steps["step"][:1], epochs["step"][:-1] + 1)
    for split, name, colour, where in (
        ("train", f"training{ending or ', each epoch'}", GREY, (begin + epochs["step"]) / 2),
        ("valid", f"validation{ending}", BLUE, epochs["step"]),
    ):
        data.append(
            line(
                name,
                middles(where, parts),
                means(epochs[f"{split}_cross_entropy"], parts),
                customdata=middles(epochs["epoch"], parts),
                line={"color": colour, "width": 2},
                hovertemplate=f"{name.partition(',')[0]}, epoch %{{customdata}}"
                "<br>%{y:.3f}<extra></extra>",
            )
        )
    data[-1]["xaxis"] = "x2"  # an axis that nothing is drawn on isn't drawn
    return data


def _epoch_axis(recording: Recording) -> dict[str, Any]:
    """The same axis once more, above, with the ends of some epochs."""
    epochs, ends = recording.epochs["epoch"].tolist(), recording.epochs["step"].tolist()
    every = next(
        step * 10**power
        for power in range(12)
        for step in (1, 2, 5)
        if len(epochs) <= EPOCH_LABELS * step * 10**power
    )
    ticks = [(e, end) for e, end in zip(epochs, ends, strict=True) if e % every == 0]
    return {
        "overlaying": "x",
        "matches": "x",
        "side": "top",
        "tickvals": [end for _, end in ticks],
        "ticktext": [f"epoch {epoch}" for epoch, _ in ticks],
        "showgrid": False,
        "zeroline": False,
        "tickangle": 0,
    }


def _add_lanes(layout: dict[str, Any], marked: Sequence[Verdict], share: float) -> None:
    """Above the curves a lane for each rule's name: they can't hide each other."""
    layout["yaxis"]["domain"] = [0, 1 - share]
    layout["yaxis2"] = {
        "domain": [1 - share, 1],
        "range": [len(marked) - 0.5, -0.5],
        "visible": False,
        "fixedrange": True,
    }
    layout["xaxis"]["anchor"] = "y"
    layout.get("xaxis2", {})["anchor"] = "y2"
    layout["shapes"] = [
        {
            "type": "line",
            "layer": "below",
            "yref": "paper",
            "x0": step,
            "x1": step,
            "y0": 0,
            "y1": 1,
            "line": {"color": ORANGE, "width": 1.5, "dash": "dot"},
        }
        for step in dict.fromkeys(verdict.first_step for verdict in marked)
    ]


def _marks(recording: Recording, marked: Sequence[Verdict]) -> dict[str, Any]:
    at = [verdict.first_step for verdict in marked if verdict.first_step is not None]
    steps = recording.steps["step"]
    middle = (steps[0] + steps[-1]) / 2
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": at,
        "y": list(range(len(at))),
        "yaxis": "y2",
        "text": labels([words(verdict.name) for verdict in marked]),
        "textposition": ["middle right" if step <= middle else "middle left" for step in at],
        "cliponaxis": False,
        "marker": {"color": ORANGE, "size": 9, "symbol": "diamond"},
        "customdata": epochs_of(recording, at),
        "hovertemplate": "%{text}<br>fired first at step %{x:,}%{customdata}<extra></extra>",
        "showlegend": False,
    }
