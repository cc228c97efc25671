"""Whole runs: store cold and warm, seeds, memory, and the plain way through the backbone.

python tests/benchmarks/whole_run.py PHOTOS WEIGHTS
"""

import sys
import tempfile
from pathlib import Path

from common import plain_epoch_seconds, row, title, train

EPOCHS = 20


def main(root: str, weights: str) -> None:
    common = [f"data.root={root}", f"model.weights={weights}"]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        cold, first = train(common, work, work / "cache")
        warm, second = train(common, work, work / "cache")
        others = [train([*common, f"seed={seed}"], work, work / "cache")[1] for seed in (1, 2)]
        plain = EPOCHS * plain_epoch_seconds(Path(root), weights)
    title("whole runs, default recipe")
    epoch = second["seconds"]["fit"] / len(second["epochs"])
    name = f"an epoch from the store, {first['train']['n']} photos, batch 64"
    row(name, f"{epoch:.2f} s", "<= 0.3 s", epoch <= 0.3)
    row(
        "a second run, from command to results",
        f"{warm.seconds:.1f} s",
        "<= 15 s",
        warm.seconds <= 15,
    )
    peak = max(cold.peak_bytes, warm.peak_bytes) / 1e9
    row("peak memory of a run", f"{peak:.2f} GB", "<= 1.5 GB", peak <= 1.5)
    ratio = plain / cold.seconds
    print(f"  the first run took {cold.seconds:.0f} s, the plain way would take {plain:.0f} s")
    row(
        f"faster than {EPOCHS} epochs through the eager backbone",
        f"{ratio:.1f} x",
        ">= 20 x",
        ratio >= 20,
    )
    for seed, metrics in enumerate([first, *others]):
        top1 = metrics["test"]["top1"]
        row(f"test top-1, seed {seed}", f"{top1:.1%}", ">= 76.0 %", top1 >= 0.76)


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()), str(Path(sys.argv[2]).resolve()))
