"""search.html: all that is known of a search in one file that fetches nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dogbreed.evaluation.charts import Chart
from dogbreed.evaluation.frame import Section, page
from dogbreed.evaluation.texts import NOTHING, counted, flat, setting, shown
from dogbreed.files import write_text
from dogbreed.search.page_facts import SearchFacts, searched
from dogbreed.search.page_figures import curves, history
from dogbreed.search.page_importance import importance
from dogbreed.search.page_parameters import parallel, slices
from dogbreed.search.scales import scales
from dogbreed.search.space import Space, Value
from dogbreed.search.table import shown_value
from dogbreed.search.trials import COMPLETED, FAILED, RUNNING, STOPPED, Trial

TEMPLATE = Path(__file__).with_name("page.html.j2")
REASON_CHARACTERS = 400  # trials.csv has the whole of it


def write_page(
    path: Path,
    *,
    name: str,
    trials: Sequence[Trial],
    parameters: Sequence[str],
    space: Space,
    metric: str,
    direction: str,
    settings: Mapping[str, object],
) -> None:
    """Write a search's page to `path`, whole or not at all; `trials` in the order they began."""
    facts = searched(
        name=name,
        trials=trials,
        parameters=parameters,
        space=space,
        metric=metric,
        direction=direction,
        settings=settings,
    )
    sections = _sections(facts)
    write_text(
        path, page(TEMPLATE, title=name, sections=sections, counts=_counts(facts), facts=facts)
    )


def _sections(facts: SearchFacts) -> list[Section]:
    return [
        Section(key="best", title="Best trial", values=_best(facts)),
        _drawn("progress", "Progress", [history(facts), curves(facts)]),
        _parameters(facts),
        Section(key="trials", title="Trials", values=_table(facts)),
        Section(
            key="configuration", title="Configuration", values={"settings": flat(facts.settings)}
        ),
    ]


def _drawn(key: str, title: str, found: Iterable[Chart | str], **values: Any) -> Section:
    """A section of charts, and of the sentences that stand for those that can't be made."""
    charts, sentences = [], []
    for own in found:
        if isinstance(own, Chart):
            charts.append(own)
        else:
            sentences.append(own)
    return Section(
        key=key, title=title, charts=tuple(charts), values={"sentences": sentences, **values}
    )


def _parameters(facts: SearchFacts) -> Section:
    axes = scales(facts)
    single = slices(facts, axes)
    if isinstance(single, str):
        return _drawn("parameters", "Parameters", [single], singles=0)
    together = [importance(facts, axes), parallel(facts, axes)]
    return _drawn("parameters", "Parameters", [*together, *single], singles=len(single))


def _counts(facts: SearchFacts) -> str:
    """18 trials completed, 1 stopped early, 1 failed."""
    many = Counter(trial.status for trial in facts.trials)
    words = {STOPPED: "stopped early", FAILED: "failed", RUNNING: "still running"}
    rest = [f"{many[status]:,} {word}" for status, word in words.items() if many[status]]
    return ", ".join([f"{counted(many[COMPLETED], 'trial')} completed", *rest])


def _best(facts: SearchFacts) -> dict[str, Any]:
    best = facts.best
    if best is None:
        return {"headline": None}
    headline = (
        f"{shown(best.name)} is the best of {counted(len(facts.completed), 'completed trial')}: "
        f"{facts.metric} {facts.written(best.objective, best.ci95)}."
    )
    return {
        "headline": headline,
        "near": _near(facts, best),
        "parameters": [(shown(name), _value(best, name)) for name in facts.parameters],
    }


def _near(facts: SearchFacts, best: Trial) -> str:
    """How many others could as well have been the best."""
    if best.ci95 is None or len(facts.completed) < 2:
        return ""
    low, high = best.ci95
    others = [trial.objective for trial in facts.completed if trial is not best]
    inside = sum(low <= value <= high for value in others if value is not None)
    return f"Of the {len(others):,} others, {inside:,} lie within that interval."


def _value(trial: Trial, name: str) -> str:
    value = trial.parameters.get(name)
    return NOTHING if value is None else setting(value)


@dataclass(frozen=True)
class Cell:
    """A cell of the table: what is read, and what it is sorted by."""

    text: str
    value: Any = ""
    is_text: bool = False
    is_wide: bool = False


def _table(facts: SearchFacts) -> dict[str, Any]:
    """The headings, whether each is of text, and a row of cells for every trial."""
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
    rows = [(trial is facts.best, _cells(facts, trial, priced, reasons)) for trial in facts.trials]
    return {"heads": heads, "rows": rows}


def _is_text(facts: SearchFacts, name: str) -> bool:
    tried = [trial.parameters.get(name) for trial in facts.trials]
    return any(isinstance(value, str) for value in tried)


def _cells(facts: SearchFacts, trial: Trial, priced: bool, reasons: bool) -> list[Cell]:
    low, high = trial.ci95 or (None, None)
    between = f"{facts.written(low)} to {facts.written(high)}" if trial.ci95 else NOTHING
    cells = [
        Cell(trial.name, trial.name, is_text=True),
        Cell(trial.status, trial.status, is_text=True),
        _number(trial.objective, facts.written(trial.objective)),
        _number(low, between),
        *(_parameter(trial.parameters.get(name)) for name in facts.parameters),
        _moment(trial.started),
        _moment(trial.ended, since=trial.started),
        _number(trial.seconds, f"{trial.seconds or 0:.1f}"),
    ]
    if priced:
        cells.append(_number(trial.cost_usd, f"{trial.cost_usd or 0:.3f}"))
    if reasons:
        cut = len(trial.reason) > REASON_CHARACTERS
        text = f"{trial.reason[:REASON_CHARACTERS]}…" if cut else trial.reason
        cells.append(Cell(text, trial.reason[:REASON_CHARACTERS], is_text=True, is_wide=True))
    return cells


def _number(value: float | None, text: str) -> Cell:
    return Cell(NOTHING) if value is None else Cell(text, value)


def _parameter(value: Value | None) -> Cell:
    if value is None:
        return Cell(NOTHING)
    return Cell(shown_value(value), int(value) if isinstance(value, bool) else value)


def _moment(moment: datetime | None, since: datetime | None = None) -> Cell:
    """A moment; its day is left out where it is the one it began on."""
    if moment is None:
        return Cell(NOTHING)
    here = moment.astimezone(UTC)
    same_day = since is not None and since.astimezone(UTC).date() == here.date()
    return Cell(f"{here:%H:%M:%S}" if same_day else f"{here:%Y-%m-%d %H:%M:%S}", here.timestamp())
