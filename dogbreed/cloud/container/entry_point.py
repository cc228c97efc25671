"""Inside a job's container: from hyperparameters and channels to a run, and its results out."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import AUTO
from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import CloudError, DogbreedError
from dogbreed.search.hyperparameters import decode, from_arguments
from dogbreed.search.runner_limits import check_local_search
from dogbreed.utils.clock import Clock, as_text
from dogbreed.utils.documents import DocumentError, json_value
from dogbreed.utils.files import write_text
from dogbreed.utils.printable import printable
from dogbreed.utils.progress import is_main_process

# Hyperparameters that aren't keys of the configuration.
JOB = "job"
TRAIN, EXTRACT, TUNE = "train", "extract", "tune"
WEIGHTS_SHA256 = "weights_sha256"  # in hex; of all that is in the weights' channel, only this file
NOT_KEYS = ("sagemaker_", "_tuning_objective_metric", JOB, WEIGHTS_SHA256)

PHOTOS, FEATURES, WEIGHTS = "photos", "features", "weights"
OUTPUTS = "outputs"
NOT_PAPERS = ("model", "checkpoints")
MAX_FAILURE_CHARACTERS = 1024  # of the failure file, what the service shows


def run_job(arguments: Sequence[str]) -> None:
    """Do what the job's hyperparameters say; called with them as `--key value`, by the toolkit.

    Raises:
        DogbreedError: after its sentence was written where SageMaker reads the reason.
    """
    os.chdir(_base())  # below here all places are relative, and the same on every machine
    try:
        _run(_hyperparameters(arguments))
    except BaseException as error:
        known = isinstance(error, DogbreedError)
        unforeseen = printable(f"{type(error).__name__}: {error} (see the job's log)")
        reason = str(error) if known else unforeseen
        write_text(Path("output", "failure"), reason[:MAX_FAILURE_CHARACTERS])
        _deliver_evidence()
        raise


def _base() -> Path:
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def _hyperparameters(arguments: Sequence[str]) -> dict[str, str]:
    """As they were sent: from the platform's file, else from the arguments."""
    file = Path("input", "config", "hyperparameters.json")
    if file.is_file():
        try:
            return _texts(json_value(file.read_text("utf-8")))
        except DocumentError as error:
            raise CloudError(f"{file} {error}: it is the platform's own file.") from error
    return from_arguments(arguments)


def _texts(sent: Any) -> dict[str, str]:
    if not isinstance(sent, dict) or not all(isinstance(text, str) for text in sent.values()):
        raise DocumentError("holds no texts by name")
    return sent


def _run(hyperparameters: Mapping[str, str]) -> None:
    job = decode(hyperparameters.get(JOB, TRAIN))
    keys = {n: text for n, text in hyperparameters.items() if not n.startswith(NOT_KEYS)}
    # What is set here comes last: it is where this machine has things.
    places = _places(decode(hyperparameters.get(WEIGHTS_SHA256, '""')))
    values = {name: decode(text) for name, text in keys.items()} | places | _processes()
    if job == EXTRACT:
        _extract(compose_as(Config, "train", [], values))
        return
    if job == TUNE:
        from dogbreed.search.local.search import run_local_search

        search = compose_as(TuneConfig, "tune", [], values)
        folder = run_local_search(search, check_local_search(search))
    elif job == TRAIN:
        from dogbreed.training.run import train

        folder = train(compose_as(Config, "train", [], values))
    else:
        raise CloudError(f"The hyperparameter {JOB}={job} is none that this program knows.")
    if is_main_process():
        _deliver(folder)


def _own() -> Path:
    """The folder of this job that a spot job's next machine needs."""
    return Path("checkpoints", os.environ.get("TRAINING_JOB_NAME", "job"))


