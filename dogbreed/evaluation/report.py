"""report.html: all that is known of a run in one file that fetches nothing."""

from pathlib import Path

from dogbreed.evaluation.facts import Facts
from dogbreed.evaluation.frame import page
from dogbreed.evaluation.sections import sections
from dogbreed.files import write_text

TEMPLATE = Path(__file__).with_name("report.html.j2")


def write_report(path: Path, facts: Facts) -> None:
    """Write the report of a run to `path`, whole or not at all."""
    write_text(path, page(TEMPLATE, title=facts.name, sections=sections(facts), facts=facts))
