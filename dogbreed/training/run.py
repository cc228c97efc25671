"""The main job in its order: photos, check, features, fit, evaluation, results."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from dogbreed.backbone.architecture import Backbone
from dogbreed.configuration.run import Config
from dogbreed.data.batches import CachedPhotos
from dogbreed.data.check import Checked, as_lines
from dogbreed.data.layouts.splits import SPLITS, TRAIN, VALID
from dogbreed.data.module import BreedDataModule
from dogbreed.debug.session import DebugSession
from dogbreed.evaluation.facts import RateCurve, Watched
from dogbreed.model import BreedClassifier
from dogbreed.report.run.model_card import write_model_card
from dogbreed.report.run.report import write_report
from dogbreed.runtime.limit import photos_per_s_limit
from dogbreed.training.cross_validation import cross_validate
from dogbreed.training.data_record import describe_data
from dogbreed.training.features import FEATURES, cached_features
from dogbreed.training.fit import build_model, fit, score
from dogbreed.training.lr_finder import find_rate
from dogbreed.training.path_check import check_paths
from dogbreed.training.preparation import prepare, preprocessing_of
from dogbreed.training.results import (
    gather_facts,
    tell,
    write_artifact,
    write_metrics,
    write_predictions,
)
from dogbreed.training.resume import open_run
from dogbreed.training.run_folder import RunFolder, log, log_to_terminal
from dogbreed.utils.clock import SET_UP, Clock, as_text
from dogbreed.utils.progress import is_main_process

# Views of photos: of fewer the rate says nothing, and the machine's takes as long to measure.
WORTH_A_LIMIT = 256


def train(config: Config, clock: Clock | None = None) -> Path:
    """Run the whole job; returns the run's folder.

    `clock` is one that runs already, so that what came before counts as set-up.

    Raises:
        DogbreedError: what the user can mend, in one sentence; `Stopped` after a signal.
    """
    clock = clock or Clock()
    log_to_terminal()
    if not config.debug.enabled:
        return _train(config, clock, None)
    with DebugSession(config.debug, clock) as session:
        return _train(config, clock, session)


def _train(config: Config, clock: Clock, session: DebugSession | None) -> Path:
    with clock.phase(SET_UP):
        check_paths(config)
    prepared = prepare(config, clock)
    config, backbone, checked = prepared.config, prepared.backbone, prepared.checked
    with clock.phase(SET_UP):
        untrained = {name: tensor.clone() for name, tensor in backbone.tail.state_dict().items()}
        data = describe_data(checked, backbone.digest())
        run, checkpoint = open_run(config, data)
    try:
        with clock.phase(SET_UP):
            _write_inputs(run, config, checked)
            if is_main_process():
                data.write(run.path)
        with clock.phase(FEATURES):
            stored = cached_features(prepared, clock)
            if session is not None and clock.done.get(FEATURES, 0) >= WORTH_A_LIMIT:
                with clock.phase("limit"):
                    session.limit = photos_per_s_limit(
                        backbone, config.data.size_px, prepared.choice
                    )
        module = _data_module(config, checked, stored)
        rate_curve = None
        if config.lr_finder:
            with clock.phase("lr_finder"):
                rate_curve, config = _find_rate(config, checked, backbone, module)
                backbone.tail.load_state_dict(untrained)
            _write_inputs(run, config, checked)
        model = build_model(config, checked.folders, backbone)
        with clock.phase("fit"):
            history = _fit(model, module, config, run, checkpoint, session)
        if is_main_process():
            _evaluate(
                *(run, config, checked, model, module, stored, untrained),
                *(history, rate_curve, session, clock),
            )
    except BaseException:
        if session is not None:
            with suppress(OSError):  # on a full disk the error that came first is told
                session.write_profile(run.path)
        raise
    finally:
        run.close()
    return run.path


def _fit(
    model: BreedClassifier,
    module: BreedDataModule,
    config: Config,
    run: RunFolder,
    checkpoint: Path | None,
    session: DebugSession | None,
) -> list[dict[str, float]]:
    """The training, watched if it is to be."""
    if session is None:
        return fit(model, module, config, run, checkpoint)
    photos = len(module.checked.folders.samples[TRAIN])
    with session.fit(photos / math.ceil(photos / config.data.batch_size)) as profiler:
        callbacks = session.callbacks(run.path)
        return fit(model, module, config, run, checkpoint, callbacks, profiler)


def _evaluate(
    run: RunFolder,
    config: Config,
    checked: Checked,
    model: BreedClassifier,
    module: BreedDataModule,
    stored: Mapping[str, CachedPhotos] | None,
    untrained: Mapping[str, Tensor],
    history: list[dict[str, float]],
    rate_curve: RateCurve | None,
    session: DebugSession | None,
    clock: Clock,
) -> None:
    """Measure the trained model and write all that is known of it."""
    folders = checked.folders
    with clock.phase("test"):
        scores = {
            split: score(model, module.eval_dataloader(split), f"evaluating {split}")
            for split in SPLITS
        }
        facts = gather_facts(config, checked, scores, history, stored, rate_curve)
        calibrated = {split: scores[split].calibrated(facts.temperature) for split in SPLITS}
        write_predictions(run, checked, calibrated)
    with clock.phase("artifact"):
        written = write_artifact(run, config, checked, model, facts, calibrated[VALID])
        facts = replace(facts, forms=written.forms)
    if config.evaluate.folds and stored is not None:
        with clock.phase("folds"):  # after the artifact: they train the model's own backbone anew
            folds = cross_validate(config, folders, model.backbone, untrained, stored)
            facts = replace(facts, folds=folds)
    facts = replace(facts, seconds=clock.as_dict())
    if session is not None:
        watched = Watched(recording=session.recording(run.path), verdicts=session.verdicts())
        facts = replace(facts, watched=watched, profile=session.profile())
    with clock.phase("report"):
        write_report(run.path / "report.html", facts)
        write_model_card(run.path / "MODEL_CARD.md", facts)
    facts = replace(facts, seconds=clock.as_dict())
    if session is not None:
        session.write_profile(run.path)
    write_metrics(run, facts)
    tell(facts)
    log.info("\n%s\nresults: %s", as_text(facts.seconds), run.path)


def _find_rate(
    config: Config, checked: Checked, backbone: Backbone, module: BreedDataModule
) -> tuple[RateCurve, Config]:
    """The finder's curve, and the configuration with the rate that it suggests."""
    steps = math.ceil(len(checked.folders.samples[TRAIN]) / config.data.batch_size)
    model = build_model(config, checked.folders, backbone)
    curve = find_rate(model, module.train_dataloader(), steps * int(config.trainer.epochs))
    log.info("auto: optim.lr=%g (lr_finder)", curve.suggestion)
    return curve, replace(config, optim=replace(config.optim, lr=curve.suggestion))


def _data_module(
    config: Config, checked: Checked, stored: Mapping[str, CachedPhotos] | None
) -> BreedDataModule:
    return BreedDataModule(
        checked,
        batch_size=config.data.batch_size,
        preprocessing=preprocessing_of(config),
        views=config.features.views if config.features.average else 1,
        stored=stored,
        workers=int(config.data.workers),
        seed=config.seed,
        max_pixels=config.data.max_pixels,
    )


def _write_inputs(run: RunFolder, config: Config, checked: Checked) -> None:
    """What the run starts from: configuration, splits, findings."""
    if not is_main_process():
        return
    run.write_config(config)
    folders = checked.folders
    rows = [(s.split, folders.classes[s.label], s.path) for s in folders.all_samples()]
    run.write_table("splits.csv", [("split", "class", "path"), *rows])
    run.write_lines("findings.txt", as_lines(checked.findings))
