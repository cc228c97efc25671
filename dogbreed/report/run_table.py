"""The runs as lines of plain text: fitted to a terminal, or one line for each run."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from dogbreed.report.formatting import NOTHING, setting
from dogbreed.run_records.listing import FAILED, FINISHED, ListedRun
from dogbreed.run_records.record import RunRecord
from dogbreed.utils.printable import printable

LATEST_MARK, BEST_MARK = ">", "*"
HEADS = ("", "run", "data", "test top-1 %", "seconds", "changed keys")
_NAME_WIDTH, _DATA_WIDTH = 40, 16
_MIN_LAST_WIDTH = 30  # a narrower last column has lines of its own
_INDENT = "      "
_MAX_LINES = 3
_MAX_CHARACTERS = 500  # of the last column
MAX_VALUE_CHARACTERS = 60


def run_table(
    runs: Sequence[ListedRun], latest: str | None, best: str | None, width: int | None
) -> list[str]:
    """A row for each run, in the given order, below the headings.

    `latest` and `best` are the names of runs. Without a `width`, in columns, each row is one line.
    """
    rows = [_cells(run, latest, best) for run in runs]
    widths = [max(map(cell_len, column)) for column in zip(HEADS, *rows, strict=True)]
    if width is not None:
        widths[1], widths[2] = min(widths[1], _NAME_WIDTH), min(widths[2], _DATA_WIDTH)
    lines = []
    for cells in (HEADS, *rows):
        lines += _lines(cells, widths, width)
    return lines


def changes_text(changes: Mapping[str, Any] | None) -> str:
    """optim.lr=0.003 seed=2: as it is typed, with long values cut."""
    return " ".join(
        f"{printable(name)}={_cut(setting(value), MAX_VALUE_CHARACTERS)}"
        for name, value in (changes or {}).items()
    )


def state_text(run: ListedRun) -> str:
    """Why a run has no results, or what of it can't be read; empty for others."""
    if run.damage and run.record is None:
        return printable(f"damaged: {run.damage}")
    if run.state == FAILED and run.record is not None:
        return printable(f"failed: {run.record.failure}")
    return "" if run.state == FINISHED else run.state


def seconds_text(seconds: float | None) -> str:
    """165, or 4.2 of few."""
    return NOTHING if seconds is None else f"{seconds:,.{0 if seconds >= 10 else 1}f}"


def _cells(run: ListedRun, latest: str | None, best: str | None) -> tuple[str, ...]:
    marks = f"{LATEST_MARK * (run.name == latest)}{BEST_MARK * (run.name == best)}"
    record = run.record
    if record is None:
        return marks, printable(run.name), NOTHING, NOTHING, NOTHING, state_text(run)
    last = [part for part in (state_text(run), changes_text(record.changes)) if part]
    return (
        marks,
        printable(run.name),
        printable(record.data or NOTHING),
        _top1(record),
        seconds_text(record.seconds),
        _cut("; ".join(last), _MAX_CHARACTERS),
    )


def _top1(record: RunRecord) -> str:
    value, interval = record.metric("test", "top1"), record.interval("test", "top1")
    if value is None:
        return NOTHING
    between = f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else ""
    return f"{100 * value:.1f}{between}"


def _lines(cells: Sequence[str], widths: Sequence[int], width: int | None) -> list[str]:
    """A row as lines: the last cell beside the others where there is room, else below them."""
    *others, last = cells
    mark, name, data, top1, seconds = others
    is_long = cell_len(name) > widths[1]
    first = "  ".join(
        (
            set_cell_size(mark, widths[0]),
            set_cell_size("" if is_long else name, widths[1]),
            set_cell_size(_cut(data, widths[2]), widths[2]),
            f"{top1:<{widths[3]}}",
            f"{seconds:>{widths[4]}}",
        )
    )
    above = [f"{set_cell_size(mark, widths[0])}  {name}"] if is_long else []
    if is_long:
        first = f"{'':{widths[0]}}{first[widths[0] :]}"
    if width is None:
        return [*above, f"{first}  {last}".rstrip()]
    left = cell_len(first) + 2
    if width - left >= _MIN_LAST_WIDTH:
        head, *rest = _wrapped(last, width - left) or [""]
        return [*above, f"{first}  {head}".rstrip(), *(f"{'':{left}}{line}" for line in rest)]
    if cells is HEADS:
        return [*above, first.rstrip()]
    rest = _wrapped(last, width - len(_INDENT))
    return [*above, first.rstrip(), *(f"{_INDENT}{line}" for line in rest)]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, max(width, 20), max_lines=_MAX_LINES, placeholder=" …", break_on_hyphens=False
    )


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…"
