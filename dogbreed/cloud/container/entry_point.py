"""Entry point of the container: run the job of the hyperparameters and write its outputs."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dogbreed.cloud.container.photo_tree import build_photo_tree
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import AUTO
from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import CloudError, DogbreedError
from dogbreed.search.hyperparameters import decode, from_arguments
from dogbreed.search.runner_limits import check_local_search
from dogbreed.utils.documents import DocumentError, json_value
from dogbreed.utils.files import write_text
from dogbreed.utils.printable import printable
from dogbreed.utils.progress import is_main_process

# Hyperparameters that aren't keys of the configuration.
JOB = "job"
TRAIN, TRIAL, EXTRACT, TUNE, EVALUATE = JOBS = ("train", "trial", "extract", "tune", "evaluate")
WEIGHTS_SHA256 = "weights_sha256"  # in hex; the file of the weights channel to use
# deploy.install of a model that a job packs for an endpoint, and the digests of its wheels; the
# latter is their channel too.
INSTALL, SERVING_WHEELS = "serving_install", "serving_wheels"
PHOTOS_SHA256 = "photos_sha256"  # in hex; the listing of the photos channel's objects
NOT_KEYS = frozenset(
    {"_tuning_objective_metric", JOB, WEIGHTS_SHA256, PHOTOS_SHA256, INSTALL, SERVING_WHEELS}
)
TOOLKIT_KEYS = "sagemaker_"  # how the names of the toolkit's begin

PHOTOS, PHOTO_LISTING, FEATURES, WEIGHTS = "photos", "photo_listing", "features", "weights"
MODEL = "model"
WHEELS = "wheels"  # the training toolkit installs them before this module is imported
PHOTO_FOLDER = "photos"
OUTPUTS = "outputs"
NOT_OUTPUT = ("model", "checkpoints")
MAX_FAILURE_CHARACTERS = 1024  # of the failure file; the service truncates more


def run_job(arguments: Sequence[str]) -> None:
    """Run the job that the hyperparameters describe; the toolkit passes them as `--key value`.

    Raises:
        DogbreedError: the job failed; the message is also in SageMaker's failure file.
    """
    os.chdir(_base())  # all paths below are relative, and the same on every instance
    try:
        _run(_hyperparameters(arguments))
    except BaseException as error:
        known = isinstance(error, DogbreedError)
        unforeseen = printable(f"{type(error).__name__}: {error} (see the job's log)")
        reason = str(error) if known else unforeseen
        write_text(Path("output", "failure"), reason[:MAX_FAILURE_CHARACTERS])
        _copy_partial_output()
        raise


def _base() -> Path:
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def _hyperparameters(arguments: Sequence[str]) -> dict[str, str]:
    """The hyperparameters: from the platform's file, or else from the arguments."""
    file = Path("input", "config", "hyperparameters.json")
    if file.is_file():
        try:
            return _checked(json_value(file.read_text("utf-8")))
        except DocumentError as error:
            raise CloudError(
                f"{file} {error}: SageMaker writes this file: start the job again."
            ) from error
    return from_arguments(arguments)


def _checked(sent: Any) -> dict[str, str]:
    if not isinstance(sent, dict) or not all(isinstance(text, str) for text in sent.values()):
        raise DocumentError("doesn't map names to strings")
    return sent


def _run(hyperparameters: Mapping[str, str]) -> None:
    job = decode(hyperparameters.get(JOB, TRAIN))
    keys = {
        name: text
        for name, text in hyperparameters.items()
        if name not in NOT_KEYS and not name.startswith(TOOLKIT_KEYS)
    }
    # The paths of this container override all other values.
    paths = _paths(
        *(decode(hyperparameters.get(name, '""')) for name in (PHOTOS_SHA256, WEIGHTS_SHA256))
    )
    values = {name: decode(text) for name, text in keys.items()} | paths | _processes()
    if job == EXTRACT:
        from dogbreed.cloud.container.extraction import extract

        extract(compose_as(Config, "train", [], values))
        return
    if job == EVALUATE:
        from dogbreed.cloud.container.evaluation import evaluate, pack, read_wheels

        config, channel = compose_as(Config, "train", [], values), Path("input", "data")
        wheels = read_wheels(
            channel / SERVING_WHEELS, decode(hyperparameters.get(SERVING_WHEELS, "{}"))
        )
        folder = evaluate(config, channel / MODEL, Path("checkpoints"))
        install = decode(hyperparameters[INSTALL])
        pack(folder, Path(os.environ["SM_MODEL_DIR"]), install=install, wheels=wheels)
        return
    if job == TUNE:
        from dogbreed.search.local.search import run_local_search

        search = compose_as(TuneConfig, "tune", [], values)
        folder = run_local_search(search, check_local_search(search))
    elif job in (TRAIN, TRIAL):
        from dogbreed.training.run import train

        folder = train(compose_as(Config, "train", [], values), trial=job == TRIAL)
    else:
        raise CloudError(
            f"The hyperparameter {JOB}={job} is unknown: it must be one of {', '.join(JOBS)}."
        )
    if is_main_process():
        _copy_results(folder)


