"""dogbreed.Run: a finished training, opened from its folder."""

import csv
import heapq
import html
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from dogbreed.data.layouts.splits import TEST
from dogbreed.errors import ArtifactError
from dogbreed.report.formatting import percent, seconds, shown
from dogbreed.report.thumbnails import thumbnails
from dogbreed.run_records.best import choose_run
from dogbreed.serving.predictor import Predictor
from dogbreed.utils.csv_cells import text_of
from dogbreed.utils.documents import DocumentError, read_bytes, read_json, read_yaml
from dogbreed.utils.nouns import counted

CONFIG_FILE, METRICS_FILE = "config.yaml", "metrics.json"
PREDICTIONS_FILE, REPORT_FILE = "predictions.csv", "report.html"
MAX_PREDICTIONS_BYTES = 256 * 2**20  # of a million photos
MAX_MISTAKES = 6  # that are shown: a row of 800 pixels


@dataclass(frozen=True)
class Mistake:
    """A test photo that was predicted as another class than its own."""

    path: Path
    class_name: str
    predicted: str
    probability: float


class Run:
    """A finished training: its configuration, metrics, report and model.

    In a notebook it is shown with its result and the test photos that it was most wrong about.

    Args:
        folder: of a run, such as "outputs/latest", or one of the names "best" and "latest". It
            stays the run that the name stands for now.

    Raises:
        ArtifactError: there is no run, or one that isn't finished, or a file of it is damaged.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        chosen = choose_run(Path(folder)).folder
        self.folder = chosen.resolve()
        self._metrics = _finished(chosen)
        self._top1 = _top1_of(self._metrics, self.folder)

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json: the metrics by split, the seconds by phase, ..."""
        return self._metrics

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration as nested values, every "auto" resolved.

        Raises:
            ArtifactError: config.yaml is damaged.
        """
        return _read(self.folder / CONFIG_FILE)

    @cached_property
    def predictor(self) -> Predictor:
        """The trained model, loaded when it is first used.

        Raises:
            ArtifactError, EngineError: as `dogbreed.load`.
        """
        return Predictor.load(self.folder)

    @property
    def report(self) -> Path:
        """The page with everything about the run, which any browser opens."""
        return self.folder / REPORT_FILE

    def __repr__(self) -> str:
        return f"Run({shown(self.folder)}: {self._top1})"

    def _repr_html_(self) -> str:
        """The result, and a row of the test photos with the most probable wrong predictions."""
        lines = [f"<b>{html.escape(self._top1)}</b>", html.escape(self._summary())]
        return f"<div>{'<br>'.join(lines)}{self._mistakes_row()}</div>"

    def _summary(self) -> str:
        """Data, network and time, as far as the files of the run have them."""
        parts = []
        data, model = self.config.get("data"), self.config.get("model")
        if isinstance(data, dict):
            parts.append(data.get("root") or data.get("feature_set") or data.get("source"))
        if isinstance(model, dict):
            parts.append(model.get("backbone"))
        measured = self._metrics.get("seconds")
        total = measured.get("total") if isinstance(measured, dict) else None
        if isinstance(total, int | float):
            parts.append(seconds(total))
        return ", ".join(shown(part) for part in (*parts, self.folder) if part)

    def _mistakes_row(self) -> str:
        """The photos that can still be read, each over its class and the predicted one."""
        wrong = heapq.nlargest(MAX_MISTAKES, _mistakes(self.folder), lambda each: each.probability)
        photos = thumbnails(Path(), (each.path for each in wrong))
        cells = [
            "<div style='flex:0 0 120px'>"
            f"<img src='{photos[each.path].uri}' alt='' style='width:120px;height:120px;"
            "object-fit:cover;margin:0'>"
            f"<div>{self._shown_class(each.class_name)}</div>"
            f"<div>→ {self._shown_class(each.predicted)}, {percent(each.probability, digits=0)}"
            "</div></div>"
            for each in wrong
            if photos[each.path].uri
        ]
        if not cells:
            return ""
        return (
            "<div style='margin-top:0.8em'>Most probable wrong predictions on test photos (class → "
            "predicted):</div><div style='display:flex;gap:12px;overflow-x:auto;font-size:0.85em;"
            f"line-height:1.3;overflow-wrap:anywhere'>{''.join(cells)}</div>"
        )

    def _shown_class(self, name: str) -> str:
        """A class as people read it, as HTML."""
        classes = self._metrics.get("classes")
        known = classes.get(name) if isinstance(classes, dict) else None
        label = known.get("display_name", name) if isinstance(known, dict) else name
        return html.escape(shown(label))


def _finished(folder: Path) -> dict[str, Any]:
    """The metrics of the finished run in a folder."""
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: there is no such folder.")
    config = folder / CONFIG_FILE
    if not config.is_file():
        raise ArtifactError(
            f"{folder} isn't the folder of a run (no {CONFIG_FILE}): give one, such as "
            "outputs/latest."
        )
    if "trainer" not in _read(config):
        raise ArtifactError(
            f"{folder} has the results of another command, not of a training: give the folder of a "
            "run, such as outputs/latest."
        )
    if not (folder / METRICS_FILE).exists():
        raise ArtifactError(
            f"{folder}: this run isn't finished (no {METRICS_FILE}). Unless it is still running, "
            "the same command, or call of dogbreed.fit, with resume=auto continues it."
        )
    return _read(folder / METRICS_FILE)


def _read(path: Path) -> dict[str, Any]:
    """What a JSON or YAML file of a run holds."""
    try:
        return read_json(path) if path.suffix == ".json" else read_yaml(path)
    except DocumentError as error:
        raise ArtifactError(f"{path} {error}.") from error


def _top1_of(metrics: dict[str, Any], folder: Path) -> str:
    """The result in one line, of metrics that have it."""
    try:
        test = metrics[TEST]
        low, high = (float(bound) for bound in test["ci95"]["top1"])
        top1, photos = percent(float(test["top1"])), counted(int(test["n"]), "test photo")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ArtifactError(
            f"{folder / METRICS_FILE} has no top-1 of the test photos with its interval: it is "
            "damaged, or no training's."
        ) from error
    return f"Top-1 {top1} of {photos} (95 %: {100 * low:.1f} to {100 * high:.1f} %)"


def _mistakes(folder: Path) -> Iterator[Mistake]:
    """The wrong predictions of test photos in predictions.csv, as far as it can be read."""
    try:
        text = read_bytes(folder / PREDICTIONS_FILE, MAX_PREDICTIONS_BYTES)
    except DocumentError:
        return
    lines = io.StringIO(text.decode("utf-8", "surrogateescape"), newline="")
    try:
        for row in csv.DictReader(lines):
            mistake = _mistake_of(row)
            if mistake is not None:
                yield mistake
    except csv.Error:
        return


def _mistake_of(row: dict[str, Any]) -> Mistake | None:
    """A row of predictions.csv, where it is a mistake on a test photo."""
    try:
        split, class_name, predicted, path = (
            text_of(row[name]) for name in ("split", "class", "predicted", "path")
        )
        probability = float(row["probability"])
    except (KeyError, TypeError, ValueError):
        return None
    if split != TEST or class_name == predicted or not math.isfinite(probability):
        return None
    return Mistake(Path(path), class_name, predicted, probability)
