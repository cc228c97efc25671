"""Section "Data": the photos of each split, findings about files, near-duplicates."""

from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

from dogbreed.data.check import imbalance
from dogbreed.data.layouts.splits import SPLITS
from dogbreed.evaluation.facts import Facts
from dogbreed.report.frame import Section
from dogbreed.report.run.sections.registry import Content
from dogbreed.report.run.wording import sentences

MAX_DUPLICATES, MAX_FINDINGS = 12, 50


def data_section(content: Content) -> Section:
    """The section."""
    facts = content.facts
    duplicates = sorted(facts.duplicates, key=lambda duplicate: -duplicate.cosine)[:MAX_DUPLICATES]
    samples = chain.from_iterable((duplicate.first, duplicate.second) for duplicate in duplicates)
    across = Counter(
        f"{duplicate.first.split} – {duplicate.second.split}" for duplicate in facts.duplicates
    )
    return Section(
        key="data",
        title="Data",
        template=Path(__file__).with_name("data.html.j2"),
        values={
            "splits": _splits(facts),
            **_findings(facts),
            "across": across.most_common(),
            "duplicates": duplicates,
            "photos": content.photos(sample.path for sample in samples),
        },
    )


def _splits(facts: Facts) -> list[dict[str, Any]]:
    splits = []
    for split in SPLITS:
        if split in facts.counts:
            present = [count for count in facts.counts[split] if count]
            splits.append(
                {
                    "name": split,
                    "photos": sum(present),
                    "classes": len(present),
                    "fewest": min(present, default=0),
                    "most": max(present, default=0),
                    "imbalance": imbalance(present) if present else None,
                }
            )
    return splits


def _findings(facts: Facts) -> dict[str, Any]:
    ordered = sorted(facts.findings, key=lambda finding: (not finding.bad, finding.reason))
    reasons: Counter[str] = Counter()
    for finding in ordered:
        if finding.bad:
            reasons[finding.reason] += max(1, finding.photos)
    return {
        "left_out": sentences.left_out(facts.findings),
        "reasons": reasons.most_common(),
        "findings": ordered[:MAX_FINDINGS],
    }
