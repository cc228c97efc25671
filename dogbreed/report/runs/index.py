"""outputs/index.html: a list of the runs, two of which the page compares, in one file."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from dogbreed.configuration.changes import default_values
from dogbreed.evaluation.metrics.registry import metrics
from dogbreed.report.formatting import setting
from dogbreed.report.frame import Section, json_of, page
from dogbreed.report.run_table import MAX_VALUE_CHARACTERS, changes_text, seconds_text, state_text
from dogbreed.report.runs.tested_photos import tested_photos
from dogbreed.run_records.best import best_run
from dogbreed.run_records.listing import (
    FINISHED,
    INDEX_FILE,
    ListedRun,
    latest_name,
    list_runs,
)
from dogbreed.utils.files import write_text

TEMPLATE = Path(__file__).with_name("index.html.j2")
SECTIONS = Path(__file__).with_name("sections.html.j2")
SCRIPT = Path(__file__).with_name("comparison.js")
MAX_RUNS = 1000
MAX_CHANGES_CHARACTERS = 300
_MAX_WRITES = 3

log = logging.getLogger("dogbreed")


@dataclass(frozen=True)
class Row:
    """A run as the list has it."""

    run: ListedRun
    mark: str
    changes: str
    seconds: str
    state: str
    report: str | None


def update_index(root: Path) -> None:
    """Write the page of the runs in `root`; where it can't be written, log why.

    A run that finishes at the same time may write an older list over this one: whoever sees
    another list after writing than before writes again.
    """
    try:
        for _ in range(_MAX_WRITES):
            runs = list_runs(root)
            write_index(root, runs)
            if _states(list_runs(root)) == _states(runs):
                return
    except Exception as error:  # whatever it is: the results are complete without the page
        log.warning("warning: %s isn't updated: %s", root / INDEX_FILE, error)


def write_index(root: Path, runs: Sequence[ListedRun]) -> None:
    """Write the page of the newest MAX_RUNS of these runs."""
    newest = list(runs)[: -MAX_RUNS - 1 : -1]
    latest = latest_name(root)
    best, _ = best_run(runs, latest)
    rows = [_row(run, latest, best) for run in newest]
    sections = [
        Section(
            key="runs",
            title="Runs",
            template=SECTIONS,
            values={"rows": rows, "left_out": len(runs) - len(rows)},
        ),
        Section(key="comparison", title="Two runs side by side", template=SECTIONS),
    ]
    html = page(
        TEMPLATE,
        title="Runs",
        sections=sections,
        script=SCRIPT,
        finished=sum(run.state == FINISHED for run in runs),
        others=sum(run.state != FINISHED for run in runs),
        data=Markup(json_of(_data(root, newest))),
    )
    write_text(root / INDEX_FILE, html)


def _states(runs: Sequence[ListedRun]) -> list[tuple[str, str]]:
    return [(run.name, run.state) for run in runs if run.state == FINISHED]


def _row(run: ListedRun, latest: str | None, best: ListedRun | None) -> Row:
    marks = [
        *(["latest"] if run.name == latest else []),
        *(["best"] if best is not None and run.name == best.name else []),
    ]
    changes = changes_text(run.record.changes) if run.record is not None else ""
    cut = len(changes) > MAX_CHANGES_CHARACTERS
    report = run.folder / "report.html"
    return Row(
        run=run,
        mark=", ".join(marks),
        changes=f"{changes[:MAX_CHANGES_CHARACTERS]}…" if cut else changes,
        seconds=seconds_text(run.record.seconds if run.record is not None else None),
        state=state_text(run),
        report=f"{quote(os.fsencode(run.name))}/report.html" if report.is_file() else None,
    )


def _data(root: Path, runs: Sequence[ListedRun]) -> dict[str, Any]:
    """What the script of the page reads: the runs in the order of the rows, and their photos."""
    photos = tested_photos(root, runs)
    return {
        "metrics": [
            {"name": each.name, "title": each.title, "unit": each.unit} for each in metrics()
        ],
        "defaults": {name: _value(value) for name, value in default_values().items()},
        "sets": photos.sets,
        "classes": photos.classes,
        "runs": [
            {
                **_values(run),
                "photos": photos.by_run.get(run.name),
            }
            for run in runs
        ],
    }


def _values(run: ListedRun) -> dict[str, Any]:
    """A run's values for the comparison; numbers are rounded to what is shown of them."""
    record = run.record
    if record is None:
        return {"name": run.name, "state": state_text(run)}
    return {
        "name": run.name,
        "state": state_text(run),
        "data": record.data,
        "version": record.version,
        "classes": record.classes,
        "classes_sha256": record.classes_sha256[:16],
        "fingerprint": (record.data_fingerprint or "")[:16] or None,
        "seconds": record.seconds,
        "changes": None
        if record.changes is None
        else {name: _value(value) for name, value in record.changes.items()},
        "splits": {
            split: {
                "n": values.get("n"),
                **{
                    name: [_rounded(values[name]), *map(_rounded, values["ci95"].get(name, ()))]
                    for name in (each.name for each in metrics())
                    if name in values
                },
            }
            for split, values in (record.splits or {}).items()
        },
    }


def _value(value: Any) -> str:
    text = setting(value)
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"


def _rounded(value: float) -> float:
    return round(value, 5)
