"""What the engine's precision costs: heads on its features against heads on fp32 features.

A head that sees the same photos gives the same weights whether the frozen features come from a
store or from the backbone in every epoch, so fp32 features stand for the plain way's accuracy.

python tests/benchmarks/precision.py PHOTOS WEIGHTS
"""

import json
import sys
import tempfile
from pathlib import Path
from unittest import mock

from common import row, title

from dogbreed.configuration.composing import compose
from dogbreed.runtime.engine import EngineChoice, choose_engine
from dogbreed.runtime.runner import F32, OPENVINO
from dogbreed.training import preparation
from dogbreed.training.run import train

SEEDS = (0, 1, 2)


def mean_top1(arguments: list[str], choice: EngineChoice, work: Path) -> float:
    """Test top-1 over the seeds, with features of one engine and precision."""
    shares = []
    with mock.patch.object(preparation, "choose_engine", return_value=choice):
        for seed in SEEDS:
            run = train(compose([*arguments, f"seed={seed}", f"output_root={work / 'outputs'}"]))
            shares.append(json.loads((run / "metrics.json").read_text("utf-8"))["test"]["top1"])
    return float(sum(shares) / len(shares))


def main(root: str, weights: str) -> None:
    arguments = [f"data.root={root}", f"model.weights={weights}"]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        arguments.append(f"features.root={work / 'features'}")
        engine_top1 = mean_top1(arguments, choose_engine(), work)
        plain = mean_top1(arguments, EngineChoice(OPENVINO, F32, "the benchmark's"), work)
    title(f"accuracy of the engine's features, mean of seeds {SEEDS}")
    print(
        f"  test top-1: {engine_top1:.2%} from the engine's features, "
        f"{plain:.2%} from fp32 features"
    )
    row(
        "points lower than the plain way",
        f"{100 * (plain - engine_top1):.2f}",
        "<= 0.5",
        plain - engine_top1 <= 0.005,
    )


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()), str(Path(sys.argv[2]).resolve()))
