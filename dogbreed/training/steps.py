"""The steps of a run once its photos are checked: features, fit, evaluation, results."""

import math
from collections.abc import Mapping
from dataclasses import replace

from dogbreed.data.batches import CachedPhotos
from dogbreed.data.layouts.splits import SPLITS, TRAIN
from dogbreed.data_module import BreedDataModule
from dogbreed.evaluation.facts import Facts, Folds, RateCurve
from dogbreed.report.run.model_card import write_model_card
from dogbreed.report.run.report import write_report
from dogbreed.report.runs.index import update_index
from dogbreed.runtime.limit import photos_per_s_limit
from dogbreed.training.context import RunContext
from dogbreed.training.cross_validation import cross_validate
from dogbreed.training.features import FEATURES, cached_features
from dogbreed.training.fit import build_model, fit, score
from dogbreed.training.heads import select_head
from dogbreed.training.lr_finder import find_rate
from dogbreed.training.notes import latest_to_keep
from dogbreed.training.results import (
    Trained,
    build_facts,
    measure_run,
    write_artifact,
    write_metrics,
    write_predictions,
)
from dogbreed.training.run_folder import log
from dogbreed.training.run_loggers import RunLoggers, open_loggers
from dogbreed.training.run_record import with_results
from dogbreed.training.trial import finish_trial
from dogbreed.utils.clock import SET_UP
from dogbreed.utils.progress import is_main_process

# For fewer computed views their rate means little, and measuring the limit takes as long.
MIN_VIEWS_FOR_LIMIT = 256


def run_steps(context: RunContext, *, trial: bool = False) -> Facts | None:
    """From features to results; only the main process evaluates and writes them.

    None in further processes, and for a `trial` of a search, which writes its metrics only.
    """
    with context.clock.phase(SET_UP):
        context.write_inputs()
    cached = _compute_features(context)
    module = _data_module(context, cached)
    context, rate_curve = _choose_rate(context, module)
    if trial:
        trained = _fit(context, module, rate_curve)
        if is_main_process():
            finish_trial(context, trained, module)
        return None
    with open_loggers(context) as loggers:
        trained = _fit(context, module, rate_curve, loggers)
        if not is_main_process():
            return None
        facts = _evaluate(context, trained, module, cached)
        return _write_results(context, facts, loggers)


def _compute_features(context: RunContext) -> dict[str, CachedPhotos] | None:
    """Each split's features, and the rate that this machine could reach; None: live photos."""
    clock, session, prepared = context.clock, context.session, context.prepared
    with clock.phase(FEATURES):
        cached = cached_features(prepared, clock)
        if session is not None and clock.done.get(FEATURES, 0) >= MIN_VIEWS_FOR_LIMIT:
            with clock.phase("limit"):
                session.limit = photos_per_s_limit(prepared.backbone, prepared.choice)
    return cached


def _data_module(context: RunContext, cached: Mapping[str, CachedPhotos] | None) -> BreedDataModule:
    config = context.config
    return BreedDataModule(
        context.checked,
        batch_size=config.data.batch_size,
        preprocessing=context.prepared.backbone.preprocessing,
        views=config.eval_views,
        cached=cached,
        workers=config.data.workers,
        seed=config.seed,
        max_pixels=config.data.max_pixels,
    )


def _choose_rate(
    context: RunContext, module: BreedDataModule
) -> tuple[RunContext, RateCurve | None]:
    """Set optim.lr to what the learning-rate finder suggests, if the configuration wants that."""
    config = context.config
    if not config.lr_finder:
        return context, None
    with context.clock.phase("lr_finder"):
        model = build_model(config, context.folders, context.prepared.backbone)
        steps = _steps_per_epoch(context) * int(config.trainer.epochs)
        curve = find_rate(model, module.train_dataloader(), steps)
        log.info("auto: optim.lr=%g (lr_finder)", curve.suggestion)
        context.reset_backbone()
    context = context.with_config(replace(config, optim=replace(config.optim, lr=curve.suggestion)))
    context.write_inputs()
    return context, curve


def _fit(
    context: RunContext,
    module: BreedDataModule,
    rate_curve: RateCurve | None,
    loggers: RunLoggers | None = None,
) -> Trained:
    """Train the model; the debug session observes it, if there is one."""
    model = build_model(context.config, context.folders, context.prepared.backbone)
    session = context.session
    with context.clock.phase("fit"):
        if session is None:
            epochs = fit(context, model, module, loggers=loggers)
        else:
            photos = len(context.folders.samples[TRAIN])
            with session.fit(photos / _steps_per_epoch(context)) as profiler:
                callbacks = session.callbacks(context.run.path)
                epochs = fit(context, model, module, callbacks, profiler, loggers)
    return Trained(model=model, epochs=tuple(epochs), rate_curve=rate_curve)


def _steps_per_epoch(context: RunContext) -> int:
    return math.ceil(len(context.folders.samples[TRAIN]) / context.config.data.batch_size)


def _evaluate(
    context: RunContext,
    trained: Trained,
    module: BreedDataModule,
    cached: Mapping[str, CachedPhotos] | None,
) -> Facts:
    """Measure the trained model; write predictions.csv and model/."""
    with context.clock.phase("test"):
        scores = {
            split: score(trained.model, module.eval_dataloader(split), f"evaluating {split}")
            for split in SPLITS
        }
        selected = select_head(context, trained.model, scores, cached)
        measured = measure_run(context, selected, cached)
        write_predictions(context.run, context.folders, measured.scores)
    with context.clock.phase("artifact"):
        description = write_artifact(context, trained.model, measured)
    # After the artifact: cross-validation trains the model's backbone again.
    folds = _cross_validate(context, cached)
    return build_facts(context, trained, measured, description, folds)


def _cross_validate(context: RunContext, cached: Mapping[str, CachedPhotos] | None) -> Folds | None:
    if not context.config.evaluate.folds or cached is None:
        return None
    with context.clock.phase("folds"):
        return cross_validate(
            context.config,
            context.folders,
            context.prepared.backbone,
            context.initial_state,
            cached,
        )


def _write_results(context: RunContext, facts: Facts, loggers: RunLoggers) -> Facts:
    """Write the report, the model card and metrics.json; the facts with the seconds of all that.

    The loggers get them before metrics.json marks the run as finished: a run that is interrupted
    until then is resumed, and logs them.
    """
    folder = context.run.path
    with context.clock.phase("report"):
        write_report(folder / "report.html", facts)
        write_model_card(folder / "MODEL_CARD.md", facts)
    loggers.log_results(facts, folder / "report.html")
    seconds = context.clock.as_dict()  # with those of the report
    context.write_profile()
    with_results(context.record, facts, context.checked, seconds).write(folder)
    moves = latest_to_keep(context.config, folder) is None
    write_metrics(context.run, facts, seconds, latest=moves)
    update_index(folder.parent)
    return replace(facts, seconds=seconds)
