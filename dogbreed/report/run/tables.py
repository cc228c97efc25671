"""CSV files beside the report: all of what a page with many classes can only show a part of."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dogbreed.evaluation.facts import Facts
from dogbreed.evaluation.metrics.intervals import Interval
from dogbreed.evaluation.mistakes import Confusion
from dogbreed.utils.files import write_table

CONFUSIONS, CLASSES, DUPLICATES = "confusions.csv", "classes.csv", "near_duplicates.csv"
Row = Sequence[object]


def write_tables(folder: Path, facts: Facts, found: Sequence[Confusion]) -> None:
    """Write every pair of classes that was confused, every class, every near-duplicate."""
    write_table(folder / CONFUSIONS, _confusions(facts, found))
    write_table(folder / CLASSES, _classes(facts))
    if len(facts.counts) > 1:
        write_table(folder / DUPLICATES, _duplicates(facts))


def _confusions(facts: Facts, found: Sequence[Confusion]) -> Iterator[Row]:
    yield "class", "predicted", "photos", "of"
    for pair in found:
        yield facts.classes[pair.label], facts.classes[pair.taken_for], pair.count, pair.of


def _classes(facts: Facts) -> Iterator[Row]:
    shares = ("recall", "recall_low95", "recall_high95")
    more = ("predicted", "precision", "precision_low95", "precision_high95")
    yield "class", "display_name", *(f"{split}_photos" for split in facts.counts), *shares, *more
    for label, class_metrics in enumerate(facts.class_metrics):
        yield (
            *(
                class_metrics.name,
                class_metrics.display_name,
                *(counts[label] for counts in facts.counts.values()),
            ),
            *(class_metrics.recall, *_ends(class_metrics.recall_ci95), class_metrics.n_predicted),
            *(class_metrics.precision, *_ends(class_metrics.precision_ci95)),
        )


def _ends(interval: Interval | None) -> Row:
    return interval or (None, None)


def _duplicates(facts: Facts) -> Iterator[Row]:
    yield "cosine", "split", "path", "other_split", "other_path"
    for duplicate in facts.duplicates:
        pair = (
            duplicate.first.split,
            duplicate.first.path,
            duplicate.second.split,
            duplicate.second.path,
        )
        yield f"{duplicate.cosine:.6f}", *pair
