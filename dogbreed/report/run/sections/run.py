"""Section "Run": seconds, versions, exported formats, and the configuration."""

from pathlib import Path

from dogbreed.data.layouts.splits import TRAIN
from dogbreed.report.formatting import agreement, flat, seconds, shown
from dogbreed.report.frame import Section
from dogbreed.report.run.sections.registry import Content


def run_section(content: Content) -> Section:
    """The section."""
    facts = content.facts
    return Section(
        key="run",
        title="Run",
        template=Path(__file__).with_name("run.html.j2"),
        values={
            "seconds": [(phase, seconds(value)) for phase, value in facts.seconds.items()],
            "forms": [
                (shown(form), [agreement(key, value) for key, value in measured.items()])
                for form, measured in facts.forms.items()
            ],
            "config": flat(facts.config),
            "is_trained": TRAIN in facts.counts,
        },
    )
