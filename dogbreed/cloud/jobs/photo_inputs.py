"""The photos channel of a launch: read or check the local photos, and plan their upload."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.uploads import S3Folder, UploadPlan, check_keys, plan_upload, stored
from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import AUTO
from dogbreed.configuration.search import LaunchConfig, training_of
from dogbreed.data.check import SHOWN, as_lines
from dogbreed.data.layouts.folders import read_folders
from dogbreed.data.layouts.splits import PhotoFolders
from dogbreed.data.sets.samples import SAMPLES, sample_photos
from dogbreed.errors import ConfigError
from dogbreed.training.run_folder import log


@dataclass(frozen=True, kw_only=True)
class PhotoInputs:
    """The photos of a launch: the run's name, S3 folder, upload plan, and the photos' digests.

    `digests` are SHA-256 in hex by relative path; empty in a dry run, which reads no photo.
    """

    run_name: str
    folder: S3Folder
    plan: UploadPlan
    digests: Mapping[str, str]


def plan_photos(account: Account, config: LaunchConfig) -> PhotoInputs:
    """Plan the upload of all photos; `data.fraction` is applied in the job.

    Raises:
        DogbreedError: no or unreadable photos, or S3 refuses.
    """
    training = replace(training_of(config), data=replace(config.data, fraction=1.0))
    if account.dry:
        name, folders, digests = _listed(training)
    else:
        name, folders, digests = _checked(training)
    root, paths = folders.root, [sample.path for sample in folders.all_samples()]
    mark = hashlib.sha256(str(root.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    folder = S3Folder(account.bucket, f"{config.launcher.prefix}/photos/{_plain(name)}-{mark}")
    there = None if account.dry else stored(account.client("s3"), folder)
    check_keys(folder, root, paths)
    return PhotoInputs(
        run_name=name,
        folder=folder,
        plan=plan_upload(root, paths, there, digests, folders.within),
        digests={str(path.relative_to(root)): digest.hex() for path, digest in digests.items()},
    )


def _listed(config: Config) -> tuple[str, PhotoFolders, Mapping[Path, bytes]]:
    """The photos as listed in their folders, for a dry run: none is opened or downloaded."""
    if config.data.root is not None:
        root = Path(config.data.root)
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
    name = root.resolve().name if config.name == AUTO else config.name
    return name, folders, {}


def _checked(config: Config) -> tuple[str, PhotoFolders, Mapping[Path, bytes]]:
    """The readable photos: checked locally, so that no paid job fails because of them."""
    from dogbreed.training.preparation import check_photos, find_photos

    root, config = find_photos(config)
    checked = check_photos(root, config)
    return config.name, checked.folders, checked.digests


def _plain(name: str) -> str:
    """The name with only characters that need no quoting in S3 keys, shells and URLs."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in name)[:80]
