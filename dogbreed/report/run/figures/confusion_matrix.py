"""The confusion matrix as a heat map: of all classes, or of those that are confused most."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.evaluation.mistakes import Confusion, most_confused
from dogbreed.report.charts import Chart, axis, labels, layout_of
from dogbreed.utils.nouns import plural

NUMBERED_CELLS = 12  # up to so many classes the cells show their counts
SMALL_CLASSES = 30  # more get small labels, and scroll sideways on a narrow page
# More classes can't be distinguished on a screen, and a page grows with their square.
MAX_CLASSES = 200


def confusion_matrix(
    scores: Scores, display_names: Sequence[str], found: Sequence[Confusion], noun: str
) -> Chart | None:
    """What the photos of each class were taken for: fractions of the row, in colour.

    `found` are the confusions of `scores`. Of more than `MAX_CLASSES` classes, those of the pairs
    confused most often; None where there is no such pair.
    """
    classes = len(display_names)
    shown = list(range(classes)) if classes <= MAX_CLASSES else most_confused(found, MAX_CLASSES)
    if not shown:
        return None
    counts = _counts(scores, shown, found)
    totals = np.bincount(scores.targets.numpy(), minlength=classes)[shown]
    names = labels([display_names[label] for label in shown])
    size = {"type": "category", "tickfont": {"size": 9 if len(names) > SMALL_CLASSES else 12}}
    layout = layout_of(
        axis("taken for", **size, **({"tickangle": -60} if len(names) > 6 else {})),
        axis("photos of", **size, autorange="reversed"),
    )
    layout["xaxis"]["showgrid"] = layout["yaxis"]["showgrid"] = False
    return Chart(
        key="confusion-matrix",
        title="Confusion matrix",
        reading=f"Each row shows what the test photos of one {noun} were taken for: blue on the "
        "diagonal is right, orange is wrong; the stronger the colour, the larger the fraction."
        + _left_out(shown, classes, found, noun),
        figure={"data": _heat_maps(names, counts, totals), "layout": layout},
        height_px=min(1000, 320 + 20 * len(names)),
        least_width_px=640 if len(names) > SMALL_CLASSES else 0,
    )


def _counts(scores: Scores, shown: Sequence[int], found: Sequence[Confusion]) -> Any:
    """Counts of photos [shown, shown]: rows are true classes, columns predicted ones."""
    place = {label: number for number, label in enumerate(shown)}
    hits = np.bincount(scores.targets[scores.right].numpy(), minlength=max(shown) + 1)
    counts = np.diag(hits[list(shown)])
    for pair in found:
        if pair.label in place and pair.taken_for in place:
            counts[place[pair.label], place[pair.taken_for]] = pair.count
    return counts


def _heat_maps(names: Sequence[str], counts: Any, totals: Any) -> list[dict[str, Any]]:
    """What is wrong and what is right, each in its colour; a class without a photo has no row."""
    with np.errstate(invalid="ignore"):
        ratios = (counts / totals[:, None]).round(4)
    shares = [[None if np.isnan(ratio) else ratio for ratio in row] for row in ratios.tolist()]
    right = [[share if i == j else None for j, share in enumerate(r)] for i, r in enumerate(shares)]
    wrong = [[None if i == j else share for j, share in enumerate(r)] for i, r in enumerate(shares)]
    cells = {"texttemplate": "%{text}"} if len(names) <= NUMBERED_CELLS else {}
    common = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "text": counts.tolist(),
        "zmin": 0,
        "zmax": 1,
        "showscale": False,
        "hoverongaps": False,
        "hovertemplate": "photos of %{y}<br>taken for %{x}: %{text} (%{z:.1%})<extra></extra>",
    }
    return [
        common | {"name": "wrong", "z": wrong, "colorscale": _scale(240, 140, 46)},
        common | cells | {"name": "right", "z": right, "colorscale": _scale(59, 130, 246)},
    ]


def _left_out(shown: Sequence[int], classes: int, found: Sequence[Confusion], noun: str) -> str:
    """How many classes and confusions the chart leaves out, and which file has them."""
    if len(shown) == classes:
        return ""
    among = set(shown)
    inside = sum(p.count for p in found if p.label in among and p.taken_for in among)
    return (
        f" Of {classes:,} {plural(noun)} it shows the {len(shown):,} in the pairs confused most "
        f"often, partners side by side: {inside:,} of the {sum(p.count for p in found):,} "
        "confusions. "
        f"A row's fractions are of all photos of its {noun}; confusions.csv has every pair."
    )


def _scale(red: int, green: int, blue: int) -> list[list[Any]]:
    """From nothing to one tone; the smallest share above 0 can already be seen."""
    tone = f"{red}, {green}, {blue}"
    return [[0, f"rgba({tone}, 0)"], [0.001, f"rgba({tone}, 0.3)"], [1, f"rgba({tone}, 1)"]]
