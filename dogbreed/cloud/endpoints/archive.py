"""The model.tar.gz of an endpoint: packed locally, stored in S3 under its digest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dogbreed.artifact.folder import read_description
from dogbreed.artifact.packing import CODE, PACKAGES, pack_model, requirements_for
from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.objects import digest_of, upload_file
from dogbreed.cloud.aws.owner import as_folder
from dogbreed.cloud.endpoints.model_source import fetch, find_model
from dogbreed.cloud.endpoints.serving_wheels import serving_wheels
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.configuration.search import INDEX
from dogbreed.data.sets.samples import are_samples
from dogbreed.training.run_folder import log

# The folder below launcher.prefix; in it ENDPOINT/OWNER/DIGEST/.
MODELS = "models"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A packed model: its folder, the archive, its S3 URI, origin (`label`), classes, metrics.

    `sample_set`: whether it was trained on the built-in sample set.
    """

    folder: Path
    file: Path
    uri: str
    label: str
    classes: int
    sample_set: bool
    metrics: Mapping[str, Any]

    @property
    def size_bytes(self) -> int:
        return self.file.stat().st_size


def pack(account: Account, config: DeployConfig, folder: Path) -> Archive:
    """Pack the model that `config.model` names into `folder`; nothing is uploaded.

    Raises:
        ArtifactError, CloudError: there is no such model, or it can't be downloaded or packed.
    """
    found = find_model(account, config.model, Path(config.output_root))
    artifact = fetch(account, found, folder)
    description = read_description(artifact)
    file = folder / "model.tar.gz"
    wheels = serving_wheels(config.deploy, requirements_for(artifact), dry=account.dry)
    # A dry run downloads and unpacks no wheels: it shows the archive of install=index.
    from_index = config.deploy.install == INDEX
    if wheels is not None and wheels.wheels is None:
        from_index = True
        log.info(
            "Would unpack into %s/%s/, not listed below: %s",
            *(CODE, PACKAGES, ", ".join(wheels.names)),
        )
    files = [] if wheels is None else [wheel.file for wheel in wheels.wheels or ()]
    pack_model(artifact, file, install=from_index, wheels=files)
    mark = digest_of(file).hex()[:16]
    owned = f"{config.endpoint}/{as_folder(account.owner)}/{mark}"
    place = f"s3://{account.bucket}/{config.launcher.prefix}/{MODELS}/{owned}"
    return Archive(
        folder=artifact,
        file=file,
        uri=f"{place}/model.tar.gz",
        label=found.label,
        classes=len(description.classes),
        sample_set=are_samples(description.classes),
        metrics=description.metrics,
    )


def upload_archive(account: Account, archive: Archive, kms_key: str | None) -> None:
    """Upload the archive to S3, unless S3 has the same content.

    Raises:
        CloudError: S3 refuses, or can't be reached.
    """
    upload_file(account.client("s3"), archive.file, archive.uri, kms_key=kms_key)
