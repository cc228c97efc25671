"""The baseline to beat: a plain logistic regression on the same features."""

import contextlib
import hashlib
import importlib.metadata
import io
import logging
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from dogbreed.data.batches import CachedPhotos, evenly_spaced
from dogbreed.evaluation.calibration import fit_temperature
from dogbreed.evaluation.facts import Baseline
from dogbreed.evaluation.metrics.intervals import Z95
from dogbreed.evaluation.metrics.measuring import measure
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.runtime.torch_probabilities import mean_log_probabilities
from dogbreed.utils.files import atomic_write
from dogbreed.utils.user_paths import private_folder

log = logging.getLogger("dogbreed")

Floats = npt.NDArray[np.float32]

# scikit-learn's inverse strength of the L2 penalty: the best or next to it on ResNet features.
C = 0.1
# The solver holds all of its rows in memory and takes time in proportion to them.
MAX_ROWS = 20_000
SCORED_AT_ONCE = 4096
MAX_ITERATIONS = 200
CHECKSUM_BYTES = 32  # SHA-256
# The log probability of a class that it saw no photo of.
NEVER = -100.0


class Coefficients(NamedTuple):
    """weights [known, features], bias [known], and the labels [known] that there were photos of."""

    weights: Floats
    bias: Floats
    known: npt.NDArray[np.int64]


def fit_baseline(
    train: CachedPhotos, valid: CachedPhotos, test: CachedPhotos, run: Scores, cache: Path | None
) -> Baseline:
    """Fit it on every view of the training photos; views are averaged as the run's are.

    Of many photos an evenly spaced part is taken (they stand in the order of their classes). The
    same features and labels give the same coefficients, so these are cached in `cache` where
    there is one.
    """
    started = time.monotonic()
    indices = evenly_spaced(len(train), MAX_ROWS // train.views)
    features = pooled(train.features(indices))
    rows = features.reshape(-1, features.shape[-1])
    labels = np.repeat(train.labels[indices], train.views)
    coefficients = _cached(rows, labels, cache)
    classes = run.log_probabilities.shape[1]
    scores = [_score(split, coefficients, classes) for split in (valid, test)]
    gain = run.right.double() - scores[1].right.double()
    temperature = fit_temperature(scores[0])
    return Baseline(
        C=C,
        n_train=len(indices),
        seconds=round(time.monotonic() - started, 3),
        valid=measure(scores[0], temperature),
        test=measure(scores[1], temperature),
        top1_gain_points=100 * float(gain.mean()),
        top1_gain_ci95=paired_interval(gain),
    )


def paired_interval(gain: torch.Tensor) -> tuple[float, float]:
    """95 % interval, in points, of the mean of gains [n] of -1, 0 and 1 each.

    Wald's with one photo more of either kind, which holds for few photos that differ as well
    (Bonett & Price 2012, Journal of Educational and Behavioral Statistics 37:479).
    """
    more = torch.cat([gain, gain.new_tensor([1, -1])])
    mean = float(more.mean())
    half = Z95 * float(more.std(correction=0)) / len(more) ** 0.5
    return 100 * max(-1.0, mean - half), 100 * min(1.0, mean + half)


def pooled(activations: Floats) -> Floats:
    """Activations [n, views, *boundary] as features [n, views, channels]: means over the area."""
    means: Floats = activations.reshape(*activations.shape[:3], -1).mean(-1)
    return means


def _cached(rows: Floats, labels: npt.NDArray[np.int64], cache: Path | None) -> Coefficients:
    if cache is None or not _is_private(cache):
        return _fit(rows, labels)
    version = importlib.metadata.version("scikit-learn")
    key = hashlib.sha256(f"{version} {C} {MAX_ITERATIONS} {rows.shape}".encode())
    key.update(np.ascontiguousarray(rows).data)
    key.update(labels.data)
    path = cache / f"{key.hexdigest()[:24]}.fit"
    coefficients = _read(path, key.digest())
    if coefficients is None:
        coefficients = _fit(rows, labels)
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
        return Coefficients(**arrays)


def _checksum(key: bytes, cached: bytes) -> bytes:
    return hashlib.sha256(key + cached).digest()


def _fit(rows: Floats, labels: npt.NDArray[np.int64]) -> Coefficients:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # Features of a random network can take longer; what is reached by then is baseline enough.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(C=C, max_iter=MAX_ITERATIONS).fit(rows, labels)
    weights, bias = fitted.coef_.astype(np.float32), fitted.intercept_.astype(np.float32)
    if len(fitted.classes_) == 2:  # one row of coefficients, for the second class
        weights, bias = np.concatenate([0 * weights, weights]), np.concatenate([0 * bias, bias])
    return Coefficients(weights, bias, fitted.classes_)


def _score(photos: CachedPhotos, coefficients: Coefficients, classes: int) -> Scores:
    weights, bias, known = coefficients
    parts = []
    for start in range(0, len(photos), SCORED_AT_ONCE):
        taken = np.arange(start, min(start + SCORED_AT_ONCE, len(photos)))
        logits = pooled(photos.features(taken)) @ weights.T + bias
        parts.append(mean_log_probabilities(torch.from_numpy(logits)))
    every = torch.full((len(photos), classes), NEVER)
    every[:, torch.from_numpy(known)] = torch.cat(parts)
    return Scores(every, torch.from_numpy(photos.labels))
