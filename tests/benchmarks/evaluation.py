"""Calibration, folds, the logistic regression tuned on validation, and the rate finder's rate.

python tests/benchmarks/evaluation.py PHOTOS WEIGHTS
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import row, title, train
from sklearn.linear_model import LogisticRegression

from dogbreed.configuration.composing import compose
from dogbreed.data.layouts.splits import SPLITS
from dogbreed.training.features import cached_features
from dogbreed.training.preparation import prepare
from dogbreed.utils.clock import Clock

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
RATES = np.geomspace(3e-5, 10, 12)


def main(root: str, weights: str) -> None:
    common = [f"data.root={root}", f"model.weights={weights}"]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        cache = work / "cache"
        runs = [train([*common, f"seed={seed}"], work, cache)[1] for seed in (0, 1, 2)]
        folds = train([*common, "evaluate.folds=5"], work, cache)[1]["folds"]
        found = train([*common, "lr_finder=true"], work, cache)[1]
        sweep = [train([*common, f"optim.lr={rate:g}"], work, cache)[1] for rate in RATES]
        strength, tuned = tuned_regression([*common, f"features.root={cache / 'features'}"])
    title("what a run says of its model")
    for seed, metrics in enumerate(runs):
        error = metrics["test"]["ece_calibrated_share"]
        row(f"test ECE after temperature, seed {seed}", f"{error:.3f}", "<= 0.03", error <= 0.03)
    seconds = folds["seconds"]
    row("5 folds from a warm store", f"{seconds:.1f} s", "<= 30 s", seconds <= 30)
    title(f"test top-1 against logistic regression with C={strength:g}, best on validation")
    for seed, metrics in enumerate(runs):
        top1 = metrics["test"]["top1"]
        row(f"default recipe, seed {seed}", f"{top1:.1%}", f">= {tuned:.1%}", top1 >= tuned)
    title("learning-rate finder against a sweep of 12, validation top-1")
    for rate, metrics in zip(RATES, sweep, strict=True):
        print(f"  lr {rate:.2g}: {metrics['valid']['top1']:.1%}")
    best = max(metrics["valid"]["top1"] for metrics in sweep)
    finder_top1 = found["valid"]["top1"]
    name = f"the finder's rate, {found['lr_finder']['suggestion']:g}"
    row(name, f"{finder_top1:.1%}", f">= {best - 0.01:.1%}", finder_top1 >= best - 0.01)


def tuned_regression(arguments: list[str]) -> tuple[float, float]:
    """The strength that is best on the validation photos, and its test top-1, both views."""
    stored = cached_features(prepare(compose(arguments), Clock()), Clock())
    assert stored is not None
    features = {split: stored[split].features(np.arange(len(stored[split]))) for split in SPLITS}
    views = stored["train"].views
    rows = features["train"].reshape(-1, features["train"].shape[-1])
    labels = np.repeat(stored["train"].labels, views)

    def top1(fitted: Any, split: str) -> float:
        averaged = np.mean([fitted.predict_proba(features[split][:, v]) for v in range(views)], 0)
        return float((averaged.argmax(1) == stored[split].labels).mean())

    fits = [LogisticRegression(C=c, max_iter=300).fit(rows, labels) for c in STRENGTHS]
    best = max(range(len(fits)), key=lambda index: top1(fits[index], "valid"))
    return STRENGTHS[best], top1(fits[best], "test")


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()), str(Path(sys.argv[2]).resolve()))
