"""What a run says of itself in its first and its last line, where its metrics mean little."""

from pathlib import Path

from dogbreed.backbone.architecture import ALL
from dogbreed.backbone.weights import NONE
from dogbreed.configuration.run import Config
from dogbreed.data.sets.samples import SAMPLES
from dogbreed.run_records.record import METRICS_FILE
from dogbreed.training.path_check import RUN_FILE
from dogbreed.training.run_folder import log
from dogbreed.utils.documents import DocumentError, read_yaml


def on_samples(config: Config) -> bool:
    """Whether a run is on the built-in sample photos."""
    data = config.data
    return data.root is None and data.feature_set is None and data.source == SAMPLES


def notes(config: Config) -> list[str]:
    """Why the metrics of this run say nothing about real photos; empty where they do."""
    found = []
    if on_samples(config):
        found.append(
            "No data.root: the photos are the built-in sample set, drawn by a program, so the "
            "metrics say nothing about real photos."
        )
    if config.model.weights == NONE and config.model.trainable != ALL:
        found.append(
            "model.weights=none: the metrics are meaningless, because the backbone has random "
            "weights."
        )
    return found


def log_notes(config: Config) -> None:
    """Log in one line why the metrics say nothing about real photos, if they don't."""
    if found := notes(config):
        log.warning("%s", " ".join(found))


def latest_to_keep(config: Config, folder: Path) -> Path | None:
    """The run on real photos that outputs/latest points to, if a run on the samples is finished.

    `folder` is that of the run on the samples; None: outputs/latest moves to it.
    """
    if not on_samples(config):
        return None
    latest = folder.parent / "latest"
    if not (latest / METRICS_FILE).is_file():
        return None
    try:
        data = read_yaml(latest / RUN_FILE)["data"]
        real = data["root"] is not None or data["feature_set"] is not None
        real = real or data["source"] != SAMPLES
    except (DocumentError, KeyError, TypeError):
        return None  # nothing says that it is one
    return latest.resolve() if real else None
