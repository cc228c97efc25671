"""launcher=local: run a hyperparameter search on this machine and write its results."""

from collections.abc import Mapping
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
from dogbreed.search.user_settings import save_settings
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
MAX_FINGERPRINT_BYTES = 1024
MAX_SHOWN = 100  # characters of a key, and of a value
# Keys that may differ when a search is resumed.
MAY_DIFFER = (
    *("search.trials", "search.parallel", "wait", "attach", "dry_run"),
    *("logger", "tracking.uri", "tracking.experiment"),  # trials log nothing
)


def run_local_search(config: TuneConfig, space: Space) -> Path:
    """Run the remaining trials of a search over a checked space; return its folder.

    Raises:
        DogbreedError: one sentence with the reason and the remedy; `Stopped` after a signal.
    """
    clock = Clock()
    log_to_terminal()
    search = config.search
    root = Path(config.output_root) / SEARCHES
    check_paths(training_of(config))
    check_writable(root)
    for name in search.warm_start:
        _check_parent(root, name, search)
    if search.name != AUTO:
        _check_same(root / search.name, config)
    prepared = prepare(training_of(config), clock)
    folder = _open_folder(root, config, prepared.config.name)
    with locked(folder / "lock", wait=False) as alone:
        if not alone:
            raise ConfigError(
                f"another command runs the search in {folder}: wait for it, or choose another "
                "search.name."
            )
        _prepare_folder(folder, config, data_fingerprint(prepared.checked))
        save_settings(folder, settings_of(config))
        _search(folder, config, prepared, space, clock)
    return folder


def _search(
    folder: Path, config: TuneConfig, prepared: Prepared, space: Space, clock: Clock
) -> None:
    """Open the study, compute the features, run the trials.

    What is wrong with the study is known before the features, which take longest, are computed.
    """
    search = config.search
    run = RunFolder(folder)
    try:
        study = Study(folder, search, space, int(prepared.config.trainer.epochs))
        for name in search.warm_start:
            log.info("%d trials of %s are reused", study.add_trials_of(folder.parent / name), name)
        with clock.phase("features"):
            cached = cached_features(prepared, clock)
        assert cached is not None  # check_local_search requires cached features
        _run_trials(folder, config, prepared, cached, study, clock)
        run.finish()
    except optuna.exceptions.StorageInternalError as error:
        raise SearchError(
            f"{folder / STUDY_FILE} can't be written; is the disk full? Ended trials are saved."
        ) from error
    finally:
        run.close()
    log.info("%s\nresults: %s", as_text(clock.as_dict()), folder)


def _run_trials(
    folder: Path,
    config: TuneConfig,
    prepared: Prepared,
    cached: Mapping[str, CachedPhotos],
    study: Study,
    clock: Clock,
) -> None:
    """Run the trials, and write the results even if an error or a signal ends them."""
    search, space = config.search, study.space
    parallel = cores() if search.parallel == AUTO else int(search.parallel)
    work = Work(
        config=replace(prepared.config, trainer=config.trainer),
        checked=prepared.checked,
        cached=cached,
        metric=search.objective,
        threads=max(1, cores() // parallel),
        metrics=metrics(),
    )
    log.info(
        "search %s: %d of %d trials to run, %d at a time, %s of %s",
        *(folder.name, study.remaining(), study.total, parallel),
        *(search.direction, search.objective),
    )
    with (
        clock.phase("trials"),
        live_table(list(space), search.objective, search.direction, study.total) as show,
    ):
        try:
            run_study(study, work, parallel, show)
        finally:
            finish_search(folder, study.trials(), search, space, settings_of(config))


def _check_parent(root: Path, name: str, search: SearchConfig) -> None:
    """Raise a ConfigError if there is no earlier search `name` for the same objective."""
    folder = root / name
    if not (folder / STUDY_FILE).is_file():
        raise ConfigError(f"search.warm_start={name}: {root} has no search of that name.")
    objective = _saved_config(folder).get("search.objective")
    if objective != search.objective:
        raise ConfigError(
            f"search.warm_start={name}: its objective was {printable(str(objective)[:MAX_SHOWN])}, "
            f"this search's is {search.objective}: their trials can't be compared."
        )


def _open_folder(root: Path, config: TuneConfig, photos: str) -> Path:
    """The search's folder, new or existing."""
    name = config.search.name
    folder = root / (folder_name(photos) if name == AUTO else name)
    folder.mkdir(exist_ok=name != AUTO)
    if odd := first_odd_file(folder):
        raise SearchError(
            f"{printable(str(odd))} is no regular file, so no search wrote it: remove it, or "
            "choose another search.name."
        )
    return folder


def _prepare_folder(folder: Path, config: TuneConfig, photos: str) -> None:
    """Check that a search in the folder has this configuration and these photos; save both."""
    _check_same(folder, config)  # again: another command may have made it since
    fingerprint = folder / "photos.sha256"
    if (folder / STUDY_FILE).is_file() and (folder / CONFIG_FILE).is_file():
        if fingerprint.is_file() and _read_fingerprint(fingerprint) != photos:
            raise ConfigError(
                f"search.name={config.search.name} exists with other photos: choose another "
                "search.name."
            )
        log.info("resuming %s", folder)
    write_text(folder / CONFIG_FILE, config_text(config))
    write_text(fingerprint, f"{photos}\n")


def _read_fingerprint(path: Path) -> str:
    try:
        return read_bytes(path, MAX_FINGERPRINT_BYTES).decode("ascii", "replace").strip()
    except DocumentError as error:
        raise SearchError(f"{path} {error}: choose another search.name.") from error


def _saved_config(folder: Path) -> dict[str, Any]:
    """The configuration of an existing search, by dotted key."""
    try:
        return leaves(read_yaml(folder / CONFIG_FILE))
    except DocumentError as error:
        raise SearchError(f"{folder / CONFIG_FILE} {error}: choose another search.") from error


def _check_same(folder: Path, config: TuneConfig) -> None:
    """Raise a ConfigError if the folder has a search of another configuration."""
    if not ((folder / STUDY_FILE).is_file() and (folder / CONFIG_FILE).is_file()):
        return
    before, now = _saved_config(folder), leaves(yaml_mapping(config_text(config)))
    for name in sorted(before.keys() | now.keys()):
        if name not in MAY_DIFFER and before.get(name) != now.get(name):
            shown = printable(f"{name[:MAX_SHOWN]}={str(before.get(name))[:MAX_SHOWN]}")
            raise ConfigError(
                f"search.name={config.search.name} exists with {shown}, now it is "
                f"{now.get(name)}: choose another search.name."
            )
