"""Which run a training resumes, and why one can't be resumed: other configuration or data."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import AUTO, leaves
from dogbreed.errors import ConfigError, TrainingError
from dogbreed.run_records.lock import RunLock, holder
from dogbreed.run_records.record import METRICS_FILE
from dogbreed.training.checkpoints import epochs_in
from dogbreed.training.data_record import RunData, differences, read_run_data
from dogbreed.training.path_check import RUN_FILE
from dogbreed.training.run_folder import (
    BEST_CHECKPOINT,
    LAST_CHECKPOINT,
    RUN_FOLDER_VARIABLE,
    RunFolder,
    log,
    new_run,
    remove_partial_files,
    resumed_folder,
)
from dogbreed.utils.documents import DocumentError, read_yaml
from dogbreed.utils.files import first_odd_file
from dogbreed.utils.printable import printable
from dogbreed.utils.progress import is_main_process

# Keys that may differ between the two commands, as none of them changes the model.
MAY_DIFFER = {
    *("resume", "data.workers", "trainer.checkpoint_minutes", "features.root"),
    *("logger", "tracking.uri", "tracking.experiment"),
    "data.links",  # where it changes the photos, data.json differs
}
# Keys that choose the photos: where these differ, so do the data.
PHOTOS_KEYS = {
    *("data.source", "data.root", "data.feature_set", "data.fraction"),
    *("data.valid_share", "data.test_share", "data.split_seed"),
    *("data.labels", "data.columns.photo", "data.columns.label", "data.columns.split"),
    "data.group",
}
MAX_CHARACTERS = 200  # of a logged value of a run, which may be another user's
MAX_REPORTED = 3  # runs that can't be resumed, and keys that differ, that are logged


@dataclass(frozen=True)
class NotResumable:
    """Why a run can't be resumed; `report`: whether `resume=auto` logs it."""

    reason: str
    report: bool = True


def open_run(config: Config, data: RunData) -> tuple[RunFolder, Path | None]:
    """The folder of this run, and the checkpoint from which it is resumed; None for a new run.

    Raises:
        ConfigError: the run named in `resume` can't be resumed.
    """
    shared = os.environ.get(RUN_FOLDER_VARIABLE)
    if shared:  # a further process of a distributed training
        checkpoint = Path(shared) / LAST_CHECKPOINT
        return RunFolder(Path(shared)), checkpoint if checkpoint.exists() else None
    root = Path(config.output_root)
    if is_main_process():
        _clean_up_killed_runs(root)
    if config.resume == AUTO:
        found = _newest(root, config, data)
        if found is not None:
            return found
    elif config.resume is not None:
        opened = _open(Path(config.resume), config, data)
        if isinstance(opened, NotResumable):
            raise ConfigError(f"resume={config.resume}: {opened.reason}.")
        return opened
    return new_run(root, config.name), None


def _newest(root: Path, config: Config, data: RunData) -> tuple[RunFolder, Path] | None:
    """The newest run that can be resumed; logs why others can't, unless they are finished."""
    reasons = []
    for path in sorted(root.glob("*-*"), reverse=True):
        if path.is_symlink() or not path.is_dir():
            continue
        opened = _open(path, config, data)
        if not isinstance(opened, NotResumable):
            return opened
        if opened.report:
            reasons.append(f"{path} isn't resumed: {opened.reason}")
    if not reasons:
        log.info("resume=auto: there is no unfinished run; starting a new one")
        return None
    log.warning("resume=auto: no unfinished run of this configuration and data; starting a new one")
    for reason in reasons[:MAX_REPORTED]:
        log.warning("  %s", reason)
    if len(reasons) > MAX_REPORTED:
        log.warning("  ... and %d older ones", len(reasons) - MAX_REPORTED)
    return None


