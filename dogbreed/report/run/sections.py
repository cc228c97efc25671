"""The report's sections: what each of them shows, chosen from the facts.

A section is an entry of `sections` and, by the same name, of `bodies` in report.html.j2.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from dogbreed.data.check import imbalance
from dogbreed.data.layouts.splits import SPLITS
from dogbreed.evaluation.facts import Duplicate, Facts
from dogbreed.evaluation.metrics.measuring import SplitMetrics
from dogbreed.evaluation.mistakes import (
    ConfusedPair,
    Confusion,
    HardPhoto,
    confused_pairs,
    hardest_photos,
)
from dogbreed.report.charts import Chart
from dogbreed.report.formatting import agreement, flat, seconds, shown
from dogbreed.report.frame import Section
from dogbreed.report.run import figures
from dogbreed.report.run import sentences as statements
from dogbreed.report.run.confusion_figure import confusion_matrix
from dogbreed.report.run.cross_entropy import cross_entropy
from dogbreed.report.run.debug_section import debug_section
from dogbreed.report.run.profile_section import profile_section
from dogbreed.report.thumbnails import thumbnails

# So many are shown of each: a page stays small however many there are.
PAIRS, HARDEST, DUPLICATES, FINDINGS, CLASSES = 12, 24, 12, 50, 2000


def sections(facts: Facts, found: Sequence[Confusion]) -> list[Section]:
    """All sections in their order; `found` are the confusions of the test photos."""
    pairs = confused_pairs(facts.test_scores, facts.test_samples, found[:PAIRS])
    matrix = confusion_matrix(facts.test_scores, facts.display_names, found)
    hardest = hardest_photos(facts.test_scores, facts.test_samples, HARDEST)
    duplicates = sorted(facts.duplicates, key=lambda own: -own.cosine)[:DUPLICATES]
    shown_photos = _photos_of(pairs, hardest, duplicates)
    photos = thumbnails(facts.root, shown_photos, facts.within)
    return [
        Section(key="results", title="Results", values=_results(facts)),
        Section(key="training", title="Training", charts=_training(facts)),
        *([debug_section(facts.watched)] if facts.watched else []),
        Section(
            key="calibration",
            title="Calibration",
            charts=(figures.reliability_diagram(facts.test_scores),),
            values={
                "temperature": statements.temperature(facts),
                "threshold": statements.threshold(facts),
            },
        ),
        Section(
            key="confusions",
            title="Confusions",
            charts=(matrix,) if matrix else (),
            values={"pairs": pairs, "in_all": len(found), "photos": photos},
        ),
        Section(
            key="hardest", title="Hardest photos", values={"hardest": hardest, "photos": photos}
        ),
        Section(key="classes", title="Classes", values={"rows": _class_rows(facts)[:CLASSES]}),
        Section(
            key="data",
            title="Data",
            values=_data(facts) | {"duplicates": duplicates, "photos": photos},
        ),
        *([profile_section(facts.profile)] if facts.profile else []),
        Section(key="run", title="Run", values=_run(facts)),
    ]


def _photos_of(
    pairs: Sequence[ConfusedPair], hardest: Sequence[HardPhoto], duplicates: Sequence[Duplicate]
) -> list[Path]:
    shown = chain(
        chain.from_iterable((pair.example, pair.typical) for pair in pairs),
        (hard.sample for hard in hardest),
        chain.from_iterable((own.first, own.second) for own in duplicates),
    )
    return [sample.path for sample in shown if sample is not None]


def _results(facts: Facts) -> dict[str, Any]:
    rows: list[tuple[str, SplitMetrics]] = [
        (split, facts.metrics[split]) for split in SPLITS if split in facts.metrics
    ]
    if facts.baseline is not None:
        rows += [("baseline, valid", facts.baseline.valid), ("baseline, test", facts.baseline.test)]
    return {
        "headline": statements.headline(facts),
        "rows": rows,
        "gain": statements.against(facts.baseline) if facts.baseline else None,
    }


def _training(facts: Facts) -> tuple[Chart, ...]:
    charts: tuple[Chart, ...] = ()
    if facts.watched is not None and len(facts.watched.recording.steps["step"]):
        charts += (cross_entropy(facts.watched),)
    elif facts.epochs:
        charts += (figures.loss_curves(facts),)
    if facts.epochs:
        charts += (figures.accuracy_curves(facts),)
    if facts.rate_curve is not None:
        charts += (figures.rate_curve(facts.rate_curve),)
    return charts


def _class_rows(facts: Facts) -> list[dict[str, Any]]:
    """The classes, those recognised least often first."""
    rows = [
        {"metrics": own, "train": train}
        for own, train in zip(facts.class_metrics, facts.counts["train"], strict=True)
    ]
    # Those without a test photo stand last, as they do when the table is sorted by a click.
    return sorted(rows, key=_by_recall)


def _by_recall(row: Mapping[str, Any]) -> tuple[bool, float]:
    recall = row["metrics"].recall
    return recall is None, recall or 0.0


def _data(facts: Facts) -> dict[str, Any]:
    splits = []
    for split in SPLITS:
        counts = facts.counts[split]
        there = [count for count in counts if count]
        splits.append(
            {
                "name": split,
                "photos": sum(counts),
                "classes": len(there),
                "fewest": min(there, default=0),
                "most": max(there, default=0),
                "imbalance": imbalance(there) if there else None,
            }
        )
    ordered = sorted(facts.findings, key=lambda finding: (not finding.bad, finding.reason))
    reasons: Counter[str] = Counter()
    for finding in ordered:
        if finding.bad:
            reasons[finding.reason] += max(1, finding.photos)
    across = Counter(f"{own.first.split} – {own.second.split}" for own in facts.duplicates)
    return {
        "splits": splits,
        "left_out": statements.left_out(facts.findings),
        "reasons": reasons.most_common(),
        "findings": ordered[:FINDINGS],
        "across": across.most_common(),
    }


def _run(facts: Facts) -> dict[str, Any]:
    return {
        "seconds": [(phase, seconds(value)) for phase, value in facts.seconds.items()],
        "forms": [
            (shown(form), [agreement(key, value) for key, value in measured.items()])
            for form, measured in facts.forms.items()
        ],
        "config": flat(facts.config),
    }
