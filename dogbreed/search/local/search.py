"""launcher=local: the search on this machine, from photos to best.yaml."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna

from dogbreed.configuration.schema import AUTO, leaves
from dogbreed.configuration.search import SearchConfig, TuneConfig, training_of
from dogbreed.data.batches import CachedPhotos
from dogbreed.errors import ConfigError, SearchError
from dogbreed.evaluation.metrics.registry import metrics
from dogbreed.search.best import SEARCHES
from dogbreed.search.final import settings_of
from dogbreed.search.local.processes import run_study
from dogbreed.search.local.study import STUDY_FILE, Study
from dogbreed.search.local.worker import Work
from dogbreed.search.report.outcome import finish_search
from dogbreed.search.space import Space
from dogbreed.search.table import live_table
from dogbreed.search.user_settings import remember
from dogbreed.training.features import cached_features
from dogbreed.training.path_check import check_paths
from dogbreed.training.preparation import Prepared, prepare
from dogbreed.training.results import data_fingerprint
from dogbreed.training.run_folder import (
    RunFolder,
    check_writable,
    config_text,
    folder_name,
    log,
    log_to_terminal,
)
from dogbreed.utils.clock import Clock, as_text
from dogbreed.utils.documents import DocumentError, read_bytes, read_yaml, yaml_mapping
from dogbreed.utils.files import first_odd_file, locked, write_text
from dogbreed.utils.machine import cores
from dogbreed.utils.printable import printable

CONFIG_FILE = "config.yaml"
# What may differ when a search is gone on with: how much of it, and how it is watched.
MAX_FINGERPRINT_BYTES = 1024
MAX_SHOWN = 100  # characters of a key, and of a value
MAY_DIFFER = ("search.trials", "search.parallel", "wait", "attach", "dry_run")


def run_local_search(config: TuneConfig, space: Space) -> Path:
    """Run what is missing of a search over a checked space; returns its folder.

    Raises:
        DogbreedError: what the user can mend, in one sentence; `Stopped` after a signal.
    """
    clock = Clock()
    log_to_terminal()
    search = config.search
    root = Path(config.output_root) / SEARCHES
    check_paths(training_of(config))
    check_writable(root)
    parents = [_parent(root, name, search) for name in search.warm_start]
    prepared = prepare(training_of(config), clock)
    with clock.phase("features"):
        stored = cached_features(prepared, clock)
    assert stored is not None  # check_local_search has refused everything else
    folder = _open_folder(root, config, prepared.config.name)
    with locked(folder / "lock", wait=False) as alone:
        if not alone:
            raise ConfigError(
                f"{folder} is being searched by another command: wait for it, or choose another "
                "search.name."
            )
        _take_over(folder, config, data_fingerprint(prepared.checked))
        remember(folder, settings_of(config))
        _search(folder, config, prepared, stored, space, parents, clock)
    return folder


def _search(
    folder: Path,
    config: TuneConfig,
    prepared: Prepared,
    stored: Mapping[str, CachedPhotos],
    space: Space,
    parents: Sequence[Path],
    clock: Clock,
) -> None:
    """Run the trials, and write what came of them whatever ends them."""
    search = config.search
    run = RunFolder(folder)
    try:
        study = Study(folder, search, space, int(prepared.config.trainer.epochs))
        for parent in parents:
            log.info("%d trials of %s are known beforehand", study.learn_from(parent), parent.name)
        parallel = cores() if search.parallel == AUTO else int(search.parallel)
        work = Work(
            config=replace(prepared.config, trainer=config.trainer),
            checked=prepared.checked,
            stored=stored,
            metric=search.objective,
            threads=max(1, cores() // parallel),
            metrics=metrics(),
        )
        log.info(
            "search %s: %d of %d trials to run, %d at a time, %s of %s",
            *(folder.name, study.missing(), study.wanted, parallel),
            *(search.direction, search.objective),
        )
        with (
            clock.phase("trials"),
            live_table(list(space), search.objective, search.direction, study.wanted) as show,
        ):
            try:
                run_study(study, work, parallel, show)
            finally:
                finish_search(folder, study.trials(), search, space, settings_of(config))
        run.finish()
    except optuna.exceptions.StorageInternalError as error:
        raise SearchError(
            f"{folder / STUDY_FILE} can't be written; is the disk full? What ended before is kept."
        ) from error
    finally:
        run.close()
    log.info("%s\nresults: %s", as_text(clock.as_dict()), folder)


def _parent(root: Path, name: str, search: SearchConfig) -> Path:
    """The folder of an earlier search for the same objective."""
    folder = root / name
    if not (folder / STUDY_FILE).is_file():
        raise ConfigError(f"search.warm_start={name}: {root} has no search of that name.")
    objective = _kept(folder).get("search.objective")
    if objective != search.objective:
        raise ConfigError(
            f"search.warm_start={name}: its objective was {printable(str(objective)[:MAX_SHOWN])}, "
            f"this search's is {search.objective}: their trials can't be compared."
        )
    return folder


def _open_folder(root: Path, config: TuneConfig, photos: str) -> Path:
    """The search's folder, new or of the search of that name."""
    name = config.search.name
    folder = root / (folder_name(photos) if name == AUTO else name)
    folder.mkdir(exist_ok=name != AUTO)
    if odd := first_odd_file(folder):
        raise SearchError(
            f"{printable(str(odd))} is no regular file, and no search makes such: remove it, or "
            "choose another search.name."
        )
    return folder


def _take_over(folder: Path, config: TuneConfig, photos: str) -> None:
    """Make sure that what was begun in the folder is this search over these photos."""
    fingerprint = folder / "photos.sha256"
    if (folder / STUDY_FILE).is_file() and (folder / CONFIG_FILE).is_file():
        _check_same(folder, config)
        if fingerprint.is_file() and _read_fingerprint(fingerprint) != photos:
            raise ConfigError(
                f"search.name={config.search.name} was searched with other photos: choose another "
                "search.name."
            )
        log.info("going on with %s", folder)
    write_text(folder / CONFIG_FILE, config_text(config))
    write_text(fingerprint, f"{photos}\n")


def _read_fingerprint(path: Path) -> str:
    try:
        return read_bytes(path, MAX_FINGERPRINT_BYTES).decode("ascii", "replace").strip()
    except DocumentError as error:
        raise SearchError(f"{path} {error}: choose another search.name.") from error


def _kept(folder: Path) -> dict[str, Any]:
    """The configuration under which a search was begun, by dotted key."""
    try:
        return leaves(read_yaml(folder / CONFIG_FILE))
    except DocumentError as error:
        raise SearchError(f"{folder / CONFIG_FILE} {error}: choose another search.") from error


def _check_same(folder: Path, config: TuneConfig) -> None:
    before, now = _kept(folder), leaves(yaml_mapping(config_text(config)))
    for name in sorted(before.keys() | now.keys()):
        if name not in MAY_DIFFER and before.get(name) != now.get(name):
            shown = printable(f"{name[:MAX_SHOWN]}={str(before.get(name))[:MAX_SHOWN]}")
            raise ConfigError(
                f"search.name={config.search.name} was searched with {shown}, now it is "
                f"{now.get(name)}: choose another search.name."
            )
