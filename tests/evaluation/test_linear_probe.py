"""The linear probe is linear discriminant analysis as scikit-learn's, its strength chosen."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from dogbreed.data.batches import CachedPhotos
from dogbreed.evaluation import linear_head, linear_probe
from dogbreed.evaluation.linear_probe import SHRINKAGES, fit_probe

Rows = npt.NDArray[np.float32]


def cached(rows: Rows, labels: npt.NDArray[np.int64]) -> CachedPhotos:
    return CachedPhotos([rows], [np.arange(len(rows))], labels.tolist())


def drawn(photos: int, seed: int, classes: int = 4, features: int = 12) -> tuple[Rows, Any]:
    """Classes with one covariance, shifted far from 0, of different sizes."""
    means = 0.8 * np.random.default_rng(0).normal(size=(classes, features)) + 5
    mixing = np.random.default_rng(1).normal(size=(features, features))
    random = np.random.default_rng(seed)
    labels = random.choice(classes, size=photos, p=np.arange(1, classes + 1) / 10)
    rows = means[labels] + random.normal(size=(photos, features)) @ mixing / 3
    return rows.astype(np.float32), labels


@pytest.mark.parametrize("shrinkage", SHRINKAGES)
def test_it_is_discriminant_analysis(shrinkage: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_probe, "SHRINKAGES", (shrinkage,))
    monkeypatch.setattr(linear_head, "ROWS_AT_ONCE", 64)
    train, test = drawn(300, seed=2), drawn(150, seed=3)
    probe = fit_probe(cached(*train), cached(*test), 4)
    assert probe.strength == shrinkage
    scores = probe.scores(cached(*test))
    # Written out: scikit-learn's own shrinkage scales the features first.
    rows = train[0].astype(np.float64)
    means = np.stack([rows[train[1] == label].mean(0) for label in range(4)])
    within = np.cov((rows - means[train[1]]).T, bias=True)
    shrunk = (1 - shrinkage) * within + shrinkage * np.trace(within) / 12 * np.eye(12)
    precise = np.linalg.inv(shrunk)
    priors = np.bincount(train[1]) / 300
    quadratic = -0.5 * np.einsum("kd,de,ke->k", means, precise, means) + np.log(priors)
    logits = torch.from_numpy(test[0] @ precise @ means.T + quadratic)
    torch.testing.assert_close(
        scores.log_probabilities, logits.log_softmax(-1).float(), atol=2e-3, rtol=1e-3
    )
    if shrinkage == min(SHRINKAGES):
        theirs = LinearDiscriminantAnalysis().fit(*train)
        assert (theirs.predict(test[0]) == scores.predicted.numpy()).mean() > 0.98


def test_the_validation_photos_choose_the_strength_and_ties_the_strongest() -> None:
    train, valid = drawn(60, seed=4, features=40), drawn(400, seed=5, features=40)
    probe = fit_probe(cached(*train), cached(*valid), 4)
    hits = {}
    for shrinkage in SHRINKAGES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(linear_probe, "SHRINKAGES", (shrinkage,))
            alone = fit_probe(cached(*train), cached(*valid), 4)
        hits[shrinkage] = int(alone.scores(cached(*valid)).right.sum())
    assert len(set(hits.values())) > 1
    assert probe.strength == max(each for each in SHRINKAGES if hits[each] == max(hits.values()))
    far = np.repeat(np.eye(3, 8, dtype=np.float32), 5, axis=0), np.repeat(np.arange(3), 5)
    assert fit_probe(cached(*far), cached(*far), 3).strength == max(SHRINKAGES)


def test_one_photo_per_class_and_constant_features_give_finite_scores() -> None:
    labels = np.arange(3)
    one = cached(np.random.default_rng(0).normal(size=(3, 9)).astype(np.float32), labels)
    assert fit_probe(one, one, 3).scores(one).right.all()
    same = cached(np.ones((3, 9), np.float32), labels)
    scores = fit_probe(same, same, 3).scores(same)
    assert torch.isfinite(scores.log_probabilities).all()


def test_maps_are_pooled_and_only_the_first_view_counts() -> None:
    rows, labels = drawn(80, seed=6)
    maps = np.repeat(rows[:, :, None, None], 4, axis=2)
    maps[:, :, 0] += 1
    maps[:, :, 1] -= 1
    numbers = np.arange(80)
    both = CachedPhotos([maps, np.zeros_like(maps)], [numbers, numbers], labels.tolist())
    torch.testing.assert_close(
        fit_probe(both, both, 4).weights,
        fit_probe(cached(rows, labels), cached(rows, labels), 4).weights,
        atol=1e-3,
        rtol=1e-3,
    )


def test_all_views_are_more_rows_and_a_class_without_photos_is_never_answered() -> None:
    (rows, labels), (others, _) = drawn(80, seed=6), drawn(80, seed=7)
    numbers = np.arange(80)
    both = CachedPhotos([rows, others], [numbers, numbers], labels.tolist())
    twice = cached(np.concatenate([rows, others]), np.concatenate([labels, labels]))
    found, expected = fit_probe(both, both, 5, views=None), fit_probe(twice, twice, 5)
    probes = {found.strength: found.weights, expected.strength: expected.weights}
    if len(probes) == 1:
        torch.testing.assert_close(found.weights, expected.weights, atol=1e-3, rtol=1e-3)
    scores = found.scores(both)
    assert torch.isfinite(scores.log_probabilities).all()
    assert not (scores.predicted == 4).any()
