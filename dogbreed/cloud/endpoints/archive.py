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
from dogbreed.cloud.jobs.inputs import PROJECT
from dogbreed.cloud.wheels.closure import Environment
from dogbreed.cloud.wheels.pins import CONSTRAINTS, read_pins
from dogbreed.cloud.wheels.resolve import list_wheels, resolve_wheels
from dogbreed.cloud.wheels.target import Target
from dogbreed.configuration.deploy import SERVERS, DeployConfig
from dogbreed.configuration.search import INDEX, WHEELS
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
    wheels = _wheels(account, config, artifact)
    install = config.deploy.install
    # A dry run downloads and unpacks no wheels: it shows the archive of install=index.
    from_index = install == INDEX or (install == WHEELS and wheels is None)
    pack_model(artifact, file, install=from_index, wheels=wheels or ())
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


def _wheels(account: Account, config: DeployConfig, artifact: Path) -> list[Path] | None:
    """The wheels to unpack into the archive; None in a dry run, which lists them."""
    if config.deploy.install != WHEELS:
        return []
    server, requirements = SERVERS[config.deploy.server], read_pins(requirements_for(artifact))
    constraints = PROJECT / CONSTRAINTS  # not in an installed package, whose models need no more
    environment = Environment(
        target=Target(python=server.python, glibc_minor=server.glibc_minor),
        pins={**(read_pins(constraints) if constraints.is_file() else {}), **requirements},
        carried=server.carries,
        key="deploy.install",
    )
    wanted = [str(pin) for pins in requirements.values() for pin in pins]
    if account.dry:
        found = list_wheels(wanted, environment)
        log.info(
            "Would unpack into %s/%s/, not listed below: %s",
            *(CODE, PACKAGES, ", ".join(found.names)),
        )
        return None
    return [wheel.file for wheel in resolve_wheels(wanted, environment).wheels or ()]


def upload_archive(account: Account, archive: Archive, kms_key: str | None) -> None:
    """Upload the archive to S3, unless S3 has the same content.

    Raises:
        CloudError: S3 refuses, or can't be reached.
    """
    upload_file(account.client("s3"), archive.file, archive.uri, kms_key=kms_key)
