"""The job that measures a trained model on the test photos, and packs it for an endpoint."""

import hashlib
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from dogbreed.artifact.packing import pack_model
from dogbreed.artifact.unpacking import unpack_model
from dogbreed.configuration.run import Config
from dogbreed.configuration.search import INDEX
from dogbreed.data.layouts.splits import TEST
from dogbreed.errors import CloudError
from dogbreed.evaluation.metrics.measuring import measure
from dogbreed.run_records.record import METRICS_FILE
from dogbreed.serving.predictor import Predictor
from dogbreed.training.evaluate_model import test_scores
from dogbreed.training.preparation import check_photos, find_photos
from dogbreed.training.run_folder import log, log_to_terminal
from dogbreed.utils.files import json_text, write_text
from dogbreed.utils.machine import worker_count
from dogbreed.utils.metric_lines import TEST_TOP1, result_line

ARCHIVE = "model.tar.gz"  # as SageMaker names the output of a training job


def evaluate(config: Config, channel: Path, metrics_folder: Path) -> Path:
    """Measure the model in `channel` on the test photos; return its folder, unpacked.

    Writes metrics.json, and logs the top-1 accuracy with its interval.

    Raises:
        CloudError: the channel has no model, or one with other classes than the photos.
        DogbreedError: the photos or the model can't be used.
    """
    log_to_terminal()
    archive, folder = channel / ARCHIVE, Path("evaluated")
    if not archive.is_file():
        raise CloudError(f"The channel has no {ARCHIVE}: did the training complete?")
    unpack_model(archive, folder)
    root, config = find_photos(config)
    checked = check_photos(root, config)
    predictor = Predictor.load(folder)
    if predictor.description.classes != checked.folders.classes:
        raise CloudError(
            "The model has other classes than the photos: train and evaluate on the same ones."
        )
    scores = test_scores(predictor, checked.folders, worker_count(config.data.workers))
    measured = measure(scores, predictor.description.temperature)
    write_text(metrics_folder / METRICS_FILE, json_text({TEST: measured.as_dict()}))
    log.info(result_line({TEST_TOP1: (measured["top1"], measured.ci95["top1"])}))
    return folder


def read_wheels(channel: Path, sha256: Mapping[str, str]) -> list[Path]:
    """The wheels in a channel, by the digests in hex that the job was started with.

    Raises:
        CloudError: one is missing, or was replaced in S3.
    """
    for name, expected in sha256.items():
        path = channel / name
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        if found != expected:
            raise CloudError(
                f"{name} in the channel {channel.name} isn't the wheel that the pipeline was "
                "created with: create the pipeline again; check who can write to the bucket."
            )
    return [channel / name for name in sha256]


def pack(folder: Path, model_dir: Path, *, install: str, wheels: Sequence[Path]) -> None:
    """Write what an endpoint serves to `model_dir`: the model's files, code and packages.

    `install` is deploy.install. SageMaker makes another model.tar.gz of it.

    Raises:
        ArtifactError: the model can't be packed so.
    """
    pack_model(folder, Path(ARCHIVE), install=install == INDEX, wheels=wheels)
    with tarfile.open(ARCHIVE) as tape:
        tape.extractall(model_dir, filter="data")
