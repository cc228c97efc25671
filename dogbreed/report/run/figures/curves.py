"""The report's charts, built from the facts."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dogbreed.evaluation.calibration import reliability
from dogbreed.evaluation.facts import Facts, RateCurve
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.report.charts import BLUE, GREY, ORANGE, Chart, axis, finite, layout_of
from dogbreed.report.formatting import percent
from dogbreed.report.line_charts import cuts, line, means, middles, thinned


def loss_curves(facts: Facts) -> Chart:
    """Training and validation loss over epochs."""
    return Chart(
        key="loss-curves",
        title="Loss over epochs",
        reading="Lower is better; validation rising while training falls is overfitting."
        + thinned(len(facts.epochs), "epoch", "metrics.json"),
        figure=_curves(facts, "loss", "loss (nats)", ".3f"),
    )


def accuracy_curves(facts: Facts) -> Chart:
    """Training and validation accuracy over epochs."""
    return Chart(
        key="accuracy-curves",
        title="Accuracy over epochs",
        reading=f"The fraction of photos whose most likely {facts.noun} is right; higher is better."
        + thinned(len(facts.epochs), "epoch", "metrics.json"),
        figure=_curves(facts, "top1", "top-1", ".1%"),
    )


def _curves(facts: Facts, metric: str, title: str, number_format: str) -> dict[str, Any]:
    epochs = _column(facts, "epoch")
    parts = cuts(len(epochs))
    data = [
        line(
            name,
            middles(epochs.astype(int), parts),
            means(_column(facts, f"{split}_{metric}"), parts),
            line={"color": colour, "width": 2},
            hovertemplate=f"%{{y:{number_format}}}",
        )
        for split, name, colour in (
            ("train", "training", GREY),
            ("valid", "validation", BLUE),
        )
    ]
    integer_ticks = {"tickmode": "linear", "dtick": 1} if len(epochs) <= 10 else {}
    layout = layout_of(axis("epoch", **integer_ticks), axis(title, tickformat=_axis_format(metric)))
    return {"data": data, "layout": layout | {"hovermode": "x unified"}}


def _column(facts: Facts, name: str) -> npt.NDArray[np.float64]:
    """A metric of every epoch; not a number where an epoch lacks it."""
    return np.array([epoch.get(name) for epoch in facts.epochs], float)


def _axis_format(metric: str) -> str:
    return "" if metric == "loss" else ".0%"


def rate_curve(curve: RateCurve) -> Chart:
    """The learning-rate finder's loss over rates, the suggestion marked."""
    losses = finite(curve.loss)
    data = {
        "type": "scatter",
        "mode": "lines",
        "x": list(curve.lr),
        "y": losses,
        "line": {"color": BLUE, "width": 2},
        "hovertemplate": "rate %{x:.3g}<br>loss %{y:.3f}<extra></extra>",
    }
    layout = layout_of(
        axis("learning rate (log scale)", type="log", exponentformat="power"),
        axis("smoothed loss (nats)", range=_reach(losses)),
    )
    at = math.log10(curve.suggestion)
    layout["shapes"] = [
        {
            "type": "line",
            "xref": "x",
            "yref": "paper",
            "x0": curve.suggestion,
            "x1": curve.suggestion,
            "y0": 0,
            "y1": 1,
            "line": {"color": ORANGE, "width": 2, "dash": "dot"},
        }
    ]
    layout["annotations"] = [
        {
            "x": at,
            "y": 1,
            "yref": "paper",
            "yanchor": "bottom",
            "text": f"suggestion {curve.suggestion:.2g}",
            "showarrow": False,
        }
    ]
    return Chart(
        key="rate-curve",
        title="Learning-rate finder",
        reading=f"The dotted line marks the suggested rate, {curve.suggestion:.2g}: where the loss "
        "falls steeply, well before it climbs again.",
        figure={"data": [data], "layout": layout},
    )


def _reach(losses: Sequence[float | None]) -> list[float] | None:
    """An axis that shows the way down: what climbs above the start by much is cut off."""
    known = [loss for loss in losses if loss is not None]
    if not known:
        return None
    low, start = min(known), known[0]
    room = max(start - low, 1e-3)
    return [low - 0.1 * room, min(max(known), start + room) + 0.1 * room]


def reliability_diagram(scores: Scores) -> Chart:
    """Calibrated confidence against the share of right answers, and how many photos have it."""
    bins = reliability(scores)
    accuracy = [confidence_bin.accuracy for confidence_bin in bins]
    where = [confidence_bin.confidence for confidence_bin in bins]
    text = [
        f"{confidence_bin.n:,} photos given {percent(confidence_bin.confidence)}: "
        f"{percent(confidence_bin.accuracy, confidence_bin.accuracy_ci95)} right"
        for confidence_bin in bins
    ]
    even = {
        "type": "scatter",
        "mode": "lines",
        "name": "perfectly calibrated",
        "x": [0, 1],
        "y": [0, 1],
        "line": {"color": GREY, "dash": "dash"},
        "hoverinfo": "skip",
    }
    measured = {
        "type": "scatter",
        "mode": "markers",
        "name": "measured, with 95 % interval",
        "x": where,
        "y": accuracy,
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [
                confidence_bin.accuracy_ci95[1] - confidence_bin.accuracy for confidence_bin in bins
            ],
            "arrayminus": [
                confidence_bin.accuracy - confidence_bin.accuracy_ci95[0] for confidence_bin in bins
            ],
            "color": BLUE,
            "thickness": 1.5,
        },
        "marker": {"color": BLUE, "size": 9},
        "text": text,
        "hovertemplate": "%{text}<extra></extra>",
    }
    many = {
        "type": "bar",
        "name": "photos",
        "x": [(confidence_bin.lower + confidence_bin.upper) / 2 for confidence_bin in bins],
        "width": [confidence_bin.upper - confidence_bin.lower for confidence_bin in bins],
        "y": [confidence_bin.n for confidence_bin in bins],
        "yaxis": "y2",
        "marker": {"color": GREY, "opacity": 0.6},
        "text": text,
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
    }
    layout = layout_of(
        axis("probability given", range=[-0.02, 1.02], tickformat=".0%", anchor="y2"),
        axis("share right", range=[-0.02, 1.05], tickformat=".0%", domain=[0.28, 1]),
    )
    layout["yaxis2"] = axis("photos", domain=[0, 0.18], nticks=4)
    return Chart(
        key="reliability",
        title="Reliability of the calibrated probabilities",
        reading="Of the photos given a probability of 80 %, 80 % should be right: points below "
        "the dashed line are overconfident, above it underconfident.",
        figure={"data": [even, measured, many], "layout": layout},
        height_px=420,
    )