def _places(weights_sha256: str) -> dict[str, Any]:
    """Keys that name the folders of this container, and its file of weights.

    They are part of the configuration by which an interrupted run is found again.
    """
    own = _own()
    # Features that come from a set needn't be kept again.
    places = {"output_root": own / OUTPUTS, "features.root": Path("features")}
    if channel := os.environ.get(f"SM_CHANNEL_{PHOTOS.upper()}"):
        places["data.root"] = _below_base(channel)
        # Machines that share a prefix in S3 must not write to the same names.
        places["features.root"] = own / "features" / os.environ.get("SM_CURRENT_HOST", "algo-1")
    if channel := os.environ.get(f"SM_CHANNEL_{FEATURES.upper()}"):
        places["data.feature_set"] = _below_base(channel)
    if channel := os.environ.get(f"SM_CHANNEL_{WEIGHTS.upper()}"):
        places["model.weights"] = _weights(_below_base(channel), weights_sha256)
    own.mkdir(parents=True, exist_ok=True)
    return {**{name: str(path) for name, path in places.items()}, "resume": AUTO}


def _weights(folder: Path, sha256: str) -> Path:
    """The file with this digest: others may have come into the folder in S3 since it was sent."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                return path
    raise CloudError(
        f"The channel {WEIGHTS} doesn't hold the weights that this job was started with (SHA-256 "
        f"{sha256}): they were replaced in S3. Start it again; see who may write to the bucket."
    )


def _below_base(channel: str) -> Path:
    return Path(channel).relative_to(_base().absolute())


def _processes() -> dict[str, Any]:
    """Keys of a training that torchrun has started in several processes."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return {}
    return {"trainer.strategy": "ddp", "trainer.devices": int(os.environ["LOCAL_WORLD_SIZE"])}


def _extract(config: Config) -> None:
    """Compute this machine's share of the features, into the folder that is kept in S3."""
    from dogbreed.features.shard import share_folder, write_index
    from dogbreed.training.features import extract_share
    from dogbreed.training.preparation import prepare
    from dogbreed.training.run_folder import log, log_to_terminal

    log_to_terminal()
    clock = Clock()
    prepared = prepare(config, clock)
    hosts: list[str] = json.loads(os.environ.get("SM_HOSTS", '["algo-1"]'))
    share = sorted(hosts).index(os.environ.get("SM_CURRENT_HOST", hosts[0]))
    folder = Path("checkpoints")
    with clock.phase("features"):
        extract_share(prepared, share_folder(folder, share), share, len(hosts), clock)
    if share == 0:
        write_index(folder, prepared.config.name, prepared.checked, prepared.choice)
    log.info("share %d of %d: %s", share + 1, len(hosts), as_text(clock.as_dict()))


def _deliver(folder: Path) -> None:
    """The model where SageMaker takes it from, everything else beside it."""
    _deliver_papers(folder)
    model = Path(os.environ["SM_MODEL_DIR"])
    if (folder / "model").is_dir():
        shutil.copytree(folder / "model", model, dirs_exist_ok=True)
    # A search has no model: its best is what comes of it.
    elif (folder / "best.yaml").is_file():
        model.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / "best.yaml", model)


def _deliver_evidence() -> None:
    """What a training recorded before it failed or was stopped: SageMaker keeps that, too.

    A spot job that is interrupted gets the same signal as one that is stopped for good. It goes on
    elsewhere, with all of this from its checkpoints; the copy ends with the machine.
    """
    runs = sorted((_own() / OUTPUTS).glob("*-*"))  # by their times
    if runs and is_main_process():
        with suppress(OSError):  # a full disk, say: the error that came first is the one to tell
            _deliver_papers(runs[-1])


def _deliver_papers(folder: Path) -> None:
    """All of a run but its model and its checkpoints, where SageMaker takes output from."""
    run, output = folder.resolve(), Path(os.environ["SM_OUTPUT_DATA_DIR"])

    def left_out(place: str, names: list[str]) -> Sequence[str]:
        return NOT_PAPERS if Path(place) == run else ()

    shutil.copytree(run, output, ignore=left_out, dirs_exist_ok=True)
