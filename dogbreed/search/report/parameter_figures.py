"""Charts of the parameters: parallel coordinates, and the objective over each parameter.

Each function returns a chart, or a sentence in its place.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dogbreed.report.charts import BLUE, GREY, ORANGE, Chart, axis, labels, layout_of, pale_blue
from dogbreed.report.formatting import NOTHING, shown
from dogbreed.search.report.facts import SearchFacts, label
from dogbreed.search.report.scales import TICK_CHARACTERS, Placed, Scale, linear, placed
from dogbreed.search.table import shown_value
from dogbreed.search.trials import COMPLETED, Trial

SHADES = 12
AXIS_PX = 84  # minimum distance of axes, for their tick labels
CHARACTER_PX = 7
JITTER = 0.2  # maximum horizontal offset of the trials of a choice, which would hide each other
GOLDEN = (5**0.5 - 1) / 2  # multiples modulo 1 are evenly spaced for any number of trials


def parallel(facts: SearchFacts, scales: Mapping[str, Scale]) -> Chart | str:
    """Each completed trial as a line through its values to its objective."""
    if len(scales) < 2:
        return "With one parameter the chart below has all comparisons."
    known = placed(facts, scales, facts.drawn_scored)
    if len(known) < 2:
        return "Fewer than two trials were completed: there are no values to compare."
    every = [*scales.values(), _objectives(facts, [trial.objective for trial in known])]
    titles = labels([*facts.short.values(), facts.metric], TICK_CHARACTERS)
    layout = layout_of(
        {"visible": False, "range": [-0.04, len(every) - 0.96]},
        {"visible": False, "range": [-0.05, 1.15]},
    )
    layout["margin"] = {"l": 12, "r": AXIS_PX, "t": 8, "b": 8}
    layout |= {"hovermode": "closest", "showlegend": False}
    layout["shapes"] = [
        {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": {"color": GREY, "width": 1.5}}
        for x in range(len(every))
    ]
    return Chart(
        key="parallel",
        title="Parallel coordinates",
        reading="Each line is a completed trial; the darker the blue the better its objective; "
        "orange is the best trial.",
        figure={"data": [*_shaded(facts, known, every), _texts(every, titles)], "layout": layout},
        height_px=420,
        least_width_px=_axis_width_px(facts, every) * len(every),
    )


def _objectives(facts: SearchFacts, values: Sequence[float]) -> Scale:
    low, high = min(values), max(values)
    margin = 0.01 if low == high else 0.0
    even = linear(low - margin, high + margin)
    if not facts.is_share:
        return even
    return replace(even, ticks=tuple((at, f"{100 * at:.4g} %") for at, _ in even.ticks))


def _axis_width_px(facts: SearchFacts, every: Sequence[Scale]) -> int:
    written = [*facts.short.values(), facts.metric, *(text for s in every for _, text in s.ticks)]
    longest = min(TICK_CHARACTERS, max(map(len, written)))
    return max(AXIS_PX, CHARACTER_PX * longest + 10)


def _fraction(scale: Scale, place: float) -> float:
    return (place - scale.low) / (scale.high - scale.low)


def _shaded(
    facts: SearchFacts,
    known: Sequence[Placed],
    every: Sequence[Scale],
) -> list[dict[str, Any]]:
    """The lines, the best on top; one trace per shade, with a gap after each line."""
    ranked = sorted(known, key=lambda one: (-facts.sign * one.objective, one.trial is facts.best))
    traces: dict[str, dict[str, list[Any]]] = defaultdict(lambda: {"x": [], "y": [], "text": []})
    for rank, line in enumerate(ranked):
        shade = round(SHADES * rank / max(1, len(ranked) - 1)) / SHADES
        strength = 0.03 + 0.7 * shade**8 if facts.crowded else 0.12 + 0.7 * shade**2
        colour = ORANGE if line.trial is facts.best else pale_blue(strength)
        trace = traces[colour]
        at = [*line.places.values(), line.objective]
        fractions = [_fraction(scale, place) for scale, place in zip(every, at, strict=True)]
        trace["x"] += [*range(len(every)), None]
        trace["y"] += [*fractions, None]
        trace["text"] += [facts.hover(line.trial)] * (len(every) + 1)
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "line": {"color": colour, "width": 3 if colour == ORANGE else 1.6},
            "marker": {"size": 4},
            "hovertemplate": "%{text}<extra></extra>",
            **points,
        }
        for colour, points in traces.items()
    ]


def _texts(every: Sequence[Scale], titles: Sequence[str]) -> dict[str, Any]:
    """The names above the axes and the tick labels."""
    ticks = [
        (x, _fraction(scale, place), f" {text}")
        for x, scale in enumerate(every)
        for place, text in scale.ticks
    ]
    above = [(x, 1.1, f"<b>{title}</b>") for x, title in enumerate(titles)]
    x, y, text = zip(*above, *ticks, strict=True)
    return {
        "type": "scatter",
        "mode": "text",
        "x": x,
        "y": y,
        "text": text,
        "textposition": "middle right",
        "cliponaxis": False,
        "hoverinfo": "skip",
    }


def slices(facts: SearchFacts, scales: Mapping[str, Scale]) -> list[Chart] | str:
    """Charts of the objective over each parameter."""
    if len(facts.scored) < 2:
        return "Fewer than two trials have an objective: their values can't be compared."
    return [
        _slice(facts, number, name, scale) for number, (name, scale) in enumerate(scales.items())
    ]


def _slice(facts: SearchFacts, number: int, name: str, scale: Scale) -> Chart:
    rest = [trial for trial in facts.drawn_scored if trial is not facts.best]
    size = 4 if facts.crowded else 7
    kinds = (
        ([t for t in rest if t.status != COMPLETED], GREY, "circle-open", size),
        ([t for t in rest if t.status == COMPLETED], BLUE, "circle", size),
        ([facts.best] if facts.best else [], ORANGE, "circle", 10),
    )
    # A margin, so that the outermost points and ticks aren't clipped.
    margin = 0.5 if scale.choices else 0.06 * (scale.high - scale.low)
    layout = layout_of(
        axis(
            None,
            range=[scale.low - margin, scale.high + margin],
            tickvals=[place for place, _ in scale.ticks],
            ticktext=[text for _, text in scale.ticks],
        ),
        axis(label(facts.metric), tickformat=facts.tick_format, nticks=6),
    )
    layout |= {"showlegend": False, "hovermode": "closest"}
    layout["margin"] |= {"t": 12, "b": 28}
    data = [_points(facts, name, scale, *kind) for kind in kinds]
    best = (
        f"The best trial had {shown_value(facts.best.parameters.get(name)) or NOTHING}."
        if facts.best
        else ""
    )
    return Chart(
        key=f"slice-{number}",
        title=shown(facts.short[name]) + (" (log scale)" if scale.log else ""),
        reading=best,
        figure={"data": [trace for trace in data if trace["x"]], "layout": layout},
        height_px=240,
    )


def _points(
    facts: SearchFacts, name: str, scale: Scale, trials: Sequence[Trial], *style: Any
) -> dict[str, Any]:
    colour, symbol, size = style
    x: list[float | None] = []
    counts: Counter[float] = Counter()
    for trial in trials:
        place = scale.place(trial.parameters.get(name))
        if place is not None and scale.choices:
            counts[place] += 1
            place += JITTER * (2 * (GOLDEN * counts[place] % 1) - 1)
        x.append(place)
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": [facts.clipped(t.objective) for t in trials if t.objective is not None],
        "marker": {"color": colour, "symbol": symbol, "size": size},
        "text": [facts.hover(trial) for trial in trials],
        "hovertemplate": "%{text}<extra></extra>",
    }
