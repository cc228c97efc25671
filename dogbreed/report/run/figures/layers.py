"""The charts of a recorded training's layers and of its learning rate."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from dogbreed.debug.recording.records import Recording
from dogbreed.report.charts import BLUE, Chart, axis, labels
from dogbreed.report.line_charts import (
    RECORDING,
    cuts,
    headed_layout,
    line,
    means,
    middles,
    thinned,
    zero_up,
)
from dogbreed.report.run.wording.step_labels import epochs_of

MAX_LAYERS, LAYER_POINTS = 12, 200
LOG_TICKS = 6
# From the first layer to the last; all can be read on white and on black.
TONES = ((59, 130, 246), (168, 85, 247), (236, 72, 153), (240, 140, 46))


@dataclass(frozen=True, kw_only=True)
class DrawnLayer:
    """A layer that is drawn: its column, its name, how the chart writes that, and its colour."""

    index: int
    name: str
    label: str
    tone: str


def drawn_layers(recording: Recording) -> list[DrawnLayer]:
    """At most `MAX_LAYERS`, evenly from the first to the last, their colours in that order."""
    count = len(recording.layer_names)
    drawn = min(count, MAX_LAYERS)
    indices = np.linspace(0, count - 1, drawn).round().astype(int).tolist()
    names = [recording.layer_names[index] for index in indices]
    return [
        DrawnLayer(index=index, name=name, label=label, tone=_tone(number / max(1, drawn - 1)))
        for number, (index, name, label) in enumerate(
            zip(indices, names, labels(names), strict=True)
        )
    ]


def _tone(share: float) -> str:
    mixed = (
        np.interp(3 * share, range(len(TONES)), channel) for channel in zip(*TONES, strict=True)
    )
    return f"#{''.join(f'{round(value):02x}' for value in mixed)}"


def layer_charts(recording: Recording) -> tuple[Chart, ...]:
    """The norms of the trained layers, where there are any to draw."""
    charts = (
        _norms(recording, "grad_norm", "Gradient norm", "The norm of each layer's gradient."),
        _norms(recording, "weight_norm", "Weight norm", "The norm of each layer's weights."),
        _norms(
            recording,
            "update_ratio",
            "Update ratio",
            "The norm of a step's change over that of the weights before it; about 0.001 is usual.",
        ),
    )
    return tuple(chart for chart in charts if chart is not None)


def _norms(recording: Recording, column: str, title: str, reading: str) -> Chart | None:
    steps, values = recording.layers["step"], recording.layers[column]
    parts = cuts(len(steps), LAYER_POINTS)
    at = middles(steps, parts)
    data = []
    for layer in drawn_layers(recording):
        layer_values = values[:, layer.index]
        data.append(
            line(
                layer.label,
                at,
                # A log axis has no zero.
                means(np.where(layer_values > 0, layer_values, np.nan), parts),
                line={"color": layer.tone, "width": 1.5},
                hovertemplate="%{fullData.name}<br>step %{x:,}: %{y:.3g}<extra></extra>",
            )
        )
    known = [y for trace in data for y in trace["y"] if y is not None]
    if not known:
        return None
    y = axis(f"{title.lower()} (log scale)", exponentformat="power", **_log(known))
    layout = headed_layout(axis("step"), y, 0)
    return Chart(
        key=title.lower().replace(" ", "-"),
        title=title,
        reading=reading + thinned(len(steps), "record", RECORDING, LAYER_POINTS),
        figure={
            "data": data,
            "layout": layout | {"showlegend": False, "hovermode": "closest"},
        },
    )


def _log(values: list[float]) -> dict[str, Any]:
    """A log axis with few ticks; where none of those may fall into its reach, with Plotly's own."""
    decades = math.log10(max(values)) - math.log10(min(values))
    if decades < 0.7:
        return {"type": "log"}
    return {"type": "log", "dtick": "D2" if decades < 2 else math.ceil(decades / LOG_TICKS)}


def learning_rate(recording: Recording) -> Chart:
    """The learning rate over steps."""
    steps = recording.steps
    parts = cuts(len(steps["step"]))
    at = middles(steps["step"], parts)
    rates = line(
        "learning rate",
        at,
        means(steps["lr"], parts),
        customdata=epochs_of(recording, at),
        line={"color": BLUE, "width": 2},
        hovertemplate="step %{x:,}%{customdata}: %{y:.3g}<extra></extra>",
    )
    layout = headed_layout(axis("step"), zero_up("learning rate", exponentformat="power"), 0)
    return Chart(
        key="learning-rate",
        title="Learning rate",
        reading="The rate of each step, of the first group of weights."
        + thinned(len(steps["step"]), "step", RECORDING),
        figure={"data": [rates], "layout": layout},
    )
