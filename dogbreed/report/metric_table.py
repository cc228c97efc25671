"""The registered metrics of several splits as a table: a row per metric, a column per split."""

from collections.abc import Mapping
from dataclasses import dataclass

from dogbreed.evaluation.metrics.measuring import SplitMetrics
from dogbreed.evaluation.metrics.registry import MAXIMIZE, metrics
from dogbreed.report.formatting import counted, metric_value


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """A metric's title, which direction is better, and its value with interval on each split."""

    title: str
    better: str
    cells: tuple[str, ...]


def metric_rows(splits: Mapping[str, SplitMetrics]) -> list[MetricRow]:
    """A row for each registered metric; a cell for each split."""
    return [
        MetricRow(
            title=metric.title,
            better="higher" if metric.direction == MAXIMIZE else "lower",
            cells=tuple(
                metric_value(metric, split_metrics[metric.name], split_metrics.ci95[metric.name])
                for split_metrics in splits.values()
            ),
        )
        for metric in metrics()
    ]


def caveats(splits: Mapping[str, SplitMetrics]) -> list[str]:
    """A sentence for each metric that misleads on a split."""
    titles = {metric.name: metric.title for metric in metrics()}
    return [
        f"{titles[name]} of {split} is {clause}."
        for split, split_metrics in splits.items()
        for name, clause in split_metrics.caveats.items()
    ]


def metric_table(splits: Mapping[str, SplitMetrics], columns: int | None = None) -> list[str]:
    """The table as lines of plain text for a terminal: values, of the last split intervals too.

    Where the terminal's `columns` don't suffice, each metric has a line for the last split alone.
    """
    rows = metric_rows(splits)
    width = max(len(row.title) for row in rows)
    if columns is not None and columns < width + 9 * len(splits) + 20:
        *_, last = splits
        pairs = ((row.title, row.cells[-1]) for row in rows)
        return ["", f"{last}: {counted(splits[last].n, 'photo')}", *(f"{t}: {v}" for t, v in pairs)]
    lines = ["", f"{'':<{width}} {''.join(f'{name:>9}' for name in splits)}"]
    for row in rows:
        values = "".join(f"{cell.partition(' [')[0]:>9}" for cell in row.cells)
        _, bracket, interval = row.cells[-1].partition("[")
        lines.append(f"{row.title:<{width}} {values}  {bracket}{interval}".rstrip())
    counts = "".join(f"{split_metrics.n:>9,}" for split_metrics in splits.values())
    return [*lines, f"{'Photos':<{width}} {counts}"]
