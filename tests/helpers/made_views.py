"""Cached features made here: two views of photos of classes that lie apart."""

import numpy as np

from dogbreed.data.batches import CachedPhotos

Arrays = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def features(n: int, seed: int, classes: int = 3, width: int = 8) -> tuple[Arrays, list[int]]:
    """Two views [n, 2, width] of photos of some classes, which lie apart."""
    random = np.random.default_rng(seed)
    labels = np.sort(random.integers(classes, size=n))
    centres = np.random.default_rng(0).normal(size=(classes, width))
    rows = centres[labels][:, None] + random.normal(size=(n, 2, width))
    return rows.astype(np.float32), labels.tolist()


def stored(rows: Arrays, labels: list[int]) -> CachedPhotos:
    """As if they were cached."""
    numbers = np.arange(len(rows))
    return CachedPhotos([rows[:, 0], rows[:, 1]], [numbers, numbers], labels)
