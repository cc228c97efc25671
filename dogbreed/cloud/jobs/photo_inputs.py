"""The photos of a launch: local ones are checked and uploaded, those in S3 are listed.

Both become a manifest, which the service reads, and a listing, which the job reads. Neither they
nor the objects that they name are changed or deleted later.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.objects import checksum, holds, upload_bytes
from dogbreed.cloud.aws.photo_objects import (
    Photo,
    PhotoPlan,
    encode_manifest,
    local_photos,
    manifest_uri,
    plan_photos,
    upload_photos,
)
from dogbreed.cloud.aws.s3_folder import S3Folder, local_file
from dogbreed.cloud.container.entry_point import PHOTO_LISTING, PHOTOS, PHOTOS_SHA256
from dogbreed.cloud.container.photo_listing import (
    LISTING_FILE,
    MAX_PHOTOS,
    ListedPhoto,
    PhotoListing,
    encode_listing,
)
from dogbreed.cloud.jobs.channels import MANIFEST_FILE, Channel
from dogbreed.cloud.jobs.checked_photos import read_known, write_known
from dogbreed.cloud.jobs.s3_photos import find_s3_photos
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import AUTO
from dogbreed.configuration.search import LaunchConfig, training_of
from dogbreed.data.check import SHOWN, as_lines
from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.splits import PhotoFolders
from dogbreed.data.roots import is_s3_folder, local_root, root_name
from dogbreed.data.sets.samples import SAMPLES, sample_photos
from dogbreed.errors import ConfigError, DataError
from dogbreed.training.run_folder import log

PLACEHOLDERS = "a dry run reads no photo: the digests in the URIs of photos are placeholders"


@dataclass(frozen=True, kw_only=True)
class PhotoInputs:
    """The photos of a launch.

    `folder` is the launcher's folder of photos in S3. `plan` has the local photos, and none where
    they are in S3 already. `digests` identify the photos' contents by relative path; empty in a dry
    run. `count` and `size_bytes` are of all photos.
    """

    run_name: str
    folder: S3Folder
    plan: PhotoPlan
    listing: bytes
    manifest: bytes
    digests: Mapping[str, str]
    count: int
    size_bytes: int
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> dict[str, Channel]:
        """The photos, and the listing that says which object is which photo."""
        place = self.listing_uri.removesuffix(LISTING_FILE)
        return {
            PHOTOS: Channel(self.manifest_uri, data_type=MANIFEST_FILE),
            PHOTO_LISTING: Channel(place),
        }

    @property
    def settings(self) -> dict[str, str]:
        """The hyperparameter with which the job verifies the listing."""
        return {PHOTOS_SHA256: hashlib.sha256(self.listing).hexdigest()}

    @property
    def listing_uri(self) -> str:
        """A folder of its own, as a channel has all objects below a prefix."""
        return f"{self.folder.uri}listings/{self.settings[PHOTOS_SHA256]}/{LISTING_FILE}"

    @property
    def manifest_uri(self) -> str:
        """Of the manifest in S3."""
        return manifest_uri(self.folder, self.manifest)


def plan_photo_inputs(account: Account, config: LaunchConfig) -> PhotoInputs:
    """Plan the upload of all photos; `data.fraction` is applied in the job.

    Raises:
        DogbreedError: no or unreadable photos, or S3 refuses.
    """
    training = replace(training_of(config), data=replace(config.data, fraction=1.0))
    folder = S3Folder(account.bucket, f"{config.launcher.prefix}/photos")
    if training.data.root is not None and is_s3_folder(training.data.root):
        return _in_place(account, training, folder)
    if account.dry:
        name, folders, digests = _listed(training)
    else:
        name, folders, digests = _checked(training)
    root, paths = folders.root, [sample.path for sample in folders.all_samples()]
    if len(paths) > MAX_PHOTOS:
        raise DataError(f"{root} has {len(paths):,} photos: at most {MAX_PHOTOS:,} can be sent.")
    if account.dry:
        photos = tuple(_placeholder(root, path) for path in paths)
        plan = PhotoPlan(photos=photos, files=photos, record={})
    else:
        photos = local_photos(root, paths, digests)
        plan = plan_photos(account.client("s3"), folder, photos, folders.within)
    listed = (
        ListedPhoto(each.name, each.key, each.size_bytes, f"sha256:{each.sha256}")
        for each in photos
    )
    listing = PhotoListing(f"{folder.prefix}/", tuple(listed))
    return PhotoInputs(
        run_name=name,
        folder=folder,
        plan=plan,
        listing=encode_listing(listing),
        count=len(photos),
        size_bytes=sum(photo.size_bytes for photo in photos),
        manifest=encode_manifest(folder, (photo.key for photo in listing.photos)),
        digests={} if account.dry else {each.name: each.sha256 for each in photos},
        notes=(PLACEHOLDERS,) if account.dry else (),
    )


def upload_photo_inputs(client: Any, inputs: PhotoInputs, kms_key: str | None) -> None:
    """Upload new photos, then the listing and the manifest that name them.

    Raises:
        CloudError: S3 refuses, or can't be reached.
        DataError: a photo can no longer be read, or has changed since it was checked.
    """
    plan = inputs.plan
    if plan.photos:
        log.info(
            "photos to %s: %d to upload (%.1f MB), %d unchanged",
            *(inputs.folder.uri, len(plan.files), plan.size_bytes / 1e6, plan.unchanged),
        )
        upload_photos(client, inputs.folder, plan, kms_key=kms_key)
    documents = {inputs.listing_uri: inputs.listing, inputs.manifest_uri: inputs.manifest}
    for uri, data in documents.items():
        if not holds(client, uri, checksum(data)):
            upload_bytes(client, data, uri, kms_key=kms_key)


def _in_place(account: Account, config: Config, folder: S3Folder) -> PhotoInputs:
    """The inputs of photos that are in S3 already."""
    if account.dry:
        raise ConfigError(
            f"data.root={config.data.root}: a dry run lists nothing in S3: it needs local photos."
        )
    found = find_s3_photos(account, config)
    name = PurePosixPath(found.folder.prefix).name
    return PhotoInputs(
        run_name=name if config.name == AUTO else config.name,
        folder=folder,
        plan=PhotoPlan(photos=(), files=(), record={}),
        listing=encode_listing(found.listing),
        count=len(found.listing.photos),
        size_bytes=sum(photo.size_bytes for photo in found.listing.photos),
        manifest=encode_manifest(found.folder, (photo.key for photo in found.listing.photos)),
        digests=found.versions,
    )


def _placeholder(root: Path, path: Path) -> Photo:
    """A photo of a dry run, which reads none."""
    file = local_file(root, path)
    return Photo(*file, hashlib.sha256(f"{file.name}/{file.size_bytes}".encode()).hexdigest())


def _listed(config: Config) -> tuple[str, PhotoFolders, Mapping[Path, bytes]]:
    """The photos as listed in their folders, for a dry run: none is opened or downloaded."""
    if config.data.root is not None:
        root = local_root(config.data.root)
    elif config.data.source == SAMPLES:
        root = sample_photos()
    else:
        raise ConfigError(
            "A dry run needs local photos: set data.root. (A launch would download "
            f"{config.data.source} first.)"
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
    name = root_name(config.data.root or root) if config.name == AUTO else config.name
    return name, folders, {}


def _checked(config: Config) -> tuple[str, PhotoFolders, Mapping[Path, bytes]]:
    """The readable photos: checked locally, so that no paid job fails because of them."""
    from dogbreed.training.preparation import check_photos, find_photos

    root, config = find_photos(config)
    known = read_known(root, config.data.max_pixels)
    checked = check_photos(root, config, known)
    write_known(root, config.data.max_pixels, checked, known)
    return config.name, checked.folders, checked.digests
