"""The photos of a transform job: a local folder, which is uploaded, or a place in S3."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.bucket_owner import check_owner
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.aws.objects import split_uri
from dogbreed.cloud.aws.uploads import S3Folder, check_keys, plan_upload, stored, upload
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.data.decoding.photos import open_photo, read_bytes
from dogbreed.errors import ConfigError, DataError, PhotoError
from dogbreed.serving.offline.sources import find_sources
from dogbreed.serving.requests.invocations import refusal_of
from dogbreed.training.run_folder import log

MAX_NAMED = 3  # objects that an error names


@dataclass(frozen=True, kw_only=True)
class Photos:
    """The photos of a transform job: S3 folder, and local folder and paths if they are uploaded.

    `within` is the real path of the folder that must contain them; None: links may leave it
    (data.links). `refused` are photos below `root` that aren't sent, each with the reason. `count`
    is how many are sent, 0 in a dry run over S3.
    """

    uri: str
    count: int = 0
    root: Path | None = None
    paths: tuple[Path, ...] = ()
    within: str | None = None
    refused: Mapping[str, PhotoError] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """The names of local photos below `root`, as their outputs in S3 have them."""
        return {path.relative_to(self.root).as_posix() for path in self.paths if self.root}


def photos_of(account: Account, config: DeployConfig) -> Photos:
    """The photos that `deploy.photos` names; nothing is uploaded.

    Raises:
        CloudError, DataError: there is no such folder or bucket, or no readable image in it.
        ConfigError: one in S3 is larger than `deploy.max_photo_mb`.
    """
    source = config.deploy.photos
    assert source is not None
    if source.startswith("s3://"):
        return Photos(uri=source, count=0 if account.dry else _count(account, config, source))
    root = Path(source)
    if not root.is_dir():
        what = "is a file: give its folder" if root.exists() else "there is no such folder"
        raise DataError(f"deploy.photos={source}: {what}.")
    found = find_sources([str(root)], links=config.data.links)
    within = None if config.data.links else os.path.realpath(root)
    for note in found.notes:
        log.warning("%s", note)
    refused: dict[str, PhotoError] = {}
    paths: list[Path] = []
    for path in (Path(each.name) for each in found.sources):
        if error := _refusal(path, within, config):
            log.warning("not sent: %s: %s", path, error)
            refused[path.relative_to(root).as_posix()] = error
        else:
            paths.append(path)
    if not paths:
        raise DataError(f"deploy.photos={source}: it has no readable image.")
    # The key depends on the local path, so that a second job reuses the upload.
    mark = hashlib.sha256(str(root.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    folder = S3Folder(account.bucket, f"{config.launcher.prefix}/questions/{mark[:16]}")
    check_keys(folder, root, paths)
    local = Photos(uri=folder.uri, count=len(paths), root=root, paths=tuple(paths), within=within)
    return replace(local, refused=refused)


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


def _refusal(path: Path, within: str | None, config: DeployConfig) -> PhotoError | None:
    """Why a local photo needn't be uploaded: it is unreadable, or too large; None if it is sent."""
    try:
        data = read_bytes(path, within)
        refusal = refusal_of(data, tiff=config.deploy.tiff)
        if refusal is not None:
            return refusal
        open_photo(data)
    except PhotoError as error:
        return error
    max_mb = config.deploy.max_photo_mb
    if len(data) > max_mb * 2**20:
        return PhotoError("too_large", f"more than {max_mb} MB (deploy.max_photo_mb)")
    return None


def upload_photos(account: Account, config: DeployConfig, photos: Photos) -> None:
    """Upload the local photos that S3 doesn't have yet.

    Raises:
        CloudError, DataError: S3 refuses, or a photo can't be read.
    """
    assert photos.root is not None
    client = account.client("s3")
    folder = S3Folder(*split_uri(photos.uri.rstrip("/")))
    plan = plan_upload(photos.root, photos.paths, stored(client, folder), within=photos.within)
    log.info(
        "photos to %s: %d to upload, %d unchanged",
        *(folder.uri, len(plan.files), len(plan.unchanged)),
    )
    upload(client, folder, plan, kms_key=config.launcher.output_kms_key)
