"""Section "Calibration": the temperature, the threshold of "unknown", the reliability diagram."""

from pathlib import Path

from dogbreed.report.frame import Section
from dogbreed.report.run.figures.curves import reliability_diagram
from dogbreed.report.run.sections.registry import Content
from dogbreed.report.run.wording import sentences


def calibration_section(content: Content) -> Section:
    """The section."""
    facts = content.facts
    return Section(
        key="calibration",
        title="Calibration",
        template=Path(__file__).with_name("calibration.html.j2"),
        charts=(reliability_diagram(facts.test_scores),),
        values={
            "temperature": sentences.temperature(facts),
            "threshold": sentences.threshold(facts),
        },
    )
