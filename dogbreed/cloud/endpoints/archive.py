"""The archive that a container serves from: packed here, kept in S3 under its content's digest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dogbreed.artifact.folder import read_description
from dogbreed.artifact.packing import pack_model
from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.objects import digest_of, upload_file
from dogbreed.cloud.endpoints.models import fetch, find_model
from dogbreed.configuration.deploy import DeployConfig

MODELS = "models"  # the folder below launcher.prefix, with one for each endpoint


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A packed model: the file here and its place in S3, where it is from and how good it is."""

    file: Path
    uri: str
    label: str
    classes: int
    metrics: Mapping[str, Any]

    @property
    def size_bytes(self) -> int:
        return self.file.stat().st_size


def pack(account: Account, config: DeployConfig, folder: Path) -> Archive:
    """Pack the model that `config.model` names into `folder`; nothing is sent.

    Raises:
        ArtifactError, CloudError: there is no such model, or it can't be fetched or packed.
    """
    found = find_model(account, config.model, Path(config.output_root))
    artifact = fetch(account, found, folder)
    description = read_description(artifact)
    file = folder / "model.tar.gz"
    pack_model(artifact, file, install=config.deploy.install)
    mark = digest_of(file).hex()[:16]
    place = f"s3://{account.bucket}/{config.launcher.prefix}/{MODELS}/{config.endpoint}/{mark}"
    return Archive(
        file=file,
        uri=f"{place}/model.tar.gz",
        label=found.label,
        classes=len(description.classes),
        metrics=description.metrics,
    )


def send(account: Account, archive: Archive, kms_key: str | None) -> None:
    """Bring the archive to S3, unless exactly its content is there.

    Raises:
        CloudError: S3 refuses, or can't be reached.
    """
    upload_file(account.client("s3"), archive.file, archive.uri, kms_key=kms_key)
