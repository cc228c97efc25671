"""Show the trials: a live table on a terminal, log lines elsewhere."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from rich import box
from rich.live import Live
from rich.table import Table

from dogbreed.search.searchable import Value
from dogbreed.search.trials import COMPLETED, Show, Trial, best_of, short_names
from dogbreed.training.run_folder import log
from dogbreed.utils.terminal import console, line_of

SHORT_NAME = 20  # characters: names up to this length aren't abbreviated
COLUMNS_ELSEWHERE = 160  # width without a terminal


def trial_table(
    trials: Sequence[Trial], parameters: Sequence[str], metric: str, direction: str
) -> Table:
    """A row per trial, the best one marked."""
    names = short_names(parameters)
    best = best_of(trials, direction)
    priced = any(trial.cost_usd is not None for trial in trials)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", width=1)
    table.add_column("trial", overflow="fold")
    for name in parameters:
        table.add_column(line_of(names[name]), justify="right")
    for title in ("status", metric, "95 %", "start", "end", "seconds"):
        table.add_column(line_of(title), justify="left" if title == "status" else "right")
    if priced:
        table.add_column("USD", justify="right")
    common = _common_prefix([trial.name for trial in trials])
    for trial in trials:
        cells = [
            "*" if trial is best else "",
            trial.name[common:],
            *(shown_value(trial.parameters.get(name)) for name in parameters),
            trial.status if trial.over else trial.reason or trial.status,
            "" if trial.objective is None else f"{trial.objective:.4f}",
            f"{trial.ci95[0]:.3f} to {trial.ci95[1]:.3f}" if trial.ci95 else "",
            _clock(trial.started),
            _clock(trial.ended),
            "" if trial.seconds is None else f"{trial.seconds:.0f}",
        ]
        if priced:
            cells.append("" if trial.cost_usd is None else f"{trial.cost_usd:.3f}")
        table.add_row(*map(line_of, cells), style="bold" if trial is best else None)
    return table


def _common_prefix(names: Sequence[str]) -> int:
    """The length of the common prefix, such as the search's name and a hyphen, to leave out."""
    if len(names) < 2 or len(names[0]) <= SHORT_NAME:
        return 0
    return os.path.commonprefix(names).rfind("-") + 1  # noqa: RUF071 - names, not paths


def shown_value(value: Value | None) -> str:
    """A parameter's value with three significant digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def print_table(
    trials: Sequence[Trial], parameters: Sequence[str], metric: str, direction: str
) -> None:
    """Print the complete table on stdout."""
    width = None if sys.stdout.isatty() else COLUMNS_ELSEWHERE
    console(sys.stdout, width).print(trial_table(trials, parameters, metric, direction))


@contextmanager
def live_table(
    parameters: Sequence[str], metric: str, direction: str, total: int
) -> Iterator[Show]:
    """Yield a function that shows the trials: a live table, or a log line per ended trial."""
    if sys.stderr.isatty():
        with Live(console=console(sys.stderr), transient=True, refresh_per_second=4) as live:
            yield lambda trials: live.update(trial_table(trials, parameters, metric, direction))
        return
    logged: set[str] = set()
    started = time.monotonic()

    def log_ended(trials: Sequence[Trial]) -> None:
        over = [trial for trial in trials if trial.over]
        for trial in over:
            if trial.name in logged:
                continue
            logged.add(trial.name)
            values = ", ".join(
                f"{short}={shown_value(trial.parameters.get(name))}"
                for name, short in short_names(parameters).items()
            )
            status = "" if trial.status == COMPLETED else f" {trial.status}"
            why = f" ({trial.reason})" if trial.reason else ""
            among = f" of {total}" if total > 1 else ""
            rest = (status, why, values, time.monotonic() - started)
            if trial.objective is None:
                log.info("%s%s:%s%s  %s  %.0f s", trial.name, among, *rest)
            else:
                result = (metric, trial.objective)
                log.info("%s%s: %s=%.4f%s%s  %s  %.0f s", trial.name, among, *result, *rest)

    yield log_ended


def _clock(when: datetime | None) -> str:
    return f"{when.astimezone():%H:%M:%S}" if when else ""
