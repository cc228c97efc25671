"""What a job has left in S3, brought here: its own files, and none in place of local results."""

import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from sagemaker.core.resources import TrainingJob

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.downloads import download_archive, download_model
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.jobs.fetched_pages import confine_pages
from dogbreed.errors import CloudError
from dogbreed.training.run_folder import log
from dogbreed.utils.files import remove
from dogbreed.utils.printable import printable

# What a search and a training leave beside their model; nothing else of an archive is taken.
SEARCH_OUTPUTS = (
    *("best.yaml", "trials.csv", "search.html", "study.db", "config.yaml", "photos.sha256"),
    "log.txt",
)
RUN_OUTPUTS = (
    *("metrics.json", "report.html", "MODEL_CARD.md", "config.yaml", "data.json", "profile.json"),
    *("classes.csv", "confusions.csv", "near_duplicates.csv", "predictions.csv", "splits.csv"),
    *("findings.txt", "log.txt", "debug"),
)
# What is left by a search or a training of this machine, and never fetched.
LOCAL_ONLY = ("lock", ".lock", "checkpoints")
MAX_SHOWN = 5


def check_no_local_results(folder: Path, job: str) -> None:
    """Make sure that a job's results don't get mixed with those of this machine.

    Raises:
        CloudError: `folder` is a link, or has a search or a training of this machine in it.
    """
    if folder.is_symlink() or any((folder / name).exists() for name in LOCAL_ONLY):
        raise CloudError(
            f"{folder} has results of this machine, and those of the job {job} would take their "
            "place: set output_root to another folder."
        )


def fetch_outputs(account: Account, name: str, folder: Path, wanted: Collection[str]) -> None:
    """Bring the `wanted` of what a training job wrote beside its model into `folder`.

    Its pages can be opened: see `confine_pages`.

    Raises:
        CloudError: it has left nothing, AWS refuses, or `folder` has results of this machine.
    """
    check_no_local_results(folder, name)
    beside = _fetch(account, name, "output.tar.gz", folder, download_archive)
    confine_pages(beside)
    found = sorted(path.name for path in beside.iterdir())
    folder.mkdir(parents=True, exist_ok=True)
    for own in found:
        if own in wanted:
            remove(folder / own)
            (beside / own).rename(folder / own)
    shutil.rmtree(beside)
    other = [printable(own[:80]) for own in found if own not in (*wanted, *LOCAL_ONLY)]
    if other:
        more = f" and {len(other) - MAX_SHOWN} more" if len(other) > MAX_SHOWN else ""
        log.warning(
            "warning: %s has also left %s%s, which no job of this project writes: left out.",
            *(name, ", ".join(other[:MAX_SHOWN]), more),
        )


def fetch_model(account: Account, name: str, folder: Path) -> None:
    """Put a training job's model in the place of `folder`.

    Raises:
        CloudError: it has left none, or AWS refuses.
        ArtifactError: what it has left is no model.
    """
    beside = _fetch(account, name, "model.tar.gz", folder, download_model)
    remove(folder)
    beside.rename(folder)


def _fetch(
    account: Account,
    name: str,
    archive: str,
    folder: Path,
    download: Callable[[Any, str, Path], None],
) -> Path:
    """The unpacked archive, in a folder of its own beside `folder`."""
    with translate_errors(f"looking at {name}"):
        job = TrainingJob.get(name, session=account.session, region=account.region)
        assert job is not None
        root = str(job.output_data_config.s3_output_path).rstrip("/")
    beside = folder.with_name(f".{folder.name}.fetched")
    remove(beside)
    download(account.client("s3"), f"{root}/{name}/output/{archive}", beside)
    return beside
