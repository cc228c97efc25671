"""A whole search on this machine: 20 trials of 20 epochs, the store cold and warm.

python tests/benchmarks/search.py PHOTOS WEIGHTS
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from common import plain_epoch_seconds, row, timed, title

LAUNCH = Path(__file__).parents[2] / "launch"
TRIALS = EPOCHS = 20


def main(root: str, weights: str) -> None:
    photos = [f"data.root={root}", f"model.weights={weights}", "data.fraction=1"]
    search = [
        *("tune.py", "+experiment=hpo", "launcher=local", *photos),
        *(f"search.trials={TRIALS}", f"trainer.epochs={EPOCHS}"),
    ]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        cold = launch(work, *search, "search.name=cold")
        warm = launch(work, *search, "search.name=warm")
        best = yaml.safe_load((work / "outputs/searches/cold/best.yaml").read_text("utf-8"))
        launch(work, "train.py", "best=cold")
        tuned = metrics(work)
        launch(work, "train.py", "launcher=local", "best=null", *photos)
        plain = metrics(work)
        epoch_s = plain_epoch_seconds(Path(root), weights)
    title(f"a search of {TRIALS} trials, {EPOCHS} epochs each, launcher=local")
    row("the feature store cold", f"{cold:.0f} s", "<= 360 s", cold <= 360)
    row("the feature store warm", f"{warm:.0f} s", "<= 120 s", warm <= 120)
    ratio = TRIALS * EPOCHS * epoch_s / cold
    row("faster than through the eager backbone", f"{ratio:.0f} x", ">= 200 x", ratio >= 200)
    print(f"  an epoch through the eager backbone takes {epoch_s:.0f} s")
    print(f"  best of the search: {best['parameters']}")
    for metric, sign, form in (("top1", 1, ".1%"), ("loss", -1, ".4f")):
        best_value, default = tuned["valid"][metric], plain["valid"][metric]
        target = f"{'>' if sign > 0 else '<'} {default:{form}}"
        row(
            f"validation {metric} of its best",
            f"{best_value:{form}}",
            target,
            sign * best_value > sign * default,
        )
    top1, (low, high) = tuned["test"]["top1"], tuned["test"]["ci95"]["top1"]
    row("test top-1 of the best", f"{top1:.1%}", ">= 76.5 %", top1 >= 0.765)
    print(f"  (95 %: {low:.1%} to {high:.1%}; the default: {plain['test']['top1']:.1%})")


def launch(work: Path, script: str, *arguments: str) -> float:
    """Seconds of one of launch/."""
    command = [sys.executable, str(LAUNCH / script), *arguments]
    return timed(command, work, DOGBREED_CACHE=str(work / "cache")).seconds


def metrics(work: Path) -> dict[str, Any]:
    """What the newest run came to."""
    values: dict[str, Any] = json.loads((work / "outputs/latest/metrics.json").read_text("utf-8"))
    return values


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()), str(Path(sys.argv[2]).resolve()))
