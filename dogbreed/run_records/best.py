"""The names `latest` and `best` of a model: which run's folder each stands for."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dogbreed.errors import ArtifactError
from dogbreed.run_records.listing import FINISHED, LATEST, ListedRun, latest_name, list_runs
from dogbreed.utils.nouns import counted
from dogbreed.utils.printable import printable

BEST = "best"
OUTPUT_ROOT = Path("outputs")  # of runs, as in conf/
MODEL_FILE = Path("model", "model.json")
MAX_NAMED = 3  # damaged runs that are named; the others are counted

log = logging.getLogger("dogbreed")


@dataclass(frozen=True)
class ChosenRun:
    """The folder that a model's name stands for, and how it was chosen; empty for a path."""

    folder: Path
    reason: str = ""


def choose_run(model: Path, output_root: Path = OUTPUT_ROOT) -> ChosenRun:
    """What `model` stands for: `latest` and `best` are runs below `output_root`.

    `FOLDER/best` is the best of another folder of runs, as `FOLDER/latest` is its latest. A file or
    a folder of such a name has precedence.

    Raises:
        ArtifactError: there is no such run.
    """
    if model.name not in (LATEST, BEST):
        return ChosenRun(model)
    named_alone = len(model.parts) == 1 and not os.path.lexists(model)
    place = output_root / model if named_alone else model
    if place.is_symlink():
        return ChosenRun(place.parent / place.readlink(), model.name)
    if place.exists():
        return ChosenRun(place)
    if model.name == BEST:
        return _best_of(place.parent)
    raise _no_runs(place.parent)


def best_run(runs: Sequence[ListedRun], latest: str | None) -> tuple[ListedRun | None, int]:
    """The best finished run of the latest one's classes, and how many there are to choose from.

    By top-1 on the validation photos, of equal ones by their loss, then the newer. The test photos
    choose nothing, so that the best one's test top-1 isn't the best of many. Without a latest run
    the newest finished one decides on the classes.
    """
    usable = [run for run in runs if _is_usable(run)]
    if not usable:
        return None, 0
    deciding = next((run for run in usable if run.name == latest), usable[-1])
    rivals = [run for run in usable if _classes(run) == _classes(deciding)]
    return max(rivals, key=_quality), len(rivals)


def _best_of(root: Path) -> ChosenRun:
    runs = list_runs(root)
    _warn_of_damage(runs)
    best, count = best_run(runs, latest_name(root))
    if best is None:
        raise _no_runs(root)
    others = sum(_is_usable(run) for run in runs) - count
    left_out = f"; {others:,} with others left out" if others else ""
    return ChosenRun(
        best.folder, f"best by validation of {counted(count, 'run')} with these classes{left_out}"
    )


def _is_usable(run: ListedRun) -> bool:
    return (
        run.state == FINISHED
        and run.record is not None
        and run.record.metric("valid", "top1") is not None
        and (run.folder / MODEL_FILE).is_file()
    )


def _classes(run: ListedRun) -> str | None:
    return run.record.classes_sha256 if run.record is not None else None


def _quality(run: ListedRun) -> tuple[float, float, str]:
    assert run.record is not None
    top1, loss = (run.record.metric("valid", name) for name in ("top1", "loss"))
    return top1 or 0.0, -(loss if loss is not None else float("inf")), run.name


def _warn_of_damage(runs: Sequence[ListedRun]) -> None:
    damaged = [run for run in runs if run.state == FINISHED and run.record is None]
    for run in damaged[:MAX_NAMED]:
        log.warning("warning: %s is skipped: its %s", run.folder, run.damage)
    if len(damaged) > MAX_NAMED:
        log.warning("warning: and %d more runs are skipped", len(damaged) - MAX_NAMED)


def _no_runs(root: Path) -> ArtifactError:
    return ArtifactError(
        f"There is no finished run in {printable(root)} yet: train a model (dogbreed train "
        "data.root=PHOTOS), or give the folder of one."
    )
