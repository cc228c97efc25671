"""Logistic regression on cached features: its strength, its cache, classes without photos."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.made_views import features, stored
from sklearn.linear_model import LogisticRegression

from dogbreed.evaluation import logistic_regression
from dogbreed.evaluation.linear_head import LinearHead, calibrated_loss
from dogbreed.evaluation.logistic_regression import STRENGTHS, fit_logistic_regression


def fitted(
    n: int, seed: int, cache: Path | None, classes: int = 3, known: int | None = None
) -> LinearHead:
    train = stored(*features(n, seed, known or classes))
    return fit_logistic_regression(train, stored(*features(30, 2, classes)), classes, cache)


def test_it_is_scikit_learns_on_every_view() -> None:
    train, test = features(200, 1), features(150, 2)
    head = fit_logistic_regression(stored(*train), stored(*test), 3, None)
    regression = LogisticRegression(C=head.strength, max_iter=300)
    regression.fit(train[0].reshape(400, -1), np.repeat(train[1], 2))
    averaged = regression.predict_proba(test[0].reshape(300, -1)).reshape(150, 2, 3).mean(1)
    found = head.scores(stored(*test)).log_probabilities.exp()
    np.testing.assert_allclose(found, averaged, atol=2e-3)
    assert head.n_train == 200


def test_the_validation_photos_select_the_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    train, valid = stored(*features(12, 1, width=64)), stored(*features(300, 2, width=64))
    head = fit_logistic_regression(train, valid, 3, None)
    losses = []
    for strength in STRENGTHS:
        with monkeypatch.context() as patch:
            patch.setattr(logistic_regression, "STRENGTHS", (strength,))
            alone = fit_logistic_regression(train, valid, 3, None)
        losses.append(calibrated_loss(alone.scores(valid)))
    assert max(losses) > min(losses) + 1e-3
    assert calibrated_loss(head.scores(valid)) == pytest.approx(min(losses), abs=2e-3)


def test_the_same_features_are_fitted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fitted(60, 1, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(logistic_regression, "_selected", lambda *_: pytest.fail("fitted again"))
        again = fitted(60, 1, tmp_path)
    assert again.weights.equal(first.weights)
    assert again.strength == first.strength
    # Other validation photos may select another strength.
    fit_logistic_regression(stored(*features(60, 1)), stored(*features(30, 9)), 3, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("flips", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_damaged_coefficients_are_reported_and_fitted_again(
    flips: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    """Flipped bits, cut off, empty, or those of other features under this name."""
    fitted(60, 3, tmp_path)
    (of_other,) = (path.read_bytes() for path in tmp_path.iterdir())
    first = fitted(60, 1, tmp_path)
    (kept,) = (path for path in tmp_path.iterdir() if path.read_bytes() != of_other)
    complete, random = kept.read_bytes(), np.random.default_rng(0)
    damaged = [b"", complete[:100], complete[:-1], of_other]
    for place in random.integers(len(complete), size=flips):
        flipped = bytes([complete[place] ^ 1 << int(random.integers(8))])
        damaged.append(complete[:place] + flipped + complete[place + 1 :])
    select, calls = logistic_regression._selected, 0

    def counted(*arguments: object) -> logistic_regression.Coefficients:
        nonlocal calls
        calls += 1
        return select(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(logistic_regression, "_selected", counted)
    for number, content in enumerate(damaged, 1):
        kept.write_bytes(content)
        again = fitted(60, 1, tmp_path)
        assert calls == number
        assert again.weights.equal(first.weights)
        assert f"warning: {kept} is damaged" in logged()
        assert kept.read_bytes()[:32] == complete[:32]


def test_a_cache_that_cannot_be_written_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert fitted(60, 1, tmp_path / "file" / "cache").n_train == 60


def test_two_classes_and_a_class_without_training_photos_score() -> None:
    head = fitted(60, 1, None, classes=3, known=2)
    scores = head.scores(stored(*features(30, 2, classes=2)))
    assert scores.right.float().mean() > 0.7
    assert scores.log_probabilities.isfinite().all()
    assert not (scores.predicted == 2).any()
