"""Folders of runs that never were, hundreds of them in a second, for lists and comparisons."""

import json
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dogbreed.evaluation.metrics.intervals import wilson
from dogbreed.run_records.answers import pack_answers
from dogbreed.run_records.record import RunRecord, classes_digest
from dogbreed.utils.csv_cells import csv_line

FIRST = datetime(2026, 1, 1, 12)
NAMES = ("Akita", "Beagle", "Collie")


def split_of(top1: float, n: int = 1200, loss: float = 1.2) -> dict[str, Any]:
    """The metrics of a split as metrics.json has them."""
    near = (loss - 0.05, loss + 0.05)
    return {
        "loss": loss,
        "top1": top1,
        "top5": min(1.0, top1 + 0.1),
        "macro_f1": top1,
        "n": n,
        "ci95": {
            "loss": near,
            "top1": wilson(round(top1 * n), n),
            "top5": wilson(round(min(1.0, top1 + 0.1) * n), n),
            "macro_f1": wilson(round(top1 * n), n),
        },
    }


def folder_name(number: int, name: str = "photos") -> str:
    return f"{FIRST + timedelta(minutes=number):%Y%m%d-%H%M%S}-{name}"


def write_run(
    root: Path,
    number: int = 0,
    *,
    name: str = "photos",
    classes: Sequence[str] = NAMES,
    photos: Sequence[tuple[int, Path]] = (),
    predicted: Sequence[int] = (),
    table: bool = True,
    finished: bool = True,
    valid: float = 0.75,
    test: float = 0.77,
    **record: Any,
) -> Path:
    """A run's folder as a training leaves it, as far as lists and comparisons read it.

    `photos` are classes and paths of test photos; without `table` there is no predictions.csv.
    """
    folder = root / folder_name(number, name)
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.json").write_text("{}")
    (folder / "data.json").write_text("{}")
    values: dict[str, Any] = {
        "data": "photos",
        "classes": len(classes),
        "classes_sha256": classes_digest(classes),
        "changes": {},
        **record,
    }
    if finished:
        if photos:
            test = sum(t == p for (t, _), p in zip(photos, predicted, strict=True)) / len(photos)
            values["test_answers"] = pack_answers(
                f"{len(photos)} photos of {photos[0][1]}",
                [target for target, _ in photos],
                predicted,
                len(classes),
            )
            if table:
                _write_predictions(folder, classes, photos, predicted)
        splits = {"valid": split_of(valid), "test": split_of(test, len(photos) or 1200)}
        values = {"seconds": 165.25, "data_fingerprint": "9f2c41d0", "splits": splits, **values}
        _write_metrics(folder, splits, classes)
        (folder / "report.html").write_text("<!DOCTYPE html><title>report</title>")
    RunRecord(**values).write(folder)
    return folder


def _write_metrics(folder: Path, splits: Mapping[str, Any], classes: Sequence[str]) -> None:
    values = {**splits, "seconds": {"total": 165.25}, "classes": {name: {} for name in classes}}
    (folder / "metrics.json").write_text(json.dumps(values), "utf-8")


def _write_predictions(
    folder: Path,
    classes: Sequence[str],
    photos: Sequence[tuple[int, Path]],
    predicted: Sequence[int],
) -> None:
    lines = [csv_line(("split", "class", "predicted", "probability", "path"))]
    lines.append(csv_line(("valid", classes[0], classes[0], 0.5, "elsewhere.jpg")))
    for (target, path), answer in zip(photos, predicted, strict=True):
        lines.append(csv_line(("test", classes[target], classes[answer], "0.500000", path)))
    (folder / "predictions.csv").write_text("".join(lines), "utf-8", "surrogateescape", newline="")


def write_runs(root: Path, count: int, *, classes: int = 120, per_class: int = 10) -> list[Path]:
    """Runs over the same test photos with different settings; the last one is the latest."""
    names = [f"n{number:08}-Some_breed_of_dogs" for number in range(classes)]
    photos = [
        (label, root.parent / "photos" / "test" / names[label] / f"n{label:08}_{number}.jpg")
        for label in range(classes)
        for number in range(per_class)
    ]
    random_ = random.Random(0)
    folders = []
    for number in range(count):
        predicted = [
            label if random_.random() < 0.75 else random_.randrange(classes) for label, _ in photos
        ]
        changes = {
            "model.backbone": random_.choice(["efficientnet_lite2", "resnet18"]),
            "optim.lr": round(10 ** random_.uniform(-4, -1), 6),
            "data.batch_size": random_.choice([32, 64, 128]),
            "seed": number,
        }
        folders.append(
            write_run(
                root,
                number,
                classes=names,
                photos=photos,
                predicted=predicted,
                table=number == count - 1,  # the page reads the photos of a test set once
                valid=random_.uniform(0.7, 0.8),
                changes=changes,
            )
        )
    if folders:
        (root / "latest").symlink_to(folders[-1].name)
    return folders
