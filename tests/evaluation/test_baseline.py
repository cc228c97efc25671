"""The logistic regression to beat, and near-duplicates, over features made here."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dogbreed.data.batches import CachedPhotos
from dogbreed.data.layouts.splits import Sample
from dogbreed.evaluation import baseline
from dogbreed.evaluation.baseline import C, fit_baseline, paired_interval
from dogbreed.evaluation.duplicates import find_duplicates
from dogbreed.evaluation.metrics.scores import Scores

Arrays = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def features(n: int, seed: int, classes: int = 3, width: int = 8) -> tuple[Arrays, list[int]]:
    """Two views [n, 2, width] of photos of some classes, which lie apart."""
    random = np.random.default_rng(seed)
    labels = np.sort(random.integers(classes, size=n))
    centres = np.random.default_rng(0).normal(size=(classes, width))
    rows = centres[labels][:, None] + random.normal(size=(n, 2, width))
    return rows.astype(np.float32), labels.tolist()


def stored(rows: Arrays, labels: list[int]) -> CachedPhotos:
    numbers = np.arange(len(rows))
    return CachedPhotos([rows[:, 0], rows[:, 1]], [numbers, numbers], labels)


def test_it_is_scikit_learns_on_every_view(tmp_path: Path) -> None:
    train, test = features(200, 1), features(150, 2)
    targets = torch.tensor(test[1])
    half_right = torch.where(torch.arange(150) % 2 == 0, targets, (targets + 1) % 3)
    run = Scores(torch.nn.functional.one_hot(half_right, 3).float().log_softmax(-1), targets)
    found = fit_baseline(stored(*train), stored(*test), stored(*test), run, tmp_path)

    regression = LogisticRegression(C=C, max_iter=300)
    regression.fit(train[0].reshape(400, -1), np.repeat(train[1], 2))
    averaged = regression.predict_proba(test[0].reshape(300, -1)).reshape(150, 2, 3).mean(1)
    assert found.test["top1"] == pytest.approx((averaged.argmax(1) == test[1]).mean())
    assert found.top1_gain_points == pytest.approx(50 - 100 * found.test["top1"])
    low, high = found.top1_gain_ci95
    assert low < found.top1_gain_points < high


def test_the_same_features_are_fitted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = features(60, 1), features(30, 2)
    run = Scores(torch.zeros(30, 3).log_softmax(-1), torch.tensor(test[1]))
    first = fit_baseline(stored(*train), stored(*test), stored(*test), run, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(baseline, "_fit", lambda *_: pytest.fail("fitted again"))
        again = fit_baseline(stored(*train), stored(*test), stored(*test), run, tmp_path)
    assert again.test == first.test


@pytest.mark.parametrize("flips", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_damaged_coefficients_are_reported_and_fitted_again(
    flips: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    """Flipped bits, cut off, empty, or those of other features under this name."""
    train, other, test = features(60, 1), features(60, 3), features(30, 2)
    run = Scores(torch.zeros(30, 3).log_softmax(-1), torch.tensor(test[1]))
    fit_baseline(stored(*other), stored(*test), stored(*test), run, tmp_path)
    (of_other,) = (path.read_bytes() for path in tmp_path.iterdir())
    first = fit_baseline(stored(*train), stored(*test), stored(*test), run, tmp_path)
    (kept,) = (path for path in tmp_path.iterdir() if path.read_bytes() != of_other)
    whole, random = kept.read_bytes(), np.random.default_rng(0)
    damaged = [b"", whole[:100], whole[:-1], of_other]
    for place in random.integers(len(whole), size=flips):
        flipped = bytes([whole[place] ^ 1 << int(random.integers(8))])
        damaged.append(whole[:place] + flipped + whole[place + 1 :])
    fitted = baseline._fit(train[0].reshape(120, -1), np.repeat(train[1], 2))
    calls = 0

    def fit(*_: object) -> baseline.Coefficients:
        nonlocal calls
        calls += 1
        return fitted

    monkeypatch.setattr(baseline, "_fit", fit)
    for number, content in enumerate(damaged, 1):
        kept.write_bytes(content)
        again = fit_baseline(stored(*train), stored(*test), stored(*test), run, tmp_path)
        assert calls == number
        assert again.test == first.test
        assert f"warning: {kept} is damaged" in logged()
        assert kept.read_bytes()[:32] == whole[:32]


def test_a_cache_that_cannot_be_written_loses_nothing(tmp_path: Path) -> None:
    train, test = features(60, 1), features(30, 2)
    run = Scores(torch.zeros(30, 3).log_softmax(-1), torch.tensor(test[1]))
    (tmp_path / "file").touch()
    cache = tmp_path / "file" / "cache"
    assert fit_baseline(stored(*train), stored(*test), stored(*test), run, cache).test.n == 30


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


def test_copies_of_most_photos_are_found() -> None:
    random = np.random.default_rng(4)
    rows = {name: random.normal(size=(40, 2, 64)).astype(np.float32) for name in SPLITS}
    rows["test"][:30] = rows["train"][:30] + 0.02 * random.normal(size=(30, 2, 64))
    samples = {
        name: [Sample(Path(f"{name}/{index}.jpg"), 0, name) for index in range(40)]
        for name in SPLITS
    }
    digests = {name: [f"{name}{index}".encode() for index in range(40)] for name in SPLITS}
    found = find_duplicates(
        {name: stored(rows[name], [0] * 40) for name in SPLITS}, samples, digests
    )
    assert {pair.first.path.name for pair in found} == {f"{index}.jpg" for index in range(30)}


def test_two_classes_and_a_class_without_training_photos_score(tmp_path: Path) -> None:
    train, test = features(60, 1, classes=2), features(30, 2, classes=2)
    run = Scores(torch.zeros(30, 3).log_softmax(-1), torch.tensor(test[1]))
    found = fit_baseline(stored(*train), stored(*test), stored(*test), run, tmp_path)
    assert found.test["top1"] > 0.7
    assert np.isfinite(found.test["loss"])


def test_near_duplicates_are_found_between_splits_only() -> None:
    random = np.random.default_rng(3)
    rows = {name: random.normal(size=(40, 2, 64)).astype(np.float32) for name in SPLITS}
    rows["test"][7] = rows["train"][31] + 0.05 * random.normal(size=(2, 64))
    rows["test"][9] = rows["valid"][2] * 3  # as near as can be, whatever the length
    rows["train"][5] = rows["train"][6]  # in one split: no concern
    samples = {
        name: [Sample(Path(f"{name}/{index}.jpg"), 0, name) for index in range(40)]
        for name in SPLITS
    }
    digests = {name: [f"{name}{index}".encode() for index in range(40)] for name in SPLITS}
    digests["valid"][20] = digests["train"][20]  # the same file, whatever its features
    found = find_duplicates(
        {name: stored(rows[name], [0] * 40) for name in SPLITS}, samples, digests
    )
    pairs = {(pair.first.path.as_posix(), pair.second.path.as_posix()) for pair in found}
    assert pairs == {
        ("test/7.jpg", "train/31.jpg"),
        ("test/9.jpg", "valid/2.jpg"),
        ("valid/20.jpg", "train/20.jpg"),
    }
    assert [pair.cosine for pair in found] == sorted((p.cosine for p in found), reverse=True)


SPLITS = ("train", "valid", "test")
