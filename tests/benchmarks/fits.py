"""What data.fit costs or gains: test top-1 with photos as centre square, letterbox and squashed.

python tests/benchmarks/fits.py PHOTOS WEIGHTS [KEY=VALUE ...] [ANNOTATIONS.json ...]

Photos that were squashed to squares when their set was made have only one fit. COCO annotations of
the original photos give their widths and heights: each photo is first resized to its own
proportions again, its shorter side as it is.
"""

import csv
import json
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image

from dogbreed.configuration.composing import compose
from dogbreed.configuration.run import CROP, FITS
from dogbreed.evaluation.metrics.intervals import interval_of_mean
from dogbreed.training.run import train

SEEDS = (0, 1, 2)


def main(root: str, weights: str, arguments: list[str]) -> None:
    annotations = [Path(each) for each in arguments if each.endswith(".json")]
    settings = [each for each in arguments if not each.endswith(".json")]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        if annotations:
            root = str(unsquashed(Path(root), annotations, work / "photos"))
        print(shapes(Path(root)))
        for backbone in (["efficientnet_lite2"], ["resnet50", f"model.weights={weights}"]):
            chosen = [f"data.root={root}", f"model.backbone={backbone[0]}", *backbone[1:]]
            places = [f"features.root={work / 'features'}", f"output_root={work / 'outputs'}"]
            measure(backbone[0], [*chosen, *places, *settings])


def unsquashed(root: Path, annotations: list[Path], target: Path) -> Path:
    """Copies of the photos in the proportions of their originals."""
    sizes: dict[str, tuple[int, int]] = {}
    for path in annotations:
        for image in json.loads(path.read_text("utf-8"))["images"]:
            sizes[Path(image["file_name"]).name] = (image["width"], image["height"])
    for path in sorted(root.rglob("*.jpg")):
        width, height = sizes[path.name]
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as photo:
            scale = min(photo.size) / min(width, height)
            size = (round(width * scale), round(height * scale))
            photo.resize(size, Image.Resampling.BICUBIC).save(copy, quality=95)
    return target


def shapes(root: Path) -> str:
    """How far the photos are from squares."""
    ratios = []
    for path in root.rglob("*.jpg"):
        with Image.open(path) as photo:
            ratios.append(max(photo.size) / min(photo.size))
    ratios.sort()
    middle, tenth = ratios[len(ratios) // 2], ratios[9 * len(ratios) // 10]
    return (
        f"{len(ratios):,} photos; longer by shorter side: half of them at least {middle:.2f}, a "
        f"tenth at least {tenth:.2f}, at most {ratios[-1]:.2f}"
    )


def measure(backbone: str, arguments: list[str]) -> None:
    """Train with each fit and seed; test top-1, and its difference from that of the crops."""
    rights: dict[str, torch.Tensor] = {}
    for fit in FITS:
        of_seeds = []
        for seed in SEEDS:
            of_seeds.append(
                test_rights(train(compose([*arguments, f"data.fit={fit}", f"seed={seed}"])))
            )
        rights[fit] = torch.stack(of_seeds)  # [seeds, photos]
        photos = rights[fit].mean(0)
        each = ", ".join(f"{100 * float(value):.1f}" for value in rights[fit].mean(1))
        line = f"{backbone} {fit}: {each} %; mean {shown(photos)} %"
        if fit != CROP:
            line += f"; against crop {shown(photos - rights[CROP].mean(0), '+')} points"
        print(line, flush=True)


def test_rights(run: Path) -> torch.Tensor:
    """Whether each test photo is classified rightly, [photos], in the order of their paths."""
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    rows.sort(key=lambda row: row["path"])
    return torch.tensor([float(row["class"] == row["predicted"]) for row in rows])


def shown(values: torch.Tensor, sign: str = "") -> str:
    """The mean over photos in percent, with its 95 % interval."""
    low, high = interval_of_mean(values)
    mean = 100 * float(values.mean())
    return f"{mean:{sign}.1f} ({100 * low:{sign}.1f} to {100 * high:{sign}.1f})"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
