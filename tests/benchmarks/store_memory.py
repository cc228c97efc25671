"""Memory of a training epoch over a store of 6,000 rows and over one of 600,000.

Each size in a process of its own, as a process's peak never falls.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from common import one_epoch, peak_bytes, row, timed, title

from dogbreed.backbone.architecture import empty_backbone
from dogbreed.backbone.features import FeatureReader
from dogbreed.data.batches import BatchLoader, StoredPhotos, TrainBatches
from dogbreed.model import BreedClassifier

WIDTH = 2048
CLASSES = 120
SIZES = (6_000, 600_000)


def generate(path: Path, rows: int) -> None:
    """A file of random features, as the store writes them."""
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        for _ in range(rows // 1000):
            file.write(random.random((1000, WIDTH), np.float32).astype(np.float16).tobytes())


def epoch(path: Path, rows: int) -> None:
    """One training epoch in this process; prints its peak memory."""
    reader = FeatureReader(path, rows, (WIDTH,), np.dtype(np.float16))
    labels = np.arange(rows) % CLASSES
    dataset = StoredPhotos([reader], [np.arange(rows)], labels.tolist())
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
            path = Path(temporary, "features.bin")
            generate(path, rows)
            done = timed([sys.executable, __file__, str(path), str(rows)], Path.cwd())
            peaks.append(int(done.stdout.split()[-1]))
            print(f"  {rows:,} rows ({path.stat().st_size / 1e9:.2f} GB): {peaks[-1] / 1e9:.3f} GB")
    growth = peaks[1] / peaks[0] - 1
    row("peak memory with a hundred times the rows", f"{growth:+.1%}", "<= +20 %", growth <= 0.2)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        epoch(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
