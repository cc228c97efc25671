"""Section "Confusions": the confusion matrix, and the most confused pairs with photos."""

from itertools import chain
from pathlib import Path

from dogbreed.evaluation.mistakes import confused_pairs
from dogbreed.report.frame import Section
from dogbreed.report.run.figures.confusion_matrix import confusion_matrix
from dogbreed.report.run.sections.registry import Content

MAX_PAIRS = 12


def confusions_section(content: Content) -> Section:
    """The section."""
    facts, found = content.facts, content.confusions
    pairs = confused_pairs(facts.test_scores, facts.test_samples, found[:MAX_PAIRS])
    matrix = confusion_matrix(facts.test_scores, facts.display_names, found, facts.noun)
    samples = chain.from_iterable((pair.example, pair.typical) for pair in pairs)
    photos = content.photos(sample.path for sample in samples if sample is not None)
    return Section(
        key="confusions",
        title="Confusions",
        template=Path(__file__).with_name("confusions.html.j2"),
        charts=(matrix,) if matrix else (),
        values={"pairs": pairs, "in_all": len(found), "photos": photos},
    )
