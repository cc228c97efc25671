"""What a job has left in S3, brought here."""

import shutil
from pathlib import Path

from sagemaker.core.resources import TrainingJob

from dogbreed.cloud.account import Account
from dogbreed.cloud.fetched_pages import confine_pages
from dogbreed.cloud.fetching import download_archive
from dogbreed.cloud.refusals import in_plain_words


def fetch_outputs(account: Account, name: str, folder: Path) -> None:
    """Unpack what a training job wrote beside its model into `folder`, which may be there.

    Its pages can be opened: see `confine_pages`.

    Raises:
        CloudError: it has left nothing, or AWS refuses.
    """
    _unpack(account, name, "output.tar.gz", folder)


def fetch_model(account: Account, name: str, folder: Path) -> None:
    """Unpack a training job's model into `folder`.

    Raises:
        CloudError: it has left none, or AWS refuses.
    """
    _unpack(account, name, "model.tar.gz", folder)


def _unpack(account: Account, name: str, archive: str, folder: Path) -> None:
    with in_plain_words(f"looking at {name}"):
        job = TrainingJob.get(name, session=account.session, region=account.region)
        assert job is not None
        root = str(job.output_data_config.s3_output_path).rstrip("/")
    beside = folder.with_name(f".{folder.name}.fetched")
    shutil.rmtree(beside, ignore_errors=True)
    download_archive(account.client("s3"), f"{root}/{name}/output/{archive}", beside)
    confine_pages(beside)
    shutil.copytree(beside, folder, dirs_exist_ok=True)
    shutil.rmtree(beside)
