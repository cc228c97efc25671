"""Download a job's model and output files; never overwrite results of this machine."""

import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from sagemaker.core.resources import TrainingJob

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.downloads import download_archive, download_model
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.jobs.page_sandbox import sandbox_pages
from dogbreed.errors import CloudError
from dogbreed.training.run_folder import log
from dogbreed.utils.files import remove
from dogbreed.utils.printable import printable

# Output files of a search and of a training; other files of an archive are skipped.
SEARCH_OUTPUTS = (
    *("best.yaml", "trials.csv", "search.html", "study.db", "config.yaml", "photos.sha256"),
    "log.txt",
)
RUN_OUTPUTS = (
    *("metrics.json", "report.html", "MODEL_CARD.md", "config.yaml", "data.json", "profile.json"),
    "run.json",
    *("classes.csv", "confusions.csv", "near_duplicates.csv", "predictions.csv", "splits.csv"),
    *("findings.txt", "log.txt", "debug"),
)
# Files of a search or a training on this machine, never in a download.
LOCAL_ONLY = ("lock", ".lock", "checkpoints")
MAX_SHOWN = 5


def check_no_local_results(folder: Path, job: str) -> None:
    """Check that `folder` has no results of this machine, which a download would replace.

    Raises:
        CloudError: `folder` is a link, or has a search or a training of this machine.
    """
    if folder.is_symlink() or any((folder / name).exists() for name in LOCAL_ONLY):
        raise CloudError(
            f"{folder} has results of this machine, and those of the job {job} would take their "
            "place: set output_root to another folder."
        )


def fetch_outputs(account: Account, name: str, folder: Path, wanted: Collection[str]) -> None:
    """Download the `wanted` output files of a training job into `folder`.

    HTML pages are sandboxed: see `sandbox_pages`.

    Raises:
        CloudError: there is no output, AWS refuses, or `folder` has results of this machine.
    """
    check_no_local_results(folder, name)
    temporary = _fetch(account, name, "output.tar.gz", folder, download_archive)
    sandbox_pages(temporary)
    found = sorted(path.name for path in temporary.iterdir())
    folder.mkdir(parents=True, exist_ok=True)
    for file_name in found:
        if file_name in wanted:
            remove(folder / file_name)
            (temporary / file_name).rename(folder / file_name)
    shutil.rmtree(temporary)
    other = [printable(each[:80]) for each in found if each not in (*wanted, *LOCAL_ONLY)]
    if other:
        more = f" and {len(other) - MAX_SHOWN} more" if len(other) > MAX_SHOWN else ""
        log.warning(
            "warning: %s also wrote %s%s, which no job of this project writes: skipped.",
            *(name, ", ".join(other[:MAX_SHOWN]), more),
        )


def fetch_model(account: Account, name: str, folder: Path) -> None:
    """Download a training job's model; it replaces `folder`.

    Raises:
        CloudError: there is none, or AWS refuses.
        ArtifactError: it isn't a model.
    """
    temporary = _fetch(account, name, "model.tar.gz", folder, download_model)
    remove(folder)
    temporary.rename(folder)


def _fetch(
    account: Account,
    name: str,
    archive: str,
    folder: Path,
    download: Callable[[Any, str, Path], None],
) -> Path:
    """Download and unpack an archive into a temporary folder next to `folder`."""
    with translate_errors(f"reading {name}"):
        job = TrainingJob.get(name, session=account.session, region=account.region)
        assert job is not None
        root = str(job.output_data_config.s3_output_path).rstrip("/")
    temporary = folder.with_name(f".{folder.name}.fetched")
    remove(temporary)
    download(account.client("s3"), f"{root}/{name}/output/{archive}", temporary)
    return temporary
