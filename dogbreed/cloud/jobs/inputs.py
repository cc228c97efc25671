"""The inputs of jobs in S3: source archive, photos, weights; and jobs that use them."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.images import Image, multiplies_bf16, training_image
from dogbreed.cloud.aws.objects import digest_of, upload_bytes, upload_file
from dogbreed.cloud.container.entry_point import WEIGHTS, WEIGHTS_SHA256, WHEELS
from dogbreed.cloud.jobs.channels import Channel
from dogbreed.cloud.jobs.feature_key import feature_key
from dogbreed.cloud.jobs.job import Job
from dogbreed.cloud.jobs.packages import Packages, plan_packages
from dogbreed.cloud.jobs.photo_inputs import PhotoInputs, plan_photo_inputs, upload_photo_inputs
from dogbreed.cloud.jobs.source import SourcePackage, pack_source
from dogbreed.cloud.jobs.volumes import has_local_disk, volume_for, volume_notes
from dogbreed.cloud.jobs.workload import Workload, workload_of
from dogbreed.cloud.wheels.storage import upload_wheels
from dogbreed.configuration.composing import compose
from dogbreed.configuration.search import LaunchConfig, LauncherConfig, training_of
from dogbreed.errors import ConfigError
from dogbreed.search.hyperparameters import as_hyperparameters, changed
from dogbreed.training.run_folder import log

PROJECT = Path(__file__).parents[3]
MEGABYTE = 1e6
# Keys that the container sets by itself, such as paths.
NOT_SENT = (
    "data.root",
    "data.source",
    "data.links",
    # The labels are sent in a form of their own (sent_labels.py).
    "data.labels",
    "data.columns.photo",
    "data.columns.label",
    "data.columns.split",
    "data.feature_set",
    "output_root",
    "features.root",
    "resume",
)


@dataclass(frozen=True, kw_only=True)
class JobInputs:
    """The inputs of a launch and their S3 URIs.

    `images` has the container image of each instance type, `settings` the configuration keys of the
    jobs, `folder` the S3 folder of the photos. `fingerprint` identifies the features: a hash of all
    that determines them. `volume_gb` is the size of each instance's disk.
    """

    images: Mapping[str, Image]
    packages: Packages
    source: SourcePackage
    source_uri: str
    photos: PhotoInputs
    channels: Mapping[str, Channel]
    settings: Mapping[str, Any]
    weights: Path | None
    fingerprint: str
    notes: tuple[str, ...]
    work: Workload
    volume_gb: int


def plan_inputs(account: Account, config: LaunchConfig, instance_types: Sequence[str]) -> JobInputs:
    """Determine the inputs and their S3 URIs; nothing is uploaded.

    The first of `instance_types` is that of the job that computes the features.

    Raises:
        DogbreedError: no or unreadable photos, a source that can't be packed, or S3 refuses.
    """
    launcher = config.launcher
    local_disk = [each for each in instance_types if has_local_disk(each)]
    if launcher.volume_kms_key and local_disk:
        raise ConfigError(
            f"launcher.volume_kms_key: the local disk of {local_disk[0]} is encrypted by the "
            "instance and takes no key: leave it out, or take another instance type."
        )
    images = {
        each: training_image(account.region, each, launcher.image_uri, date.today())
        for each in instance_types
    }
    settings = changed(training_of(config), compose([]))
    settings = {key: value for key, value in settings.items() if key not in NOT_SENT}
    packages = plan_packages(PROJECT, images, settings, launcher.install, dry=account.dry)
    source = pack_source(PROJECT, packages.lines)
    source_uri = _uri(account, launcher.prefix, f"source/{source.sha256[:16]}/sourcedir.tar.gz")
    photos = plan_photo_inputs(account, config)
    channels = photos.channels
    settings |= photos.settings
    weights = _weights(config)
    if weights is not None:
        settings.pop("model.weights")
        mark = digest_of(weights).hex()
        settings[WEIGHTS_SHA256] = mark
        channels[WEIGHTS] = Channel(_uri(account, launcher.prefix, f"weights/{mark[:16]}/"))
    if packages.wheels is not None:
        mark = packages.wheels.digest[:16]
        channels[WHEELS] = Channel(_uri(account, launcher.prefix, f"{WHEELS}/{mark}/"))
    work = workload_of(
        config,
        photos=photos.count,
        photo_bytes=photos.size_bytes,
        weights_bytes=0 if weights is None else weights.stat().st_size,
    )
    extracting = launcher.extract_instance_type or launcher.instance_type
    return JobInputs(
        images=images,
        packages=packages,
        source=source,
        source_uri=source_uri,
        photos=photos,
        channels=channels,
        settings={**settings, "name": photos.run_name},
        weights=weights,
        fingerprint=feature_key(
            *(training_of(config), photos.digests, settings.get(WEIGHTS_SHA256), packages.names),
            {each: image for each, image in images.items() if each in extracting},
        ),
        notes=(*_notes(images), *photos.notes, *volume_notes(work, instance_types)),
        work=work,
        volume_gb=volume_for(launcher.volume_gb, work, instance_types),
    )


def _notes(images: Mapping[str, Image]) -> tuple[str, ...]:
    """Notes for the user about the images and the instance type of the features."""
    notes = [image.warning for image in images.values() if image.warning is not None]
    first = next(iter(images))
    if multiplies_bf16(first) is False:
        notes.append(
            f"{first} doesn't multiply in bf16: features take about twice as long as on a type "
            "that does, such as ml.c7i.2xlarge"
        )
    return tuple(dict.fromkeys(notes))


def job_name(what: str = "") -> str:
    """A unique job name, short enough for a tuning job."""
    return f"dogbreed-{time.strftime('%y%m%d-%H%M%S')}-{secrets.token_hex(2)}{what}"


def job_on_inputs(
    account: Account,
    launcher: LauncherConfig,
    inputs: JobInputs,
    name: str,
    kind: str,
    settings: Mapping[str, Any],
    **other: Any,
) -> Job:
    """A job with these inputs; `other` are fields of Job that replace the defaults."""
    place = f"s3://{account.bucket}/{launcher.prefix}"
    fields: dict[str, Any] = {
        "channels": inputs.channels,
        "checkpoints_uri": f"{place}/checkpoints/{name}/" if launcher.spot else None,
        "types": launcher.instance_type,
        "instance_count": launcher.instance_count,
        "volume_gb": inputs.volume_gb,
        **other,
    }
    if WHEELS in inputs.channels:  # every job installs its packages
        fields["channels"] = {**fields["channels"], WHEELS: inputs.channels[WHEELS]}
    return Job(
        name=name,
        kind=kind,
        hyperparameters=as_hyperparameters(settings),
        image_uri=inputs.images[fields["types"][0]].uri,
        source_uri=inputs.source_uri,
        output_uri=f"{place}/jobs",
        **fields,
    )


def upload_inputs(account: Account, config: LaunchConfig, inputs: JobInputs) -> None:
    """Upload new and changed inputs; the source always, as the jobs execute it.

    Raises:
        CloudError: S3 refuses, or can't be reached.
        DataError: a file can no longer be read.
    """
    for note in inputs.notes:
        log.warning("warning: %s", note)
    client, key = account.client("s3"), config.launcher.output_kms_key
    if wheels := inputs.packages.wheels:
        uploaded = upload_wheels(client, wheels, inputs.channels[WHEELS].uri, kms_key=key)
        log.info(
            "packages to %s: %d to upload, %d unchanged",
            *(inputs.channels[WHEELS].uri, uploaded, len(wheels.names) - uploaded),
        )
    upload_bytes(client, inputs.source.data, inputs.source_uri, kms_key=key)
    upload_photo_inputs(client, inputs.photos, key)
    if inputs.weights is not None:
        uri = inputs.channels[WEIGHTS].uri + inputs.weights.name
        if upload_file(client, inputs.weights, uri, kms_key=key):
            log.info("weights uploaded to %s", uri)


def _weights(config: LaunchConfig) -> Path | None:
    """The weights if they are a local file, None if they are a name that the container knows."""
    path = Path(config.model.weights)
    return path if path.is_file() else None


def _uri(account: Account, prefix: str, key: str) -> str:
    return f"s3://{account.bucket}/{prefix}/{key}"
