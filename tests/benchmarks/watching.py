"""What the debugger and the profiler cost, what they find, and what they leave in peace.

python tests/benchmarks/watching.py PHOTOS WEIGHTS
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import row, title, train

from dogbreed.debug.recording.records import read_recording

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.planted import FAULTS, fired, watch

PAIRS, LIVE_PAIRS = 5, 3
EPOCHS = 60
# A photo of each class, in one view: an eager backbone takes a minute for two epochs of that.
LIVE = ("features.store=false", "features.views=1", "data.fraction=0.02", "trainer.epochs=2")
SEEDS = 10
PLAIN = ("evaluate.baseline=false", "artifact.openvino=false", "trainer.patience=0")

# A head over made features for so many steps, and what it holds of memory on the way.
STEPS_IN_MEMORY = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import psutil
import pytorch_lightning as pl
from helpers import planted
from dogbreed.debug.debugger import Debugger
from dogbreed.debug.profiling.time_profiler import TimeProfiler

training = planted.healthy()
batch = next(iter(training.train))
profiler = TimeProfiler()

class Endless:
    def __iter__(self):
        for number in range(100_000):
            if number in (10_000, 99_999):
                print(psutil.Process().memory_info().rss, flush=True)
            yield batch

trainer = pl.Trainer(accelerator="cpu", max_epochs=1, limit_val_batches=0, logger=False,
    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    callbacks=[Debugger(sys.argv[2])], profiler=profiler)
trainer.fit(training.module, Endless(), training.valid)
"""


def main(root: Path, weights: str) -> None:
    photos = [f"data.root={root}", f"model.weights={weights}", *PLAIN]
    with tempfile.TemporaryDirectory() as temporary:
        cwd = Path(temporary)
        cache = cwd / "cache"
        train([*photos, "trainer.epochs=1"], cwd, cache)  # fills the store
        title(f"what watching costs, {PAIRS} and {LIVE_PAIRS} pairs in turn")
        stored = [*photos, f"trainer.epochs={EPOCHS}"]
        more = cost(stored, cwd, cache, PAIRS)
        row("of an epoch from the store", f"{more:+.1%}", "<= +15 %", more <= 0.15)
        more = cost([*photos, *LIVE], cwd, cache, LIVE_PAIRS)
        row("of an epoch of live, augmented photos", f"{more:+.1%}", "<= +3 %", more <= 0.03)
        title("what it keeps")
        recording = cwd / "outputs/latest/debug/recording"
        train(stored, cwd, cache)
        steps = len(read_recording(recording).steps["step"])
        per_step = recording.stat().st_size / steps
        row(f"bytes per step, of {steps} steps", f"{per_step:.1f}", "<= 100", per_step <= 100)
        grown = growth(cwd)
        row("memory from step 10,000 to 100,000", f"{grown:+.2%}", "<= +1 %", grown <= 0.01)
        title("what it finds")
        found = [fired(watch(fault(), cwd / "planted")) == {rule} for fault, rule in FAULTS.items()]
        row("planted faults, each found alone", f"{sum(found)} of {len(found)}", "all", all(found))
        alarms = 0
        for seed, lr in enumerate(np.geomspace(1e-4, 1e-2, SEEDS)):
            train([*photos[:-1], f"seed={seed}", f"optim.lr={lr:.3g}"], cwd, cache)
            rules = json.loads((cwd / "outputs/latest/debug/rules.json").read_text("utf-8"))
            names = [rule["name"] for rule in rules if rule["state"] == "fired"]
            print(f"  seed {seed}, rate {lr:.2g}: {', '.join(names) or 'nothing'}", flush=True)
            alarms += bool(names)
        row(f"false alarms in {SEEDS} healthy runs", str(alarms), "0", alarms == 0)


def cost(arguments: Sequence[str], cwd: Path, cache: Path, pairs: int) -> float:
    """How much longer the epochs take with all of it than without, as a share."""
    ratios = []
    for _ in range(pairs):
        without = seconds(train([*arguments, "debug.enabled=false"], cwd, cache)[1])
        watched = seconds(train(arguments, cwd, cache)[1])
        print(f"  {without:.2f} s without, {watched:.2f} s with", flush=True)
        ratios.append(watched / without)
    return statistics.median(ratios) - 1


def seconds(metrics: dict[str, Any]) -> float:
    """Of the training; validation is a part of the fit where nobody tells them apart."""
    return float(metrics["seconds"]["fit"] + metrics["seconds"].get("validation", 0.0))


def growth(cwd: Path) -> float:
    """Of resident memory, from ten thousand steps to a hundred thousand."""
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", STEPS_IN_MEMORY, tests, str(cwd / "memory")],
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = (int(line) for line in done.stdout.split() if line.isdigit())
    return after / before - 1


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), str(Path(sys.argv[2]).resolve()))
