"""The chart of the parameters' importance."""

from collections.abc import Mapping, Sequence
from typing import Any

from dogbreed.report.charts import BLUE, ORANGE, Chart, axis, labels, layout_of, pale_blue
from dogbreed.report.formatting import percent
from dogbreed.search.report.facts import SearchFacts
from dogbreed.search.report.importance import MIN_TRIALS, Importance, importances
from dogbreed.search.report.scales import Scale, placed


def importance(facts: SearchFacts, scales: Mapping[str, Scale]) -> Chart | str:
    """The chart of the parameters' importance, or a sentence that says why there is none."""
    if len(scales) < 2:
        return "Only one parameter was searched: there is no other to compare it with."
    known = placed(facts, scales, facts.completed)
    if len(known) < MIN_TRIALS:
        return (
            f"Too few trials to estimate the parameters' importance: {len(known)} completed, at "
            f"least {MIN_TRIALS} are needed."
        )
    found = importances(scales, known)
    if not found:
        return "All trials have the same objective: no parameter made a difference."
    return Chart(
        key="importance",
        title="Parameter importance",
        reading=f"{_verdict(facts, found)} A bar is the fraction of the objective's variance that "
        "the parameter explains by itself (fANOVA); its blue line is the variation over subsamples "
        "of the trials. The orange mark is the 95 % quantile under random permutations: a shorter "
        "bar is not significant.",
        figure=_bars(facts, found),
        height_px=80 + 44 * len(found),
    )


def _verdict(facts: SearchFacts, found: Sequence[Importance]) -> str:
    significant = [
        f"{facts.short[each.parameter]} ({percent(each.fraction, digits=0)})"
        for each in found
        if each.significant
    ]
    rest = [facts.short[each.parameter] for each in found if not each.significant]
    if not significant:
        return "No parameter has a significant effect."
    if not rest:
        return f"Significant: {', '.join(significant)}."
    return f"Significant: {', '.join(significant)}; not significant: {', '.join(rest)}."


def _bars(facts: SearchFacts, found: Sequence[Importance]) -> dict[str, Any]:
    names = labels([facts.short[each.parameter] for each in found])
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [each.fraction for each in found],
        "y": names,
        "marker": {"color": [pale_blue(0.55 if each.significant else 0.2) for each in found]},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [each.high - each.fraction for each in found],
            "arrayminus": [each.fraction - each.low for each in found],
            "color": BLUE,
            "thickness": 2,
        },
        "width": 0.5,
        "hovertemplate": "%{y}: %{x:.0%}<extra></extra>",
    }
    chance = {
        "type": "scatter",
        "mode": "markers",
        "x": [each.chance for each in found],
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
        axis("fraction of the variance", range=[0, 1.02], tickformat=".0%"),
        axis(None, type="category", autorange="reversed", showgrid=False),
    )
    layout["margin"] |= {"t": 8}
    return {"data": [bars, chance], "layout": layout | {"showlegend": False}}
