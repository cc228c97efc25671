"""MODEL_CARD.md: what a model is for, how good it is, where it fails; from the facts of its run."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from dogbreed.data.check import imbalance
from dogbreed.data.layouts.splits import SPLITS, TEST, TRAIN
from dogbreed.evaluation.facts import Facts
from dogbreed.evaluation.mistakes import confusions
from dogbreed.report.formatting import agreement, counted, flat, percent, seconds, shown
from dogbreed.report.metric_table import metric_rows
from dogbreed.report.run.wording import sentences
from dogbreed.utils.files import write_text
from dogbreed.utils.nouns import plural

WEAKEST, CONFUSED = 10, 5  # so many are named
CLASSES_NAMED = 200

# What Markdown, or GitHub's, takes for markup inside a line; no name stands at the start of one.
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#!|~$&@:^]|(?<=www)\.", re.IGNORECASE)


def write_model_card(path: Path, facts: Facts) -> None:
    """Write the model card of a run to `path`, atomically."""
    parts = (
        _purpose(facts),
        _data(facts),
        _results(facts),
        _limits(facts),
        _training(facts),
        _classes(facts),
    )
    write_text(path, "\n".join(line for part in parts for line in part))


def plain(name: object) -> str:
    """A name that Markdown shows as it is, on one line."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(shown(name).split()))


def _purpose(facts: Facts) -> list[str]:
    backbone = facts.config.get("model", {}).get("backbone", "pretrained")
    noun, nouns = plain(facts.noun), plain(plural(facts.noun))
    return [
        f"# Model card: {plain(facts.name)}",
        "",
        f"A classifier of photos into {len(facts.classes):,} {nouns}: a {plain(backbone)} backbone "
        f"with a head trained by dogbreed, finished {facts.finished.replace('T', ' ')}.",
        "",
        plain(sentences.headline(facts)),
        "",
        "## Intended use",
        "",
        f"For photos that show one subject of one of the {nouns} below, taken as the training "
        f"photos were. It gives each {noun} a calibrated probability, and “unknown” where none is "
        f"high enough. It does not recognise subjects of other {nouns}: it often predicts a "
        f"similar {noun} for them. Don't base a decision on it that nobody reviews.",
        "",
    ]


def _data(facts: Facts) -> list[str]:
    rows = []
    for split in SPLITS:
        there = [count for count in facts.counts[split] if count]
        uneven = f"{imbalance(there):.1f}" if there else "–"
        rows.append((split, f"{sum(there):,}", f"{len(there):,}", uneven))
    lines = [
        "## Data",
        "",
        *_table(
            ("Split", "Photos", plain(plural(facts.noun)).capitalize(), "Largest / smallest"),
            rows,
        ),
        "",
    ]
    left_out = sentences.left_out(facts.findings)
    lines.append(f"Photos left out because they can't be used: {left_out:,}.")
    if facts.duplicates:
        pairs = counted(len(facts.duplicates), "pair")
        lines.append(f"Near-duplicates across splits: {pairs}; they make the results look better.")
    return [*lines, "", f"Fingerprint of the data: `{facts.data_fingerprint}`", ""]


def _results(facts: Facts) -> list[str]:
    measured = {split: facts.metrics[split] for split in SPLITS if split in facts.metrics}
    measured |= {f"{baseline.name}, test": baseline.test for baseline in facts.baselines}
    rows = [(row.title, row.better, *row.cells) for row in metric_rows(measured)]
    rows.append(("Photos", "", *(f"{split_metrics.n:,}" for split_metrics in measured.values())))
    lines = ["## Results", "", "In brackets the 95 % intervals.", ""]
    lines += [*_table(("Metric", "Better", *measured), rows), ""]
    lines += [" ".join(sentences.caveats(facts)), ""]
    if facts.baselines:
        compared = (sentences.against(baseline) for baseline in facts.baselines)
        lines += [" ".join([sentences.selected_head(facts), *compared]), ""]
    if facts.folds is not None:
        lines += [
            f"Cross-validated over {counted(len(facts.folds.top1), 'fold')}: top-1 "
            f"{percent(facts.folds.top1_mean)}, standard deviation "
            f"{100 * facts.folds.top1_sd:.1f} points.",
            "",
        ]
    return [*lines, sentences.temperature(facts), "", sentences.threshold(facts), ""]


def _limits(facts: Facts) -> list[str]:
    rows = [
        (
            plain(class_metrics.display_name),
            f"{class_metrics.n:,}",
            percent(class_metrics.recall, class_metrics.recall_ci95),
            percent(class_metrics.precision, class_metrics.precision_ci95),
        )
        for class_metrics in sentences.weakest(facts, WEAKEST)
    ]
    noun, nouns = plain(facts.noun), plain(plural(facts.noun))
    lines = ["## Limits", "", f"The {nouns} whose test photos are recognised least often:", ""]
    lines += [*_table((noun.capitalize(), "Test photos", "Recall", "Precision"), rows), ""]
    for pair in confusions(facts.test_scores)[:CONFUSED]:
        names = facts.display_names
        lines.append(
            f"- {pair.count} of {counted(pair.of, 'photo')} of {plain(names[pair.label])} taken "
            f"for {plain(names[pair.taken_for])}"
        )
    return [
        *lines,
        "",
        f"With {counted(facts.metrics[TEST].n, 'test photo')} no result is more precise than "
        "its interval, and nothing is known about photos taken in another way. If the "
        "backbone's own training had seen these photos, new ones are recognised less often.",
        "",
    ]


def _training(facts: Facts) -> list[str]:
    photos, epochs = sum(facts.counts[TRAIN]), len(facts.epochs)
    phases = ", ".join(f"{plain(key)} {seconds(phase_s)}" for key, phase_s in facts.seconds.items())
    lines = ["## Training", ""]
    lines.append(f"{counted(photos, 'photo')}, {counted(epochs, 'epoch')}; phases: {phases}.")
    if facts.licence is not None:
        backbone = plain(facts.config.get("model", {}).get("backbone", "the backbone"))
        lines += ["", f"Licence of the published weights of {backbone}: {plain(facts.licence)}."]
    lines += ["", *_table(("Key", "Value"), [(plain(k), plain(v)) for k, v in flat(facts.config)])]
    versions = [(plain(key), plain(value)) for key, value in facts.versions.items()]
    lines += ["", "## Versions", "", *_table(("Package", "Version"), versions), ""]
    if facts.forms:
        lines += ["## Export formats", ""]
        for form, measured in facts.forms.items():
            found = (agreement(key, value) for key, value in measured.items())
            text = "; ".join(f"{plain(key)} {plain(value)}" for key, value in found)
            lines.append(f"- {plain(form)}{': ' if text else ''}{text}")
        lines.append("")
    return lines


def _classes(facts: Facts) -> list[str]:
    named = ", ".join(plain(name) for name in facts.display_names[:CLASSES_NAMED])
    more = len(facts.classes) - CLASSES_NAMED
    rest = f" and {more:,} more, which are in classes.csv" if more > 0 else ""
    return [
        f"## {plain(plural(facts.noun)).capitalize()}",
        "",
        f"The model tells apart {named}{rest}.",
        "",
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table; its cells are plain already."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
