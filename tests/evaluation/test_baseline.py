"""What a run gains over another head, over the same photos."""

import pytest
import torch
from helpers.made_views import features, stored

from dogbreed.data.layouts.splits import SPLITS, TEST
from dogbreed.evaluation.baseline import fit_heads, measure_baseline, paired_interval
from dogbreed.evaluation.metrics.scores import Scores


def test_each_head_is_measured_over_the_photos_of_the_run() -> None:
    sizes = {"train": 200, "valid": 60, "test": 150}
    cached = {split: stored(*features(n, seed)) for seed, (split, n) in enumerate(sizes.items())}
    targets = torch.from_numpy(cached[TEST].labels)
    half_right = torch.where(torch.arange(150) % 2 == 0, targets, (targets + 1) % 3)
    run = Scores(torch.nn.functional.one_hot(half_right, 3).float().log_softmax(-1), targets)
    heads = fit_heads(cached, 3, None)
    assert [head.name for head in heads] == ["logistic regression", "linear discriminant analysis"]
    for head in heads:
        found = measure_baseline(head, {each: head.scores(cached[each]) for each in SPLITS}, run)
        assert found.test["top1"] > 0.7
        assert found.top1_gain_points == pytest.approx(50 - 100 * found.test["top1"])
        low, high = found.top1_gain_ci95
        assert low < found.top1_gain_points < high
        assert found.n_train == 200
        assert found.setting == f"{head.parameter} = {head.strength:g}"


@pytest.mark.parametrize(
    ("better", "worse", "n", "told"),
    [(4, 0, 1200, False), (3, 0, 12, False), (12, 0, 12, True), (40, 10, 1200, True)],
)
def test_few_photos_that_differ_tell_little(better: int, worse: int, n: int, told: bool) -> None:
    gain = torch.zeros(n, dtype=torch.float64)
    gain[:better] = 1
    gain[better : better + worse] = -1
    low, high = paired_interval(gain)
    assert low <= 100 * (better - worse) / n <= high <= 100
    assert (low > 0) == told
