"""data.root=s3://BUCKET/PREFIX: photos that are in S3 already, which jobs read where they are.

Nothing is downloaded or uploaded: classes and splits are read from the names of the objects.
"""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.bucket_owner import check_owner
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.aws.objects import split_uri
from dogbreed.cloud.aws.s3_folder import S3Folder, list_files, with_checksum
from dogbreed.cloud.aws.s3_names import check_uri
from dogbreed.cloud.aws.transfers import WORKERS
from dogbreed.cloud.aws.upload_record import Version, read_record, write_record
from dogbreed.cloud.container.photo_listing import ListedPhoto, PhotoListing, clashing_name
from dogbreed.configuration.run import Config
from dogbreed.data.check import SHOWN, as_lines
from dogbreed.data.layouts.folders import read_tree
from dogbreed.data.layouts.splits import TEST, VALID, PhotoFolders
from dogbreed.data.layouts.system_files import Skipped
from dogbreed.data.layouts.walk import Folder, Listing
from dogbreed.errors import CloudError, DataError
from dogbreed.training.run_folder import log

# S3's user guide, "Checking object integrity": the ETag of an object that was uploaded in one
# request and isn't encrypted with a key of KMS or of a customer is its MD5.
MD5_ETAG = re.compile(r'"([0-9a-f]{32})"')
UNENCRYPTED = (None, "AES256")
NO_MD5 = ""  # recorded for an object whose ETag isn't its MD5


class S3Photos(NamedTuple):
    """Photos in S3: their folder, listing, and the ETag and size of each by its path."""

    folder: S3Folder
    listing: PhotoListing
    versions: Mapping[str, str]


class _S3Tree(Folder):
    """A folder of S3 objects as a list of names has it; photos are recognised by their names."""

    def __init__(self, path: Path, skipped: Skipped, names: Sequence[PurePosixPath]) -> None:
        super().__init__(path, skipped, str(path))
        self._names = names

    @cached_property
    def listing(self) -> Listing:
        """Subfolders and files, less those of the system."""
        files: list[Path] = []
        inside: dict[str, list[PurePosixPath]] = {}
        for name in self._names:
            first, *rest = name.parts
            if rest:
                inside.setdefault(first, []).append(PurePosixPath(*rest))
            elif self.skipped.visible(first):
                files.append(self.path / first)
        folders: list[Folder] = [
            _S3Tree(self.path / name, self.skipped, names)
            for name, names in sorted(inside.items())
            if self.skipped.visible(name)
        ]
        return Listing(folders, sorted(files))

    @cached_property
    def photos(self) -> list[Path]:
        """The photos in this folder itself, by their names."""
        return self.named_photos

    @cached_property
    def has_photos(self) -> bool:
        """Whether there are photos in it or below it, by their names."""
        return any(folder.named_photos for folder in self.walk())


def find_s3_photos(account: Account, config: Config) -> S3Photos:
    """List the photos below `config.data.root`; none is read.

    Raises:
        ConfigError: it isn't s3://BUCKET/PREFIX.
        CloudError: the bucket belongs to another account, is in another region or doesn't exist,
            or S3 refuses.
        DataError: no photos there, no classes, too many objects, or archived ones.
    """
    uri = str(config.data.root)
    check_uri("data.root", uri)
    bucket, prefix = split_uri(uri)
    folder = S3Folder(bucket, prefix.rstrip("/"))
    client = account.client("s3")
    region = check_owner(client, bucket, f"data.root={uri}", account.id) or account.region
    if region != account.region:
        raise CloudError(
            f"data.root={uri}: the bucket is in {region}, and the jobs would run in "
            f"{account.region}: set launcher.region={region}, or copy the photos to a bucket in "
            f"{account.region}."
        )
    with translate_errors(f"data.root={folder.uri}"):
        there = list_files(client, folder)
    folders = _folders(folder, there, config)
    root = folders.root
    names = [sample.path.relative_to(root).as_posix() for sample in folders.all_samples()]
    photos = _with_md5(client, folder, {name: there[name] for name in names})
    return S3Photos(
        folder=folder,
        listing=PhotoListing(f"{folder.prefix}/", photos),
        versions={name: f"{there[name].etag}/{there[name].size_bytes}" for name in names},
    )


def _folders(folder: S3Folder, there: Mapping[str, Version], config: Config) -> PhotoFolders:
    """Classes and splits, by the rules for local folders."""
    data, root = config.data, Path(folder.uri)
    top = _S3Tree(root, Skipped(), [PurePosixPath(name) for name in there])
    shares = {VALID: data.valid_share, TEST: data.test_share}
    try:
        if (clash := clashing_name(there)) is not None:
            raise DataError(f"{root}/{clash} is an object and a folder, which no disk can hold.")
        folders = read_tree(top, shares, data.split_seed, data.nested_classes)
    except DataError as error:
        raise DataError(*(_as_uri(line, root, folder) for line in error.args)) from error
    sizes = ", ".join(f"{len(photos)} {split}" for split, photos in folders.samples.items())
    log.info("photos: %s, %d classes (%s)", folder.uri, len(folders.classes), sizes)
    for line in as_lines(folders.findings, SHOWN):
        log.info("  %s", _as_uri(line, root, folder))
    return folders


def _as_uri(text: str, root: Path, folder: S3Folder) -> str:
    """A sentence with the URI where a path was, which has one slash less."""
    return text.replace(str(root), folder.uri.rstrip("/"))


def _with_md5(
    client: Any, folder: S3Folder, photos: Mapping[str, Version]
) -> tuple[ListedPhoto, ...]:
    """The photos, with MD5s where ETags are MD5s, which depends on their encryption.

    That is recorded on this machine, so that unchanged objects aren't queried again.
    """
    record = read_record(folder.uri)
    known = {name: with_checksum(each, record.get(name)) for name, each in photos.items()}
    unknown = [name for name, each in known.items() if each.checksum is None]

    def query(name: str) -> str:
        return _md5(client, folder, name, photos[name].etag)

    with translate_errors(f"reading {folder.uri}"), ThreadPoolExecutor(WORKERS) as pool:
        for name, checksum in zip(unknown, pool.map(query, unknown), strict=True):
            known[name] = known[name]._replace(checksum=checksum)
    if known != record:
        write_record(folder.uri, known)
    return tuple(
        ListedPhoto(name, name, each.size_bytes, each.checksum or None)
        for name, each in sorted(known.items())
    )


def _md5(client: Any, folder: S3Folder, name: str, etag: str) -> str:
    """The MD5 of an object as in a listing, or NO_MD5."""
    match = MD5_ETAG.fullmatch(etag)
    if match is None:
        return NO_MD5
    try:
        head = client.head_object(Bucket=folder.bucket, Key=f"{folder.prefix}/{name}")
    except ClientError:  # such as an object with a customer's key: only its size is compared
        return NO_MD5
    plain = head.get("ServerSideEncryption") in UNENCRYPTED and head["ETag"] == etag
    return f"md5:{match[1]}" if plain and "SSECustomerAlgorithm" not in head else NO_MD5
