"""Section "Results": the metrics of each split, the other heads, the cross-validation."""

from pathlib import Path

from dogbreed.data.layouts.splits import SPLITS, TEST
from dogbreed.report.formatting import shown
from dogbreed.report.frame import Section
from dogbreed.report.metric_table import metric_rows
from dogbreed.report.run.sections.registry import Content
from dogbreed.report.run.wording import sentences


def results_section(content: Content) -> Section:
    """The section."""
    facts = content.facts
    # The test first: a narrow page shows the first columns.
    measured = {split: facts.metrics[split] for split in reversed(SPLITS) if split in facts.metrics}
    for baseline in facts.baselines:
        measured |= {
            f"{baseline.name}, test": baseline.test,
            f"{baseline.name}, valid": baseline.valid,
        }
    return Section(
        key="results",
        title="Results",
        template=Path(__file__).with_name("results.html.j2"),
        values={
            "headline": sentences.headline(facts),
            "columns": [
                (shown(name), name == TEST, split_metrics.n)
                for name, split_metrics in measured.items()
            ],
            "rows": metric_rows(measured),
            "caveats": sentences.caveats(facts),
            "selected": sentences.selected_head(facts) if facts.baselines else None,
            "gains": [sentences.against(baseline) for baseline in facts.baselines],
        },
    )
