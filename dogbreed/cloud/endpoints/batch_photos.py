"""The photos of a transform job: a local folder, which is uploaded, or a place in S3."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.bucket_owner import check_owner
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.aws.objects import split_uri, upload_bytes
from dogbreed.cloud.aws.photo_objects import (
    Photo,
    encode_manifest,
    local_photos,
    manifest_uri,
    plan_photos,
    upload_photos,
)
from dogbreed.cloud.aws.s3_folder import S3Folder
from dogbreed.cloud.jobs.channels import MANIFEST_FILE, Channel
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.data.decoding.photos import digest, open_photo, read_bytes
from dogbreed.errors import ConfigError, DataError, PhotoError
from dogbreed.serving.offline.sources import find_sources
from dogbreed.serving.requests.invocations import refusal_of
from dogbreed.training.run_folder import log

MAX_NAMED = 3  # objects that an error names


@dataclass(frozen=True, kw_only=True)
class Photos:
    """The photos of a transform job: those at a place in S3, or local ones, which are uploaded.

    `source` is what the job reads: the place, or the manifest that lists the objects of `local`.
    `within` is the real path of the folder that must contain them; None: links may leave it
    (data.links). `refused` are local photos that aren't sent, each with the reason. `count` is how
    many the job reads, 0 in a dry run over S3.
    """

    source: Channel
    count: int = 0
    local: tuple[Photo, ...] = ()
    manifest: bytes = b""
    within: str | None = None
    refused: Mapping[str, PhotoError] = field(default_factory=dict)


def photos_of(account: Account, config: DeployConfig) -> Photos:
    """The photos that `deploy.photos` names; nothing is uploaded.

    Raises:
        CloudError, DataError: there is no such folder or bucket, or no readable image in it.
        ConfigError: one in S3 is larger than `deploy.max_photo_mb`.
    """
    source = config.deploy.photos
    assert source is not None
    if source.startswith("s3://"):
        return Photos(
            source=Channel(source), count=0 if account.dry else _count(account, config, source)
        )
    root = Path(source)
    if not root.is_dir():
        what = "is a file: give its folder" if root.exists() else "there is no such folder"
        raise DataError(f"deploy.photos={source}: {what}.")
    found = find_sources([str(root)], links=config.data.links)
    within = None if config.data.links else os.path.realpath(root)
    for note in found.notes:
        log.warning("%s", note)
    refused: dict[str, PhotoError] = {}
    digests: dict[Path, bytes] = {}
    for path in (Path(each.name) for each in found.sources):
        try:
            digests[path] = _checked(path, within, config)
        except PhotoError as error:
            log.warning("not sent: %s: %s", path, error)
            refused[path.relative_to(root).as_posix()] = error
    if not digests:
        raise DataError(f"deploy.photos={source}: it has no readable image.")
    local = local_photos(root, tuple(digests), digests)
    folder = _folder(account, config)
    manifest = encode_manifest(folder, (photo.key for photo in local))
    return Photos(
        source=Channel(manifest_uri(folder, manifest), data_type=MANIFEST_FILE),
        count=len(local), local=local, manifest=manifest, within=within, refused=refused,
    )  # fmt: skip


def _folder(account: Account, config: DeployConfig) -> S3Folder:
    """The launcher's folder of photos for transform jobs."""
    return S3Folder(account.bucket, f"{config.launcher.prefix}/questions")


def _count(account: Account, config: DeployConfig, source: str) -> int:
    """How many objects a place in S3 has; an error if a transform job over them would fail.

    What isn't a photo doesn't make it fail: the model answers with an error. A larger object than
    MaxPayloadInMB does, at its end.
    """
    client = account.client("s3")
    bucket, prefix = split_uri(source)
    check_owner(client, bucket, f"deploy.photos={source}", account.id)
    max_mb = config.deploy.max_photo_mb
    count, large = 0, list[str]()
    with translate_errors(f"listing deploy.photos={source}"):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for each in (each for page in pages for each in page.get("Contents", ())):
            count += 1
            if each["Size"] > max_mb * 2**20 and len(large) <= MAX_NAMED:
                large.append(each["Key"])
    if not count:
        raise DataError(f"deploy.photos={source}: there is no object.")
    if large:
        more = ", ..." if len(large) > MAX_NAMED else ""
        raise ConfigError(
            f"deploy.photos={source}: {', '.join(large[:MAX_NAMED])}{more}: more than {max_mb} MB, "
            "at which the job would fail: set deploy.max_photo_mb (at most 25), or move them."
        )
    return count


def _checked(path: Path, within: str | None, config: DeployConfig) -> bytes:
    """The SHA-256 of a local photo.

    Raises:
        PhotoError: it needn't be uploaded, as it is unreadable or too large.
    """
    data = read_bytes(path, within)
    refusal = refusal_of(data, tiff=config.deploy.tiff)
    if refusal is not None:
        raise refusal
    open_photo(data)
    max_mb = config.deploy.max_photo_mb
    if len(data) > max_mb * 2**20:
        raise PhotoError("too_large", f"more than {max_mb} MB (deploy.max_photo_mb)")
    return digest(data)


def upload_batch(account: Account, config: DeployConfig, photos: Photos) -> None:
    """Upload the local photos that S3 doesn't have yet, then the manifest that lists them all.

    Raises:
        CloudError: S3 refuses, or can't be reached.
        DataError: a photo can no longer be read, or has changed since it was checked.
    """
    client, kms_key = account.client("s3"), config.launcher.output_kms_key
    folder = _folder(account, config)
    plan = plan_photos(client, folder, photos.local, photos.within)
    log.info(
        "photos to %s: %d to upload, %d unchanged",
        *(folder.uri, len(plan.files), plan.unchanged),
    )
    upload_photos(client, folder, plan, kms_key=kms_key)
    upload_bytes(client, photos.manifest, photos.source.uri, kms_key=kms_key)
