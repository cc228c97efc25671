"""The runs in the folder of all runs: their records, and whether they are finished."""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dogbreed.run_records.lock import is_locked
from dogbreed.run_records.record import (
    METRICS_FILE,
    RECORD_FILE,
    RunRecord,
    read_metrics,
    read_record,
)
from dogbreed.utils.documents import DocumentError

DATA_FILE = "data.json"  # only trainings write it: no evaluation, comparison or search
INDEX_FILE = "index.html"  # the page of all runs
LATEST = "latest"  # a link to the newest finished run
FINISHED, RUNNING, FAILED, UNFINISHED = "finished", "running", "failed", "unfinished"
_TIME = re.compile(r"\d{8}-\d{6}(?=-)")  # at the start of a folder's name


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """A run in the folder of all runs.

    Attributes:
        time: when it started, in local time.
        state: FINISHED, RUNNING, FAILED, or UNFINISHED: it was stopped, and can be resumed.
        record: None where neither run.json nor metrics.json can be read.
        damage: which file can't be read and why; empty if none had to be.
    """

    folder: Path
    time: datetime
    state: str
    record: RunRecord | None
    damage: str = ""

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name


def list_runs(root: Path) -> list[ListedRun]:
    """The trainings among the folders in `root`, the oldest first; none if there is no `root`.

    Raises:
        OSError: the folder can't be read.
    """
    try:
        with os.scandir(root) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    folders = [root / name for name in names]
    runs = [_listed(folder) for folder in folders if os.path.isfile(folder / DATA_FILE)]  # noqa: PTH113
    return sorted(runs, key=lambda run: (run.time, run.name))


def latest_name(root: Path) -> str | None:
    """The name of the run that `root`/latest links to; None if there is no such link."""
    try:
        return os.path.basename(os.readlink(root / LATEST))  # noqa: PTH115, PTH119
    except OSError:
        return None


def _listed(folder: Path) -> ListedRun:
    finished = os.path.isfile(folder / METRICS_FILE)  # noqa: PTH113
    record, damage = _record(folder, finished=finished)
    if finished:
        state = FINISHED
    elif is_locked(folder):
        state = RUNNING
    else:
        state = FAILED if record is not None and record.failure is not None else UNFINISHED
    return ListedRun(
        folder=folder, time=_time_of(folder), state=state, record=record, damage=damage
    )


def _record(folder: Path, *, finished: bool) -> tuple[RunRecord | None, str]:
    """The record, if it can be read; else what metrics.json holds of it."""
    damage = ""
    if os.path.lexists(folder / RECORD_FILE):
        try:
            record = read_record(folder)
        except DocumentError as error:
            damage = f"{RECORD_FILE} {error}"
        else:
            if record.splits is not None or not finished:
                return record, ""
    if not finished:
        return None, damage
    try:
        return read_metrics(folder), damage
    except DocumentError as error:
        return None, damage or f"{METRICS_FILE} {error}"


def _time_of(folder: Path) -> datetime:
    """From the folder's name; else that of its oldest file."""
    found = _TIME.match(folder.name)
    if found is not None:
        with suppress(ValueError):
            return datetime.strptime(found[0], "%Y%m%d-%H%M%S")
    return datetime.fromtimestamp((folder / DATA_FILE).stat().st_mtime)