def _open(path: Path, config: Config, data: RunData) -> tuple[RunFolder, Path] | NotResumable:
    """The run at `path`, a folder or one of its checkpoints, locked by this process."""
    folder = resumed_folder(str(path))
    named = path if folder != path else None
    try:
        values = read_yaml(folder / RUN_FILE)
    except DocumentError as error:
        return NotResumable(f"there is no run there: its {RUN_FILE} {error}", report=False)
    if (folder / METRICS_FILE).exists():
        return NotResumable("that run is finished", report=False)
    if odd := first_odd_file(folder):
        return NotResumable(
            f"{printable(str(odd))} isn't a regular file, and no run creates one: remove it"
        )
    try:
        lock = RunLock.acquire(folder) if is_main_process() else None
    except OSError as error:
        return NotResumable(f"its lock can't be acquired ({error.filename}: {error.strerror})")
    if lock is None and is_main_process():
        return NotResumable(f"that run is still running ({holder(folder)})")
    found = _difference(folder, values, config, data) or _usable_checkpoint(
        folder, named, config.resume == AUTO
    )
    if isinstance(found, NotResumable):
        if lock is not None:
            lock.release()
        return found
    if is_main_process():
        remove_partial_files(folder)
    checkpoint, epochs = found
    log.info("resuming %s after epoch %d", folder, epochs)
    return RunFolder(folder, lock), checkpoint


def _difference(
    folder: Path, values: Mapping[str, Any], config: Config, data: RunData
) -> NotResumable | None:
    """How the run's configuration or data differ from this command's; None if they don't."""
    before = leaves(values)
    # The finder suggests the same rate again, which is in the run's configuration.
    left_out = MAY_DIFFER | ({"optim.lr"} if config.lr_finder else set())
    keys = {
        name: f"{name}={printable(str(before.get(name))[:MAX_CHARACTERS])} (now {value})"
        for name, value in leaves(asdict(replace(config, resume=None))).items()
        if name not in left_out and before.get(name) != value
    }
    # The photos first: their number decides keys such as trainer.epochs=auto.
    if not PHOTOS_KEYS & keys.keys():
        of_run = read_run_data(folder)
        if of_run is None:
            return NotResumable("its record of the data (data.json) can't be read")
        if changed := differences(of_run, data):
            return NotResumable(f"its data have changed since: {'; '.join(changed)}")
    if not keys:
        return None
    named = ", ".join(list(keys.values())[:MAX_REPORTED])
    more = f" and {len(keys) - MAX_REPORTED} more" if len(keys) > MAX_REPORTED else ""
    return NotResumable(f"its configuration has {named}{more}")


def _usable_checkpoint(
    folder: Path, named: Path | None, fall_back: bool
) -> tuple[Path, int] | NotResumable:
    """A checkpoint, and the number of complete epochs in it.

    The named one, else last.ckpt; best.ckpt if that is damaged and `fall_back`.
    """
    last = named or folder / LAST_CHECKPOINT
    best = folder / BEST_CHECKPOINT
    if not last.exists() and not best.exists():
        return NotResumable("that run was stopped before its first checkpoint", report=False)
    try:
        return last, epochs_in(last)
    except TrainingError as error:
        fault = str(error)
    try:
        epochs = epochs_in(best)
    except TrainingError:
        return NotResumable(f"{fault}, and there is no other: start again with resume=null")
    if named == best:
        return NotResumable(fault)
    if not fall_back:
        return NotResumable(
            f"{fault}. resume={best} continues from the best epoch ({epochs} epochs are complete), "
            "resume=null starts again"
        )
    log.warning("warning: %s; continuing from %s (%d epochs)", fault, best, epochs)
    return best, epochs


def _clean_up_killed_runs(root: Path) -> None:
    """Remove the temporary files of killed runs: only these leave a lock file."""
    for lock_file in root.glob("*-*/.lock"):
        if lock_file.parent.is_symlink():
            continue
        lock = None
        with suppress(OSError):
            lock = RunLock.acquire(lock_file.parent)
        if lock is not None:
            remove_partial_files(lock_file.parent)
            lock.release()
