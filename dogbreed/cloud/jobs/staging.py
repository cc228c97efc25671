"""What jobs need, brought to S3: the source, the photos, the weights; and jobs on top of it."""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.images import Image, multiplies_bf16, training_image
from dogbreed.cloud.aws.objects import digest_of, upload_bytes, upload_file
from dogbreed.cloud.aws.uploads import (
    S3Folder,
    UploadPlan,
    check_keys,
    plan_upload,
    stored,
    upload,
)
from dogbreed.cloud.container.entry_point import PHOTOS, WEIGHTS, WEIGHTS_SHA256
from dogbreed.cloud.jobs.costs import has_own_disk
from dogbreed.cloud.jobs.requests import Job
from dogbreed.cloud.jobs.source import SourcePackage, pack_source
from dogbreed.configuration.composing import compose
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import AUTO, flat
from dogbreed.configuration.search import LaunchConfig, LauncherConfig, training_of
from dogbreed.data.check import SHOWN, as_lines
from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.splits import PhotoFolders
from dogbreed.data.sets.samples import SAMPLES, sample_photos
from dogbreed.errors import ConfigError
from dogbreed.search.hyperparameters import as_hyperparameters, changed
from dogbreed.training.run_folder import log

PROJECT = Path(__file__).parents[3]
MEGABYTE = 1e6
DECIDES_FEATURES = (
    *("data.fraction", "data.valid_share", "data.test_share", "data.split_seed"),
    "data.nested_classes",
    *("data.max_bad_share", "data.max_pixels", "data.size_px", "data.crop_share"),
    *("model.backbone", "model.weights", "model.trainable", "engine", "precision"),
    *("features.views", "features.average", "features.dtype", "name"),
)
# Keys that are off by default, and the extra of pyproject.toml that they need.
NEEDS_EXTRA = {"debug.smdebug": "smdebug", "debug.tensorboard": "tensorboard"}
# What the container has elsewhere, or decides by itself.
NOT_SENT = (
    "data.root",
    "data.source",
    "data.links",
    "data.feature_set",
    "output_root",
    "features.root",
    "resume",
)


@dataclass(frozen=True, kw_only=True)
class Staged:
    """Where a launch's parts are stored in S3 once they are sent.

    `images` has the container of each instance type, `settings` the keys that the jobs get,
    `folder` is the photos' own.
    `fingerprint` stands for all that decides the features of its photos.
    """

    images: Mapping[str, Image]
    source: SourcePackage
    source_uri: str
    photos: UploadPlan
    channels: Mapping[str, str]
    settings: Mapping[str, Any]
    weights: Path | None
    folder: S3Folder
    fingerprint: str
    notes: tuple[str, ...]


def stage(account: Account, config: LaunchConfig, instance_types: Sequence[str]) -> Staged:
    """Find out what has to be in S3, and where; nothing is sent.

    The first of `instance_types` is that of whatever looks at the photos first.

    Raises:
        DogbreedError: photos that can't be used, a source that can't be packed, S3 refuses.
    """
    launcher = config.launcher
    own_disk = [each for each in instance_types if has_own_disk(each)]
    if launcher.volume_kms_key and own_disk:
        raise ConfigError(
            f"launcher.volume_kms_key: the disk of {own_disk[0]} is encrypted by the machine "
            "itself and takes no key: leave it out, or take another instance type."
        )
    images = {
        each: training_image(account.region, each, launcher.image_uri, date.today())
        for each in instance_types
    }
    settings = changed(training_of(config), compose([]))
    settings = {key: value for key, value in settings.items() if key not in NOT_SENT}
    source = _source(images, settings)
    source_uri = _uri(account, launcher.prefix, f"source/{source.sha256[:16]}/sourcedir.tar.gz")
    name, folder, plan, contents = _photos(account, config)
    channels = {PHOTOS: folder.uri}
    weights = _weights(config)
    if weights is not None:
        settings.pop("model.weights")
        mark = digest_of(weights).hex()
        settings[WEIGHTS_SHA256] = mark
        channels[WEIGHTS] = _uri(account, launcher.prefix, f"weights/{mark[:16]}/")
    return Staged(
        images=images,
        source=source,
        source_uri=source_uri,
        photos=plan,
        channels=channels,
        settings={**settings, "name": name},
        weights=weights,
        folder=folder,
        fingerprint=_fingerprint(
            training_of(config), contents, channels.get(WEIGHTS), source.sha256, images
        ),
        notes=_notes(images),
    )


def _source(images: Mapping[str, Image], settings: Mapping[str, Any]) -> SourcePackage:
    """The project packed, with the extras that these settings need."""
    carried = frozenset.intersection(*(image.carries for image in images.values()))
    extras = [extra for key, extra in NEEDS_EXTRA.items() if settings.get(key)]
    return pack_source(PROJECT, carried, extras)


def _notes(images: Mapping[str, Image]) -> tuple[str, ...]:
    """What is worth knowing before money is spent."""
    notes = [image.warning for image in images.values() if image.warning is not None]
    slow = next(iter(images))
    if multiplies_bf16(slow) is False:
        notes.append(
            f"{slow} doesn't multiply in bf16: features take about twice as long as on a type that "
            "does, such as ml.c7i.2xlarge"
        )
    return tuple(dict.fromkeys(notes))


