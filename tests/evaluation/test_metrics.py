"""The metrics of a split against values worked out by hand."""

import math

import pytest
import torch

from dogbreed.evaluation.metrics import SplitMeter


def test_a_split_worked_out_by_hand() -> None:
    # Seven classes: top-5 leaves two out. Photo 0 right, photo 1 second, photo 2 last.
    scores = torch.tensor(
        [
            [9.0, 1, 2, 3, 4, 5, 6],
            [5.0, 6, 1, 1, 1, 1, 1],
            [0.0, 6, 5, 4, 3, 2, 1],
        ]
    )
    targets = torch.tensor([0, 0, 0])
    log_probabilities = scores.log_softmax(-1)
    meter = SplitMeter(7)
    meter.update(log_probabilities[:2], targets[:2])
    meter.update(log_probabilities[2:], targets[2:])
    metrics = meter.compute()
    expected = -sum(float(log_probabilities[i, 0]) for i in range(3)) / 3
    assert metrics.loss == pytest.approx(expected, rel=1e-5)
    assert metrics.top1 == pytest.approx(1 / 3)
    assert metrics.top5 == pytest.approx(2 / 3)
    # Class 0: precision 1, recall 1/3, F1 1/2; class 1 was predicted twice and never right.
    assert metrics.macro_f1 == pytest.approx((0.5 + 0) / 2)
    assert metrics.n == 3


def test_fewer_than_five_classes_are_all_in_the_top_five() -> None:
    meter = SplitMeter(2)
    meter.update(torch.tensor([[0.9, 0.1]]).log(), torch.tensor([1]))
    metrics = meter.compute()
    assert metrics.top1 == 0
    assert metrics.top5 == 1
    assert metrics.loss == pytest.approx(-math.log(0.1))