def _job_folder() -> Path:
    """The folder of this job in the checkpoints, which a spot job's next instance gets."""
    return Path("checkpoints", os.environ.get("TRAINING_JOB_NAME", "job"))


def _paths(photos_sha256: str, weights_sha256: str) -> dict[str, Any]:
    """The keys with the paths of this container.

    They are part of the configuration that identifies an interrupted run.
    """
    folder = _job_folder()
    # Features of the features channel needn't be stored in the checkpoints.
    paths = {"output_root": folder / OUTPUTS, "features.root": Path("features")}
    if channel := os.environ.get(f"SM_CHANNEL_{PHOTOS.upper()}"):
        paths["data.root"] = _photos(_below_base(channel), photos_sha256)
        # Instances that share an S3 prefix must not write the same keys.
        paths["features.root"] = folder / "features" / os.environ.get("SM_CURRENT_HOST", "algo-1")
    if channel := os.environ.get(f"SM_CHANNEL_{FEATURES.upper()}"):
        paths["data.feature_set"] = _below_base(channel)
    if channel := os.environ.get(f"SM_CHANNEL_{WEIGHTS.upper()}"):
        paths["model.weights"] = _weights(_below_base(channel), weights_sha256)
    folder.mkdir(parents=True, exist_ok=True)
    # The photos in the folder of a listing are links to the files of the channel.
    links = {"data.links": True} if photos_sha256 and "data.root" in paths else {}
    return {**{name: str(path) for name, path in paths.items()}, **links, "resume": AUTO}


def _photos(channel: Path, sha256: str) -> Path:
    """The folder of classes: built from the listing, or the channel itself without a listing."""
    if not sha256:
        return channel
    listing = os.environ.get(f"SM_CHANNEL_{PHOTO_LISTING.upper()}")
    if listing is None:
        raise CloudError(f"The job has no channel {PHOTO_LISTING}: start it again.")
    root = Path(PHOTO_FOLDER)
    build_photo_tree(channel, _below_base(listing), sha256, root)
    return root


def _weights(folder: Path, sha256: str) -> Path:
    """The file with this digest; others may have been added to the S3 prefix since the upload."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                return path
    raise CloudError(
        f"The channel {WEIGHTS} doesn't have the weights that this job was started with (SHA-256 "
        f"{sha256}): they were replaced in S3. Start it again; check who can write to the bucket."
    )


def _below_base(channel: str) -> Path:
    return Path(channel).relative_to(_base().absolute())


def _processes() -> dict[str, Any]:
    """The keys of a distributed training, which torchrun starts in several processes."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return {}
    return {"trainer.strategy": "ddp", "trainer.devices": int(os.environ["LOCAL_WORLD_SIZE"])}


def _copy_results(folder: Path) -> None:
    """Copy the model and the other output to the folders that SageMaker uploads."""
    _copy_output(folder)
    model = Path(os.environ["SM_MODEL_DIR"])
    if (folder / "model").is_dir():
        shutil.copytree(folder / "model", model, dirs_exist_ok=True)
    # A search has no model: its result is best.yaml.
    elif (folder / "best.yaml").is_file():
        model.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / "best.yaml", model)


def _copy_partial_output() -> None:
    """Copy the output of a training that failed or was stopped.

    An interrupted spot job gets the same signal as a stopped job. It resumes on another instance
    from its checkpoints, and the copy is lost with this instance.
    """
    runs = sorted((_job_folder() / OUTPUTS).glob("*-*"))  # sorted by time
    if runs and is_main_process():
        with suppress(OSError):  # such as a full disk: the first error is raised
            _copy_output(runs[-1])


def _copy_output(folder: Path) -> None:
    """Copy a run without its model and checkpoints to SageMaker's output folder."""
    run, output = folder.resolve(), Path(os.environ["SM_OUTPUT_DATA_DIR"])

    def ignored(path: str, names: list[str]) -> Sequence[str]:
        return NOT_OUTPUT if Path(path) == run else ()

    shutil.copytree(run, output, ignore=ignored, dirs_exist_ok=True)
