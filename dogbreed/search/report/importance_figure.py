"""The chart of which parameter mattered."""

from collections.abc import Mapping, Sequence
from typing import Any

from dogbreed.report.charts import BLUE, ORANGE, Chart, axis, labels, layout_of, pale_blue
from dogbreed.report.formatting import percent
from dogbreed.search.report.facts import SearchFacts
from dogbreed.search.report.importance import MIN_TRIALS, Importance, importances
from dogbreed.search.report.scales import Scale, placed


def importance(facts: SearchFacts, scales: Mapping[str, Scale]) -> Chart | str:
    """How much each parameter mattered, or the sentence that says why it isn't known."""
    if len(scales) < 2:
        return "Only one parameter was searched: there is none to compare it with."
    known = placed(facts, scales, facts.completed)
    if len(known) < MIN_TRIALS:
        return (
            f"Too few trials to tell which parameter mattered: {len(known)} completed, and with "
            f"fewer than {MIN_TRIALS} chance looks like importance."
        )
    found = importances(scales, known)
    if not found:
        return "All trials came to the same objective: no parameter made a difference."
    return Chart(
        key="importance",
        title="Which parameter mattered",
        reading=f"{_verdict(facts, found)} A bar is the share of the objective's variance that the "
        "parameter explains by itself (fANOVA); its blue line, how far that changes with the "
        "trials at hand. The orange mark is what chance gives one parameter in twenty: a bar that "
        "doesn't pass it says nothing.",
        figure=_bars(facts, found),
        height_px=80 + 44 * len(found),
    )


def _verdict(facts: SearchFacts, found: Sequence[Importance]) -> str:
    told = [
        f"{facts.short[own.parameter]} ({percent(own.share, digits=0)})"
        for own in found
        if own.told
    ]
    rest = [facts.short[own.parameter] for own in found if not own.told]
    if not told:
        return "None of the parameters can be told from chance."
    if not rest:
        return f"Told from chance: {', '.join(told)}."
    return f"Told from chance: {', '.join(told)}; not: {', '.join(rest)}."


def _bars(facts: SearchFacts, found: Sequence[Importance]) -> dict[str, Any]:
    names = labels([facts.short[own.parameter] for own in found])
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [own.share for own in found],
        "y": names,
        "marker": {"color": [pale_blue(0.55 if own.told else 0.2) for own in found]},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [own.high - own.share for own in found],
            "arrayminus": [own.share - own.low for own in found],
            "color": BLUE,
            "thickness": 2,
        },
        "width": 0.5,
        "hovertemplate": "%{y}: %{x:.0%}<extra></extra>",
    }
    chance = {
        "type": "scatter",
        "mode": "markers",
        "x": [own.chance for own in found],
        "y": names,
        "marker": {
            "symbol": "line-ns-open",
            "size": 26,
            "color": ORANGE,
            "line": {"width": 3, "color": ORANGE},
        },
        "hovertemplate": "%{y}, by chance: %{x:.0%}<extra></extra>",
    }
    layout = layout_of(
        axis("share of the variance", range=[0, 1.02], tickformat=".0%"),
        axis(None, type="category", autorange="reversed", showgrid=False),
    )
    layout["margin"] |= {"t": 8}
    return {"data": [bars, chance], "layout": layout | {"showlegend": False}}
