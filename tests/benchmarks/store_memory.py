"""Memory of a training epoch over a store of 6,000 rows and over one of 600,000.

Each size in a process of its own, as a process's peak never falls.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from common import one_epoch, peak_bytes, row, timed, title

from dogbreed.backbone.architecture import empty_backbone
from dogbreed.data.batches import BatchLoader, CachedPhotos, TrainBatches
from dogbreed.features.cache import FeatureCache, Recipe
from dogbreed.model import BreedClassifier

WIDTH = 2048
CLASSES = 120
SIZES = (6_000, 600_000)


RECIPE = Recipe(
    backbone="resnet50",
    weights="0",
    boundary="head",
    preprocessing={},
    view="centre",
    engine="torch",
    precision="f32",
    versions={},
    dtype="float16",
    shape=(WIDTH,),
)


def digests_of(rows: range) -> list[bytes]:
    return [number.to_bytes(32) for number in rows]


def generate(root: Path, rows: int) -> None:
    """A store of random features."""
    random, store = np.random.default_rng(0), FeatureCache(root, RECIPE)
    for first in range(0, rows, 1000):
        digests = digests_of(range(first, first + 1000))
        store.append(digests, random.random((1000, WIDTH), np.float32))


def epoch(root: Path, rows: int) -> None:
    """One training epoch in this process; prints its peak memory."""
    store = FeatureCache(root, RECIPE)
    numbers = store.rows(digests_of(range(rows)))
    labels = np.arange(rows) % CLASSES
    dataset = CachedPhotos([store.reader()], [numbers], labels.tolist())
    loader = BatchLoader(dataset, TrainBatches(rows, 1, 64, seed=0))
    names = [str(number) for number in range(CLASSES)]
    model = BreedClassifier(names, backbone=empty_backbone("resnet50", "head"))
    one_epoch(model, loader)
    print(peak_bytes())


def main() -> None:
    title("memory of a training epoch from the store")
    peaks = []
    with tempfile.TemporaryDirectory() as temporary:
        for rows in SIZES:
            root = Path(temporary, str(rows))
            generate(root, rows)
            done = timed([sys.executable, __file__, str(root), str(rows)], Path.cwd())
            peaks.append(int(done.stdout.split()[-1]))
            size_gb = rows * WIDTH * 2 / 1e9
            print(f"  {rows:,} rows ({size_gb:.2f} GB): {peaks[-1] / 1e9:.3f} GB")
    growth = peaks[1] / peaks[0] - 1
    row("peak memory with a hundred times the rows", f"{growth:+.1%}", "<= +20 %", growth <= 0.2)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        epoch(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
