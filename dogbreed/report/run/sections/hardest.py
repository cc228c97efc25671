"""Section "Hardest photos": the test photos with the highest losses."""

from pathlib import Path

from dogbreed.evaluation.mistakes import hardest_photos
from dogbreed.report.frame import Section
from dogbreed.report.run.sections.registry import Content

MAX_HARDEST = 24


def hardest_section(content: Content) -> Section:
    """The section."""
    facts = content.facts
    hardest = hardest_photos(facts.test_scores, facts.test_samples, MAX_HARDEST)
    photos = content.photos(photo.sample.path for photo in hardest)
    return Section(
        key="hardest",
        title="Hardest photos",
        template=Path(__file__).with_name("hardest.html.j2"),
        values={"hardest": hardest, "photos": photos},
    )
