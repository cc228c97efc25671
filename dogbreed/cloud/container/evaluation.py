"""The job that measures a trained model on the test photos, and packs it for an endpoint."""

import tarfile
from pathlib import Path

from dogbreed.artifact.packing import pack_model
from dogbreed.artifact.unpacking import unpack_model
from dogbreed.configuration.run import Config
from dogbreed.data.layouts.splits import TEST
from dogbreed.errors import CloudError
from dogbreed.evaluation.metrics.measuring import measure
from dogbreed.serving.predictor import Predictor
from dogbreed.training.evaluate_model import test_scores
from dogbreed.training.preparation import check_photos, find_photos
from dogbreed.training.run_folder import METRICS_FILE, log, log_to_terminal
from dogbreed.utils.files import json_text, write_text
from dogbreed.utils.machine import worker_count
from dogbreed.utils.metric_lines import TEST_TOP1, result_line

ARCHIVE = "model.tar.gz"  # as SageMaker names the output of a training job


def evaluate(config: Config, channel: Path, metrics_folder: Path, model_dir: Path) -> None:
    """Measure the model in `channel` on the test photos; write metrics.json and the packed model.

    `model_dir` gets what an endpoint serves: the model's files, and the code. SageMaker makes
    another model.tar.gz of it.

    Raises:
        CloudError: the channel has no model, or one with other classes than the photos.
        DogbreedError: the photos or the model can't be used.
    """
    log_to_terminal()
    archive = channel / ARCHIVE
    if not archive.is_file():
        raise CloudError(f"The channel has no {ARCHIVE}: did the training complete?")
    folder = Path("evaluated")
    unpack_model(archive, folder)
    root, config = find_photos(config)
    checked = check_photos(root, config)
    predictor = Predictor.load(folder)
    if predictor.description.classes != checked.folders.classes:
        raise CloudError(
            "The model has other classes than the photos: train and evaluate on the same ones."
        )
    workers = worker_count(config.data.workers)
    scores = test_scores(predictor, checked.folders, workers)
    measured = measure(scores, predictor.description.temperature)
    write_text(metrics_folder / METRICS_FILE, json_text({TEST: measured.as_dict()}))
    log.info(result_line({TEST_TOP1: (measured["top1"], measured.ci95["top1"])}))
    pack_model(folder, Path(ARCHIVE))
    with tarfile.open(ARCHIVE) as tape:
        tape.extractall(model_dir, filter="data")
