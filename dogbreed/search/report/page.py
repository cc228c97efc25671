"""search.html: a self-contained page with the results of a search."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dogbreed.report.charts import Chart
from dogbreed.report.formatting import NOTHING, counted, flat, setting, shown
from dogbreed.report.frame import Section, page
from dogbreed.search.report.facts import SearchFacts, finite_facts
from dogbreed.search.report.importance_figure import importance
from dogbreed.search.report.page_table import trial_table
from dogbreed.search.report.parameter_figures import parallel, slices
from dogbreed.search.report.progress_figures import curves, history
from dogbreed.search.report.scales import scales
from dogbreed.search.trials import COMPLETED, FAILED, RUNNING, STOPPED, Trial
from dogbreed.utils.files import write_text

TEMPLATE = Path(__file__).with_name("page.html.j2")
SECTIONS = Path(__file__).with_name("sections.html.j2")


def write_page(path: Path, facts: SearchFacts) -> None:
    """Write a search's page to `path`, atomically."""
    facts = finite_facts(facts)
    html = page(
        TEMPLATE,
        title=facts.name,
        sections=_sections(facts),
        counts=_counts(facts),
        facts=facts,
    )
    write_text(path, html)


def _sections(facts: SearchFacts) -> list[Section]:
    return [
        Section(key="best", title="Best trial", template=SECTIONS, values=_best(facts)),
        _drawn("progress", "Progress", [history(facts), curves(facts)]),
        _parameters(facts),
        Section(key="trials", title="Trials", template=SECTIONS, values=trial_table(facts)),
        Section(
            key="configuration",
            title="Configuration",
            template=SECTIONS,
            values={"settings": flat(facts.settings)},
        ),
    ]


def _drawn(key: str, title: str, found: Iterable[Chart | str], **values: Any) -> Section:
    """A section of charts, and of sentences in place of charts that can't be drawn."""
    charts, sentences = [], []
    for each in found:
        if isinstance(each, Chart):
            charts.append(each)
        else:
            sentences.append(each)
    return Section(
        key=key,
        title=title,
        template=SECTIONS,
        charts=tuple(charts),
        values={"sentences": sentences, **values},
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
    """How many other trials have an objective within the best trial's interval."""
    if best.ci95 is None or len(facts.completed) < 2:
        return ""
    low, high = best.ci95
    others = [trial.objective for trial in facts.completed if trial is not best]
    within = sum(low <= value <= high for value in others if value is not None)
    return f"Of {counted(len(others), 'other trial')} {within:,} are within that interval."


def _value(trial: Trial, name: str) -> str:
    value = trial.parameters.get(name)
    return NOTHING if value is None else setting(value)
