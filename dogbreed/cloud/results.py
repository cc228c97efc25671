"""What a job has left in S3, brought here."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sagemaker.core.resources import TrainingJob

from dogbreed.cloud.account import Account
from dogbreed.cloud.objects import download_archive, download_model
from dogbreed.cloud.refusals import in_plain_words


def fetch_outputs(account: Account, name: str, folder: Path) -> None:
    """Unpack what a training job wrote beside its model into `folder`, which may be there.

    Raises:
        CloudError: it has left nothing, or AWS refuses.
    """
    _unpack(account, name, "output.tar.gz", folder, download_archive)


def fetch_model(account: Account, name: str, folder: Path) -> None:
    """Unpack the own files of a training job's model into `folder`.

    Raises:
        CloudError: it has left none, or AWS refuses.
        ArtifactError: what it has left is no model.
    """
    _unpack(account, name, "model.tar.gz", folder, download_model)


def _unpack(
    account: Account,
    name: str,
    archive: str,
    folder: Path,
    download: Callable[[Any, str, Path], None],
) -> None:
    with in_plain_words(f"looking at {name}"):
        job = TrainingJob.get(name, session=account.session, region=account.region)
        assert job is not None
        root = str(job.output_data_config.s3_output_path).rstrip("/")
    beside = folder.with_name(f".{folder.name}.fetched")
    shutil.rmtree(beside, ignore_errors=True)
    download(account.client("s3"), f"{root}/{name}/output/{archive}", beside)
    shutil.copytree(beside, folder, dirs_exist_ok=True)
    shutil.rmtree(beside)
