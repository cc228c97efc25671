"""A metric that is registered from outside the package is everywhere where the others are."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SMALL
from helpers.made_facts import random_scores

from dogbreed.configuration.composing import compose, compose_as
from dogbreed.configuration.search import TuneConfig
from dogbreed.debug.recording.records import read_recording
from dogbreed.errors import ConfigError
from dogbreed.evaluation.metrics.measuring import measure
from dogbreed.evaluation.metrics.registry import (
    MAXIMIZE,
    METRICS,
    MINIMIZE,
    SHARE,
    Metric,
    epoch_metrics,
    metrics,
    objectives,
    register,
)
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.search.local.search import run_local_search
from dogbreed.search.runner_limits import check_local_search
from dogbreed.training.run import train


def mean_rank(scores: Scores) -> float:
    """The mean place, from 1 on, of the right class among a photo's classes."""
    target_log_probabilities = scores.log_probabilities.gather(1, scores.targets[:, None])
    return float((scores.log_probabilities >= target_log_probabilities).sum(1).double().mean())


MEAN_RANK = Metric(
    name="mean_rank", title="Mean rank of the class", direction=MINIMIZE, compute=mean_rank
)


@pytest.fixture
def dummy() -> Iterator[Metric]:
    yield register(MEAN_RANK)
    METRICS.unregister(MEAN_RANK.name)


@pytest.mark.runs
def test_a_metric_from_outside_is_everywhere(
    dummy: Metric, photos_root: Path, tmp_path: Path, logged: Callable[[], str]
) -> None:
    run = train(compose([f"data.root={photos_root}", *SMALL, f"output_root={tmp_path / 'out'}"]))
    values = json.loads((run / "metrics.json").read_text("utf-8"))
    for split in ("train", "valid", "test"):
        low, high = values[split]["ci95"]["mean_rank"]
        assert low <= values[split]["mean_rank"] <= high
    test = values["test"]["mean_rank"]
    text = logged()
    row = next(line for line in text.split("\n") if line.startswith(dummy.title))
    assert f"{test:.3f}" in row
    for name in ("report.html", "MODEL_CARD.md"):
        page = (run / name).read_text("utf-8")
        assert dummy.title in page, name
        assert f"{test:.3f}" in page, name
    # After each epoch: in the log, in metrics.json, and in the debugger's recording.
    recording = read_recording(run / "debug" / "recording")
    history = [epoch["valid_mean_rank"] for epoch in values["epochs"]]
    assert recording.epochs["valid_mean_rank"].tolist() == pytest.approx(history)
    assert f"valid_mean_rank={history[-1]:.6f}" in text


@pytest.mark.runs
def test_a_search_optimises_a_metric_from_outside(
    dummy: Metric, photos_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    search = ("search.objective=valid_mean_rank", "search.direction=minimize", "search.trials=2")
    typed = (f"data.root={photos_root}", *SMALL, *search, "search.name=ranks", "launcher=local")
    config = compose_as(TuneConfig, "tune", [*typed, "search.parallel=1"])
    folder = run_local_search(config, check_local_search(config))
    trials = (folder / "trials.csv").read_text("utf-8")
    assert trials.count("Completed") == 2
    assert "valid_mean_rank" in (folder / "best.yaml").read_text("utf-8")


def test_an_objective_is_a_metric_that_is_registered() -> None:
    with pytest.raises(ConfigError, match=r"search\.objective=valid_mean_rank: must be one of"):
        compose_as(TuneConfig, "tune", ["search.objective=valid_mean_rank"])
    assert "valid_balanced_accuracy" in objectives()
    assert "valid_ece_calibrated_share" not in objectives()  # known at the end of a training


def test_a_metric_without_an_interval_of_its_own_has_a_bootstrapped_one(dummy: Metric) -> None:
    scores = random_scores(400, 5)
    measured = measure(scores)
    low, high = measured.ci95["mean_rank"]
    assert low < measured["mean_rank"] < high
    target_log_probabilities = scores.log_probabilities.gather(1, scores.targets[:, None])
    ranks = (scores.log_probabilities >= target_log_probabilities).sum(1)
    half = 1.96 * float(ranks.double().std()) / 400**0.5
    assert high - low == pytest.approx(2 * half, rel=0.2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "top1"}, "another metric is taken"),
        ({"name": "ci95"}, "is none of n, ci95"),
        ({"name": "Top 1"}, "a name is up to 32 of a-z"),
        ({"direction": "up"}, "'up' must be one of minimize, maximize"),
        ({"unit": "%"}, "'%' must be one of share, number"),
    ],
)
def test_a_metric_that_cannot_be_registered(changes: dict[str, Any], words: str) -> None:
    other = Metric(name="other", title="Other", direction=MAXIMIZE, unit=SHARE, compute=mean_rank)
    before = metrics()
    with pytest.raises(ConfigError, match=words):
        register(replace(other, **changes))
    assert metrics() == before


def test_all_metrics_are_computed_with_their_intervals() -> None:
    measured = measure(random_scores(300, 12), temperature=0.7)
    assert list(measured.as_dict()) == [*(metric.name for metric in metrics()), "n", "ci95"]
    for metric in metrics():
        low, high = measured.ci95[metric.name]
        assert low < measured[metric.name] < high, metric.name
    assert {metric.name for metric in epoch_metrics()} == {
        *("loss", "top1", "top5", "macro_f1", "ece_share", "balanced_accuracy", "nll_nats")
    }


def test_balanced_accuracy_and_likelihood_worked_out_by_hand() -> None:
    # Class 0: three of four right; class 1: none of one; class 2 has no photo and doesn't count.
    logits = torch.tensor([[2.0, 0, 0], [2, 0, 0], [2, 0, 0], [0, 2, 0], [2, 0, 0]])
    scores = Scores(logits.log_softmax(-1), torch.tensor([0, 0, 0, 0, 1]))
    measured = measure(scores)
    assert measured["balanced_accuracy"] == pytest.approx((0.75 + 0) / 2)
    right, wrong = (float(p) for p in scores.log_probabilities[0, :2])
    assert measured["nll_nats"] == pytest.approx(-(3 * right + 2 * wrong) / 5)