def job_name(what: str = "") -> str:
    """A name that no other launch has, short enough for a tuning job."""
    return f"dogbreed-{time.strftime('%y%m%d-%H%M%S')}-{secrets.token_hex(2)}{what}"


def job_of(
    account: Account,
    launcher: LauncherConfig,
    staged: Staged,
    name: str,
    kind: str,
    settings: Mapping[str, Any],
    **other: Any,
) -> Job:
    """A job on what was staged; `other` are fields of Job that aren't the usual ones."""
    place = f"s3://{account.bucket}/{launcher.prefix}"
    fields: dict[str, Any] = {
        "channels": staged.channels,
        "checkpoints_uri": f"{place}/checkpoints/{name}/" if launcher.spot else None,
        "instance_type": launcher.instance_type,
        "instance_count": launcher.instance_count,
        **other,
    }
    return Job(
        name=name,
        kind=kind,
        hyperparameters=as_hyperparameters(settings),
        image_uri=staged.images[fields["instance_type"]].uri,
        source_uri=staged.source_uri,
        output_uri=f"{place}/jobs",
        **fields,
    )


def send(account: Account, config: LaunchConfig, staged: Staged) -> None:
    """Bring to S3 what isn't there yet; the source each time, as the jobs run it.

    Raises:
        CloudError: S3 refuses, or can't be reached.
        DataError: a file can't be read any more.
    """
    for note in staged.notes:
        log.warning("warning: %s", note)
    client, key = account.client("s3"), config.launcher.output_kms_key
    upload_bytes(client, staged.source.data, staged.source_uri, kms_key=key)
    photos = staged.photos
    log.info(
        "photos to %s: %d to send (%.1f MB), %d there already, %d removed there",
        *(staged.folder.uri, len(photos.files), photos.size_bytes / MEGABYTE),
        *(len(photos.kept), len(photos.gone)),
    )
    upload(client, staged.folder, photos, kms_key=key)
    if staged.weights is not None:
        uri = staged.channels[WEIGHTS] + staged.weights.name
        if upload_file(client, staged.weights, uri, kms_key=key):
            log.info("weights sent to %s", uri)


def _photos(
    account: Account, config: LaunchConfig
) -> tuple[str, S3Folder, UploadPlan, Mapping[str, str]]:
    """The run's name, the photos' place in S3, what is to be sent, and the digest of each photo."""
    training = replace(training_of(config), data=replace(config.data, fraction=1.0))
    if account.dry:
        name, folders, digests = _listed(training)
    else:
        name, folders, digests = _checked(training)
    root, paths = folders.root, [sample.path for sample in folders.all_samples()]
    mark = hashlib.sha256(str(root.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    folder = S3Folder(account.bucket, f"{config.launcher.prefix}/photos/{_plain(name)}-{mark}")
    there = None if account.dry else stored(account.client("s3"), folder)
    contents = {str(path.relative_to(root)): digest.hex() for path, digest in digests.items()}
    check_keys(folder, root, paths)
    return name, folder, plan_upload(root, paths, there, digests, folders.within), contents


def _listed(config: Config) -> tuple[str, PhotoFolders, Mapping[Path, bytes]]:
    """The photos as their folders list them, none opened, nothing fetched."""
    if config.data.root is not None:
        root = Path(config.data.root)
    elif config.data.source == SAMPLES:
        root = sample_photos()
    else:
        raise ConfigError(
            "A dry run shows what would be done with photographs that are here: set data.root. "
            f"(A launch would fetch {config.data.source} first.)"
        )
    folders = read_folders(
        root,
        valid_share=config.data.valid_share,
        test_share=config.data.test_share,
        split_seed=config.data.split_seed,
        nested_classes=config.data.nested_classes,
        links=config.data.links,
    )
    for line in as_lines(folders.findings, SHOWN):
        log.info("  %s", line)
    name = root.resolve().name if config.name == AUTO else config.name
    return name, folders, {}


def _checked(config: Config) -> tuple[str, PhotoFolders, Mapping[Path, bytes]]:
    """The photos that can be used: a job shouldn't be paid for finding out that they can't."""
    from dogbreed.training.preparation import check_photos, find_photos

    root, config = find_photos(config)
    checked = check_photos(root, config)
    return config.name, checked.folders, checked.digests


def _weights(config: LaunchConfig) -> Path | None:
    """The weights, if they are a file here rather than a name that the container knows."""
    path = Path(config.model.weights)
    return path if path.is_file() else None


def _fingerprint(
    config: Config,
    contents: Mapping[str, str],
    weights_uri: str | None,
    source_sha256: str,
    images: Mapping[str, Image],
) -> str:
    """What decides the features of a launch: photos, weights, settings, source and machine.

    The source stands for the code as well as for the values in conf/.
    """
    settings = {name: value for name, value in flat(config).items() if name in DECIDES_FEATURES}
    instance_type = next(iter(images))
    machine = [instance_type, images[instance_type].uri]
    text = json.dumps([contents, weights_uri, settings, source_sha256, machine], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _uri(account: Account, prefix: str, key: str) -> str:
    return f"s3://{account.bucket}/{prefix}/{key}"


def _plain(name: str) -> str:
    """A name for a place in S3 that needs no quoting anywhere."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in name)[:80]
