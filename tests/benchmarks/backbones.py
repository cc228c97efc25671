"""EfficientNet-Lite against ResNet50: accuracy, speed, size, and alarms of healthy runs.

python tests/benchmarks/backbones.py PHOTOS WEIGHTS
"""

import json
import sys
import tempfile
from pathlib import Path

from common import row, title, train
from feature_pass import photos_per_s
from predictor import milliseconds

SEEDS = (0, 1, 2, 3, 4)
MEASURED_SEEDS = 3  # of accuracy
LITE, RESNET = "efficientnet_lite2", "resnet50"


def main(root: str, weights: str) -> None:
    chosen = {
        LITE: [f"model.backbone={LITE}"],
        RESNET: [f"model.weights={weights}"],
        "efficientnet_lite0": ["model.backbone=efficientnet_lite0"],
        "efficientnet_lite1": ["model.backbone=efficientnet_lite1"],
    }
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        for name, data in (("real photos", [f"data.root={root}"]), ("samples", [])):
            title(f"default recipe on {name}")
            place = work / name  # outputs/latest isn't moved from real photos to samples
            place.mkdir()
            for backbone, settings in chosen.items():
                runs([*data, *settings], backbone, place, work / "cache")
        title("one photo, one view, two cores")
        photo = next(Path(root, "test").rglob("*.jpg"))
        for backbone, target_ms in ((LITE, 15), (RESNET, None)):
            train(
                [f"data.root={root}", *chosen[backbone], "features.average=false"],
                work,
                work / "cache",
            )
            took = milliseconds(work / "outputs" / "latest", photo, "openvino", 2)
            limit = f"<= {target_ms} ms" if target_ms else ""
            row(backbone, f"{took:.1f} ms", limit, not target_ms or took <= target_ms)
            size = folder_mb(work / "outputs" / "latest" / "model")
            row(f"{backbone}: model folder", f"{size:.0f} MB", "<= 40 MB", size <= 40)
        title("feature pass, photos a second, in turn")
        rates = [photos_per_s(Path(root), LITE, "auto"), photos_per_s(Path(root), RESNET, weights)]
        ratio = rates[0] / rates[1]
        measured = f"{ratio:.2f} ({rates[0]:.0f} / {rates[1]:.0f})"
        row(f"{LITE} / {RESNET}", measured, ">= 2", ratio >= 2)


def runs(arguments: list[str], backbone: str, work: Path, cache: Path) -> None:
    """Train with each seed; the accuracy of the first ones, and what the rules said of all."""
    accuracies, alarms = [], []
    for seed in SEEDS:
        _, metrics = train([*arguments, f"seed={seed}"], work, cache)
        accuracies.append(100 * metrics["test"]["top1"])
        rules = json.loads((work / "outputs/latest/debug/rules.json").read_text("utf-8"))
        alarms += [f"{rule['name']} ({seed})" for rule in rules if rule["state"] == "fired"]
    is_real = any(argument.startswith("data.root") for argument in arguments)
    target = {LITE: 81.0, RESNET: 76.5}.get(backbone, 0.0) if is_real else 90.0
    shown = ", ".join(f"{accuracy:.1f}" for accuracy in accuracies[:MEASURED_SEEDS])
    lowest = min(accuracies[:MEASURED_SEEDS])
    row(f"{backbone}: test top-1, seeds 0 1 2", f"{shown} %", f">= {target} %", lowest >= target)
    row(f"{backbone}: alarms", ", ".join(alarms) or "none", "none", not alarms)


def folder_mb(folder: Path) -> float:
    """The size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:3])
