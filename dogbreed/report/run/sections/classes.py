"""Section "Classes": precision and recall of each class, those recognised least often first."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dogbreed.data.layouts.splits import TRAIN
from dogbreed.evaluation.facts import Facts
from dogbreed.report.frame import Section
from dogbreed.report.run.sections.registry import Content
from dogbreed.utils.nouns import plural

MAX_CLASSES = 2000


def classes_section(content: Content) -> Section:
    """The section."""
    facts = content.facts
    return Section(
        key="classes",
        title=plural(facts.noun).capitalize(),
        template=Path(__file__).with_name("classes.html.j2"),
        values={"rows": _rows(facts)[:MAX_CLASSES], "is_trained": TRAIN in facts.counts},
    )


def _rows(facts: Facts) -> list[dict[str, Any]]:
    train = facts.counts.get(TRAIN, [None] * len(facts.classes))
    rows = [
        {"metrics": class_metrics, "train": photos}
        for class_metrics, photos in zip(facts.class_metrics, train, strict=True)
    ]
    # Those without a test photo are last, as they are when the table is sorted by a click.
    return sorted(rows, key=_by_recall)


def _by_recall(row: Mapping[str, Any]) -> tuple[bool, float]:
    recall = row["metrics"].recall
    return recall is None, recall or 0.0
