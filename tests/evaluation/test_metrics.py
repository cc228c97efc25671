"""The metrics of a split against values worked out by hand, and their intervals."""

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from helpers.made_facts import random_scores
from torchmetrics.functional.classification import multiclass_accuracy

from dogbreed.evaluation.metrics.accuracy import TOP1, TOP5
from dogbreed.evaluation.metrics.intervals import wilson
from dogbreed.evaluation.metrics.measuring import measure, measure_classes
from dogbreed.evaluation.metrics.scores import Scores


def scores_of(logits: list[list[float]], targets: list[int]) -> Scores:
    return Scores(torch.tensor(logits).log_softmax(-1), torch.tensor(targets))


def test_a_split_worked_out_by_hand() -> None:
    # Seven classes: top-5 leaves two out. Photo 0 right, photo 1 second, photo 2 last.
    scores = scores_of(
        [[9.0, 1, 2, 3, 4, 5, 6], [5.0, 6, 1, 1, 1, 1, 1], [0.0, 6, 5, 4, 3, 2, 1]], [0, 0, 0]
    )
    metrics = measure(scores)
    losses = [-float(scores.log_probabilities[i, 0]) for i in range(3)]
    assert metrics["loss"] == pytest.approx(sum(losses) / 3, rel=1e-5)
    assert metrics["top1"] == pytest.approx(1 / 3)
    assert metrics["top5"] == pytest.approx(2 / 3)
    # Class 0: precision 1, recall 1/3, F1 1/2; class 1 was predicted twice and never right.
    assert metrics["macro_f1"] == pytest.approx((0.5 + 0) / 2)
    assert metrics.n == 3
    half = NormalDist().inv_cdf(0.975) * float(np.std(losses)) / math.sqrt(3)
    assert metrics.ci95["loss"] == pytest.approx((metrics["loss"] - half, metrics["loss"] + half))
    assert set(metrics.ci95) == set(metrics.as_dict()) - {"n", "ci95"}


def test_fewer_than_five_classes_are_all_in_the_top_five() -> None:
    metrics = measure(scores_of([[math.log(0.9), math.log(0.1)]], [1]))
    assert metrics["top1"] == 0
    assert metrics["top5"] == 1
    assert metrics["loss"] == pytest.approx(-math.log(0.1))
    # One photo that is called wrong with 90 %: the error is 0.9.
    assert metrics["ece_share"] == pytest.approx(0.9)


def test_the_interval_of_a_share_is_wilsons() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.slow
def test_the_intervals_hold_what_they_say() -> None:
    # Of 60 splits drawn alike, about 95 % have the long-run values in their intervals.
    truth = measure(random_scores(200_000, 4))
    inside = dict.fromkeys(("loss", "top1", "macro_f1"), 0)
    for seed in range(1, 61):
        metrics = measure(random_scores(300, 4, seed))
        for name in inside:
            low, high = metrics.ci95[name]
            inside[name] += low <= truth[name] <= high
    assert all(52 <= count <= 60 for count in inside.values()), inside


def test_classes_have_precision_and_recall() -> None:
    scores = scores_of([[3.0, 0, 0], [0, 3.0, 0], [0, 3.0, 0], [3.0, 0, 0]], [0, 1, 0, 0])
    first, second, third = measure_classes(scores, ("a", "b", "c"), ("A", "B", "C"))
    assert (first.n, first.n_predicted, first.precision, first.recall) == (3, 2, 1.0, 2 / 3)
    assert (second.n, second.n_predicted, second.precision, second.recall) == (1, 2, 0.5, 1.0)
    assert (third.n, third.n_predicted, third.precision, third.recall_ci95) == (0, 0, None, None)
    assert first.recall_ci95 == wilson(2, 3)
    assert first.display_name == "A"


@pytest.mark.parametrize("classes", [2, 5, 7, 120])
def test_accuracy_is_the_number_of_torchmetrics(classes: int) -> None:
    generator = torch.Generator().manual_seed(classes)
    for n in (1, 3, 97, 1200):
        logits = torch.randn(n, classes, generator=generator)
        targets = torch.randint(0, classes, (n,), generator=generator)
        scores = Scores(logits.log_softmax(-1), targets)
        for metric, k in ((TOP1, 1), (TOP5, min(5, classes))):
            expected = multiclass_accuracy(
                scores.log_probabilities, targets, classes, average="micro", top_k=k
            )
            assert metric.compute(scores) == float(expected)
