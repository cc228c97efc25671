"""launcher=local: the search on this machine, from photos to best.yaml."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import optuna
import yaml

from dogbreed.clock import Clock
from dogbreed.data.batches import StoredPhotos
from dogbreed.errors import ConfigError, SearchError
from dogbreed.files import locked, write_text
from dogbreed.machine import cores
from dogbreed.preparation import Prepared, prepare, stored_features
from dogbreed.runs import RunFolder, check_writable, config_text, folder_name, log, log_to_terminal
from dogbreed.schema import AUTO, leaves
from dogbreed.search.config import TuneConfig, training_of
from dogbreed.search.final import settings_of
from dogbreed.search.outcome import finish_search
from dogbreed.search.space import Space
from dogbreed.search.study import STUDY_FILE, Study, run_study
from dogbreed.search.table import live_table
from dogbreed.search.trials import SEARCHES
from dogbreed.search.worker import Work

# What may differ when a search is gone on with: how much of it, and how it is watched.
MAY_DIFFER = ("search.trials", "search.parallel", "wait", "attach", "dry_run")


def search_here(config: TuneConfig, space: Space) -> Path:
    """Run what is missing of a search over a checked space; returns its folder.

    Raises:
        DogbreedError: what the user can mend, in one sentence; `Stopped` after a signal.
    """
    clock = Clock()
    log_to_terminal()
    search = config.search
    root = Path(config.output_root) / SEARCHES
    check_writable(root)
    parents = [_parent(root, name) for name in search.warm_start]
    training = replace(training_of(config), lr_finder=False)
    prepared = prepare(training, clock)
    with clock.phase("features"):
        stored = stored_features(prepared)
    if stored is None:
        raise ConfigError(
            "A search here trains heads on stored features: it needs features.store=true and a "
            "frozen part (model.trainable=head or last_stage)."
        )
    folder = _open_folder(root, config, prepared.config.name)
    with locked(folder / "lock", wait=False) as alone:
        if not alone:
            raise ConfigError(
                f"{folder} is being searched by another command: wait for it, or choose another "
                "search.name."
            )
        _take_over(folder, config)
        _search(folder, config, prepared, stored, space, parents, clock)
    return folder


def _search(
    folder: Path,
    config: TuneConfig,
    prepared: Prepared,
    stored: Mapping[str, StoredPhotos],
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
            config=prepared.config,
            checked=prepared.checked,
            stored=stored,
            metric=search.objective,
            threads=max(1, cores() // parallel),
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
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in clock.as_dict().items())
    log.info("%s\nresults: %s", spent, folder)


def _parent(root: Path, name: str) -> Path:
    if not (root / name / STUDY_FILE).is_file():
        raise ConfigError(f"search.warm_start={name}: {root} has no search of that name.")
    return root / name


def _open_folder(root: Path, config: TuneConfig, photos: str) -> Path:
    """The search's folder, new or of the search of that name."""
    name = config.search.name
    folder = root / (folder_name(photos) if name == AUTO else name)
    folder.mkdir(exist_ok=name != AUTO)
    return folder


def _take_over(folder: Path, config: TuneConfig) -> None:
    """Make sure that what was begun in the folder is this search."""
    kept = folder / "config.yaml"
    if (folder / STUDY_FILE).is_file() and kept.is_file():
        _check_same(kept, config)
        log.info("going on with %s", folder)
    write_text(kept, config_text(config))


def _check_same(kept: Path, config: TuneConfig) -> None:
    try:
        before = leaves(yaml.safe_load(kept.read_text("utf-8")))
    except (yaml.YAMLError, AttributeError) as error:
        raise SearchError(f"{kept} can't be read: choose another search.name.") from error
    for name, value in leaves(yaml.safe_load(config_text(config))).items():
        if name not in MAY_DIFFER and before.get(name) != value:
            raise ConfigError(
                f"search.name={config.search.name} was searched with {name}={before.get(name)}, "
                f"now it is {value}: choose another search.name."
            )
