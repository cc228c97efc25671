"""The table of all trials on a search's page."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dogbreed.report.formatting import NOTHING, shown
from dogbreed.search.report.facts import SearchFacts
from dogbreed.search.searchable import Value
from dogbreed.search.table import shown_value
from dogbreed.search.trials import COMPLETED, Trial

MAX_ROWS = 1000
REASON_CHARACTERS = 240  # trials.csv has the full text


@dataclass(frozen=True)
class Cell:
    """A table cell: its text, and the value it is sorted by; None: the text."""

    text: str
    value: float | str | None = None
    is_text: bool = False
    is_wide: bool = False


def trial_table(facts: SearchFacts) -> dict[str, Any]:
    """The headings, whether each is of text, and a row of cells for each of the best trials."""
    priced = any(trial.cost_usd is not None for trial in facts.trials)
    reasons = any(trial.reason for trial in facts.trials)
    kinds = {name: _is_text(facts, name) for name in facts.parameters}
    heads = [
        ("Trial", True),
        ("Status", True),
        (facts.metric, False),
        ("95 %", False),
        *((shown(facts.short[name]), is_text) for name, is_text in kinds.items()),
        ("Start (UTC)", False),
        ("End (UTC)", False),
        ("Seconds", False),
        *([("USD", False)] if priced else []),
        *([("Reason", True)] if reasons else []),
    ]
    trials = _best(facts)
    rows = [(trial is facts.best, _cells(facts, trial, priced, reasons)) for trial in trials]
    left_out = (
        f"The table has the {len(trials):,} best of {len(facts.trials):,} trials, in the order of "
        "their start; trials.csv has all."
        if len(trials) < len(facts.trials)
        else ""
    )
    return {"heads": heads, "rows": rows, "left_out": left_out}


def _best(facts: SearchFacts) -> list[Trial]:
    """The best `MAX_ROWS` trials in the order of their start; no objective ranks last."""

    def loss(number: int) -> tuple[bool, float]:
        trial = facts.trials[number]
        known = trial.status == COMPLETED and trial.objective is not None
        return not known, facts.sign * (trial.objective or 0.0)

    ranked = sorted(range(len(facts.trials)), key=loss)[:MAX_ROWS]
    return [facts.trials[number] for number in sorted(ranked)]


def _is_text(facts: SearchFacts, name: str) -> bool:
    tried = [trial.parameters.get(name) for trial in facts.trials]
    return any(isinstance(value, str) for value in tried)


def _cells(facts: SearchFacts, trial: Trial, priced: bool, reasons: bool) -> list[Cell]:
    low, high = trial.ci95 or (None, None)
    between = f"{facts.written(low)} to {facts.written(high)}" if trial.ci95 else NOTHING
    cells = [
        Cell(trial.name, is_text=True),
        Cell(trial.status, is_text=True),
        _number(trial.objective, facts.written(trial.objective)),
        _number(low, between),
        *(_parameter(trial.parameters.get(name)) for name in facts.parameters),
        _time(trial.started),
        _time(trial.ended, since=trial.started),
        _number(trial.seconds, f"{trial.seconds or 0:.1f}"),
    ]
    if priced:
        cells.append(_number(trial.cost_usd, f"{trial.cost_usd or 0:.3f}"))
    if reasons:
        cut = len(trial.reason) > REASON_CHARACTERS
        text = f"{trial.reason[:REASON_CHARACTERS]}…" if cut else trial.reason
        cells.append(Cell(text, is_text=True, is_wide=True))
    return cells


def _number(value: float | None, text: str) -> Cell:
    return Cell(NOTHING, "") if value is None else Cell(text, value)


def _parameter(value: Value | None) -> Cell:
    if value is None:
        return Cell(NOTHING, "")
    if isinstance(value, str):
        return Cell(value, is_text=True)
    return Cell(shown_value(value), float(value))


def _time(when: datetime | None, since: datetime | None = None) -> Cell:
    """A time in UTC; the date is left out if it is that of `since`."""
    if when is None:
        return Cell(NOTHING, "")
    utc = when.astimezone(UTC)
    same_day = since is not None and since.astimezone(UTC).date() == utc.date()
    return Cell(f"{utc:%H:%M:%S}" if same_day else f"{utc:%Y-%m-%d %H:%M:%S}", utc.timestamp())
