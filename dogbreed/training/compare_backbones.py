"""The comparison of backbones: photos, check, features and a linear probe of each."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dogbreed.backbone.architecture import HEAD, Backbone
from dogbreed.configuration.commands import typed
from dogbreed.configuration.composing import override_name
from dogbreed.configuration.run import CompareConfig
from dogbreed.data.check import Checked, as_lines
from dogbreed.data.layouts.splits import SPLITS, TEST, TRAIN, VALID
from dogbreed.errors import ConfigError, DogbreedError, EngineError, StoreError, WeightsError
from dogbreed.evaluation.backbones import (
    Comparison,
    FailedBackbone,
    FeaturePass,
    MeasuredBackbone,
    best_first,
)
from dogbreed.evaluation.linear_probe import SHRINKAGES, fit_probe
from dogbreed.training.backbone_results import log_comparison, write_comparison
from dogbreed.training.candidates import KEY, Candidate, find_candidates
from dogbreed.training.features import FEATURES, cached_features
from dogbreed.training.preparation import Prepared, check_photos, find_photos, resolve
from dogbreed.training.results import data_fingerprint, versions
from dogbreed.training.run_folder import log, log_to_terminal, new_run
from dogbreed.utils.clock import SET_UP, Clock, as_text
from dogbreed.utils.machine import cores

# What one backbone can fail by; all others would fail by anything else.
_OWN_ERRORS = (ConfigError, WeightsError, EngineError, StoreError)
# The parts of the feature pass whose time is that of photos: not converting the network.
_PASS = ("wait", "compute", "write")


def compare_backbones(config: CompareConfig, arguments: Sequence[str]) -> Path:
    """Measure each backbone on the photos; returns the folder of the results.

    `arguments` are what was typed: the training of the best one is given the same. A backbone that
    fails is named with the reason, and the others are measured.

    Raises:
        DogbreedError: what the user can mend, in one sentence; that of the first backbone if none
            can be measured.
    """
    log_to_terminal()
    clock = Clock()
    with clock.phase(SET_UP):
        candidates = find_candidates(config.backbones)
    with clock.phase("check"):
        root, named = find_photos(config)
        checked = check_photos(root, config)
    config = replace(config, name=named.name, backbones=tuple(each.entry for each in candidates))
    run = new_run(Path(config.output_root), f"{config.name}-backbones")
    try:
        run.write_lines("findings.txt", as_lines(checked.findings))
        comparison = _measure_all(config, candidates, checked, clock)
        command = _training_command(arguments, comparison.measured[0])
        write_comparison(run, config, comparison, _described(checked, command, clock))
        log_comparison(comparison, command)
        log.info("\n%s\nresults: %s", as_text(clock.as_dict()), run.path)
    finally:
        run.close()
    return run.path


def _measure_all(
    config: CompareConfig, candidates: Sequence[Candidate], checked: Checked, clock: Clock
) -> Comparison:
    measured: list[MeasuredBackbone] = []
    failed: list[FailedBackbone] = []
    errors: list[DogbreedError] = []
    for number, candidate in enumerate(candidates, start=1):
        log.info("\nbackbone %d of %d: %s", number, len(candidates), candidate.label)
        try:
            measured.append(_measure(config, candidate, checked, clock))
        except _OWN_ERRORS as error:
            if isinstance(error, StoreError) and isinstance(error.__cause__, OSError):
                raise  # the disk of the feature cache, which is that of all backbones
            failed.append(FailedBackbone(label=candidate.label, reason=candidate.why_failed(error)))
            errors.append(error)
            log.warning("warning: %s can't be measured: %s", failed[-1].label, failed[-1].reason)
    if not measured:
        reasons = [f"{each.label}: {each.reason}" for each in failed]
        head = ["No backbone can be measured:"] if len(reasons) > 1 else []
        raise type(errors[0])(*head, *reasons)
    return Comparison(measured=best_first(measured), failed=tuple(failed))


def _measure(
    config: CompareConfig, candidate: Candidate, checked: Checked, clock: Clock
) -> MeasuredBackbone:
    """Compute a backbone's centre views as a training would, and fit the probe to them."""
    with clock.phase(SET_UP):
        probed, backbone, choice = resolve(_of_candidate(config, candidate), None)
    prepared = Prepared(
        config=probed, backbone=backbone, choice=choice, checked=checked, feature_shard=None
    )
    own = Clock()
    with clock.phase(FEATURES), own.phase(FEATURES):
        cached = cached_features(prepared, own)
    assert cached is not None, "features.store is true"
    with clock.phase("probe"):
        probe = fit_probe(cached[TRAIN], cached[VALID], len(checked.folders.classes))
        valid, test = probe.scores(cached[VALID], 1), probe.scores(cached[TEST], 1)
    return MeasuredBackbone(
        label=candidate.label,
        overrides=candidate.overrides,
        licence=candidate.licence,
        megabytes=_bytes(backbone) / 1e6,
        shrinkage=probe.strength,
        features=FeaturePass(
            computed=own.done.get(FEATURES, 0),
            seconds=sum(own.seconds.get(f"{FEATURES}/{part}", 0) for part in _PASS),
        ),
        valid=valid,
        test=test,
        details=_details(prepared),
    )


def _details(prepared: Prepared) -> dict[str, Any]:
    """What identifies a backbone and what computed its features."""
    backbone, choice = prepared.backbone, prepared.choice
    return {
        "network": backbone.name,
        "weights": Path(prepared.config.model.weights).name,
        "weights_sha256": backbone.digest(),
        "preprocessing": backbone.preprocessing.describe(),
        "num_features": backbone.num_features,
        "engine": choice.name,
        "precision": choice.precision,
    }


def _of_candidate(config: CompareConfig, candidate: Candidate) -> CompareConfig:
    """The training of a candidate, as far as its features depend on it: the centre view alone.

    The weights are named: for "auto" a training on the sample photos takes another backbone where
    they can't be fetched.
    """
    model = replace(
        config.model,
        backbone=candidate.name,
        weights=candidate.resolved_weights,
        trainable=HEAD,
    )
    return replace(
        config,
        model=model,
        features=replace(config.features, store=True, views=1),
        lr_finder=False,
        evaluate=replace(config.evaluate, folds=0),
    )


def _bytes(backbone: Backbone) -> int:
    """The size of the weights, without the classifier."""
    return sum(each.numel() * each.element_size() for each in backbone.state_dict().values())


def _training_command(arguments: Sequence[str], best: MeasuredBackbone) -> str:
    """What trains the best backbone, as it is typed into a shell."""
    same = [each for each in arguments if override_name(each) != KEY]
    return f"{typed('train')} {shlex.join([*same, *best.overrides])}"


def _described(checked: Checked, command: str, clock: Clock) -> dict[str, Any]:
    """What all backbones have in common, as plain values for backbones.json."""
    folders = checked.folders
    return {
        "training": command,
        "probe": "linear discriminant analysis with shrinkage, on the centre view",
        "shrinkages": SHRINKAGES,
        "chosen_on": VALID,
        "photos": {split: len(folders.samples[split]) for split in SPLITS},
        "classes": len(folders.classes),
        "data_fingerprint": data_fingerprint(checked),
        "versions": versions(),
        "cores": cores(),
        "seconds": clock.as_dict(),
    }
