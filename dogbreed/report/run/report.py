"""report.html: all results of a run in one file that fetches nothing."""

from pathlib import Path

from dogbreed.evaluation.facts import Facts
from dogbreed.evaluation.mistakes import confusions
from dogbreed.report.frame import page
from dogbreed.report.run.sections.registry import Content, sections
from dogbreed.report.run.tables import write_tables
from dogbreed.utils.files import write_text

TEMPLATE = Path(__file__).with_name("report.html.j2")


def write_report(path: Path, facts: Facts) -> None:
    """Write the report of a run to `path`, and next to it the CSV files it shows parts of."""
    found = confusions(facts.test_scores)
    write_tables(path.parent, facts, found)
    built = sections(Content(facts=facts, confusions=found))
    write_text(path, page(TEMPLATE, title=facts.name, sections=built, facts=facts))
