"""Logistic regression on cached features, its strength selected on the validation photos."""

import contextlib
import hashlib
import importlib.metadata
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from dogbreed.data.batches import CachedPhotos, evenly_spaced
from dogbreed.evaluation.linear_head import NEVER, LinearHead, calibrated_loss, pooled
from dogbreed.utils.files import atomic_write
from dogbreed.utils.user_paths import private_folder

log = logging.getLogger("dogbreed")

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

# scikit-learn's inverse strengths of the L2 penalty, the strongest first: each fit starts from the
# one before, and the path ends once the validation loss rises.
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
# The solver holds all of its rows in memory and takes time in proportion to them.
MAX_ROWS = 20_000
MAX_ITERATIONS = 200
CHECKSUM_BYTES = 32  # SHA-256


class Coefficients(NamedTuple):
    """weights [known, features], bias [known], the labels [known] that there were photos of, and
    the strength."""

    weights: Floats
    bias: Floats
    known: Integers
    strength: float


class _Photos(NamedTuple):
    """Features [rows, features] of every view of the training photos, and their labels [rows]."""

    rows: Floats
    labels: Integers


def fit_logistic_regression(
    train: CachedPhotos, valid: CachedPhotos, classes: int, cache: Path | None
) -> LinearHead:
    """Fit it to every view of the training photos; the strength is the one of `STRENGTHS` with the
    lowest calibrated loss on the validation photos.

    Of many photos an evenly spaced part is taken (they stand in the order of their classes). The
    same features and labels give the same coefficients, so these are cached in `cache` where
    there is one.
    """
    indices = evenly_spaced(len(train), MAX_ROWS // train.views)
    features = pooled(train.features(indices))
    photos = _Photos(
        features.reshape(-1, features.shape[-1]), np.repeat(train.labels[indices], train.views)
    )
    coefficients = _cached(photos, valid, classes, cache)
    return _as_head(coefficients, classes, len(indices))


def _cached(photos: _Photos, valid: CachedPhotos, classes: int, cache: Path | None) -> Coefficients:
    if cache is None or not _is_private(cache):
        return _selected(photos, valid, classes)
    version = importlib.metadata.version("scikit-learn")
    settings = f"{version} {STRENGTHS} {MAX_ITERATIONS} {classes} {photos.rows.shape}"
    key = hashlib.sha256(settings.encode())
    validation = pooled(valid.features(np.arange(len(valid))))
    for array in (*photos, validation, valid.labels):
        key.update(np.ascontiguousarray(array).data)
    path = cache / f"{key.hexdigest()[:24]}.fit"
    coefficients = _read(path, key.digest())
    if coefficients is None:
        coefficients = _selected(photos, valid, classes)
        written = io.BytesIO()
        np.savez(written, **coefficients._asdict())
        # What can't be cached is fitted again: no reason to lose a run.
        with contextlib.suppress(OSError), atomic_write(path) as beside:
            beside.write_bytes(_checksum(key.digest(), written.getvalue()) + written.getvalue())
    return coefficients


def _is_private(cache: Path) -> bool:
    """Whether the folder is there, or can be made, and nobody else could replace what is in it."""
    try:
        private_folder(cache)
    except OSError:
        return False
    return True


def _read(path: Path, key: bytes) -> Coefficients | None:
    """The coefficients that were cached for this key; None where there are none or damaged ones."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    checksum, cached = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
    if checksum != _checksum(key, cached):
        log.warning("warning: %s is damaged: the logistic regression is fitted again", path)
        return None
    with np.load(io.BytesIO(cached)) as arrays:
        return Coefficients(**{**arrays, "strength": float(arrays["strength"])})


def _checksum(key: bytes, cached: bytes) -> bytes:
    return hashlib.sha256(key + cached).digest()


def _selected(photos: _Photos, valid: CachedPhotos, classes: int) -> Coefficients:
    """The coefficients of the lowest calibrated validation loss on the path of strengths."""
    best, lowest = None, np.inf
    for coefficients in _path(photos):
        loss = calibrated_loss(_as_head(coefficients, classes, 0).scores(valid))
        if best is not None and loss >= lowest:
            break
        best, lowest = coefficients, loss
    assert best is not None
    return best


def _path(photos: _Photos) -> Iterator[Coefficients]:
    """The coefficients at each strength, fitted as they are needed."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression(max_iter=MAX_ITERATIONS, warm_start=True)
    for strength in STRENGTHS:
        with warnings.catch_warnings():
            # Features of a random network can take longer; what is reached by then is enough.
            warnings.simplefilter("ignore", ConvergenceWarning)
            regression.set_params(C=strength).fit(*photos)
        weights = regression.coef_.astype(np.float32)
        bias = regression.intercept_.astype(np.float32)
        if len(regression.classes_) == 2:  # one row of coefficients, for the second class
            weights, bias = np.concatenate([0 * weights, weights]), np.concatenate([0 * bias, bias])
        yield Coefficients(weights, bias, regression.classes_, strength)


def _as_head(coefficients: Coefficients, classes: int, n_train: int) -> LinearHead:
    known = torch.from_numpy(coefficients.known)
    weights = torch.zeros(classes, coefficients.weights.shape[1])
    weights[known] = torch.from_numpy(coefficients.weights)
    bias = torch.full((classes,), NEVER)
    bias[known] = torch.from_numpy(coefficients.bias)
    return LinearHead(
        name="logistic regression",
        parameter="C",
        strength=coefficients.strength,
        n_train=n_train,
        weights=weights,
        bias=bias,
    )
