"""A copy of photos in S3 in the cache: only what is new or has changed is downloaded.

What S3 no longer has is removed. As in jobs, photos are recognised by their names; tables of labels
are copied too. An object that is an archive by its name is copied as it is.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import CLIENT, open_session
from dogbreed.cloud.aws.bucket_owner import check_owner, expect_owner
from dogbreed.cloud.aws.downloads import fetch_object
from dogbreed.cloud.aws.errors import code_of, translate_errors
from dogbreed.cloud.aws.objects import split_uri
from dogbreed.cloud.aws.s3_folder import S3Folder, list_files
from dogbreed.cloud.aws.transfers import WORKERS, transfer_all
from dogbreed.cloud.aws.upload_record import DOWNLOADS, Version, read_record, write_record
from dogbreed.cloud.container.photo_listing import clashing_name
from dogbreed.data.archives.cached import TABLE_SUFFIXES, has_archive_suffix
from dogbreed.data.archives.extraction import RESERVE_BYTES
from dogbreed.data.decoding.formats import is_photo_suffix
from dogbreed.data.decoding.photos import MAX_BYTES
from dogbreed.data.layouts.system_files import system_kind
from dogbreed.errors import CloudError, DataError
from dogbreed.utils.alone import alone
from dogbreed.utils.files import MAX_NAME_BYTES, remove
from dogbreed.utils.user_paths import CACHE_VARIABLE, cache_dir, cached_in, private_folder

FOLDER = "s3"  # in the cache
MAX_ARCHIVE_BYTES = 2**40
# A person waits: without a network it takes some seconds.
FEWER_TRIES = CLIENT.merge(ClientConfig(retries={"mode": "standard", "max_attempts": 4}))

log = logging.getLogger("dogbreed")


class Objects(NamedTuple):
    """Objects of a bucket: the start of their keys, and their versions by the rest of the key."""

    bucket: str
    start: str
    versions: Mapping[str, Version]


def synchronised(uri: str) -> Path:
    """The copy of a folder or an archive in S3, as S3 has it now.

    Raises:
        CloudError: no credentials, no network, or S3 refuses.
        DataError: no photos there, an object whose name can't be a file's, or a full disk.
    """
    uri = uri.rstrip("/")
    bucket, path = split_uri(uri)
    is_archive, name = has_archive_suffix(path), PurePosixPath(path).name
    client = _client(uri, bucket)
    there = (_archive if is_archive else _photos)(client, uri, bucket, path)
    folder = cache_dir() / FOLDER / hashlib.sha256(uri.encode()).hexdigest()[:32]
    with cached_in(folder):
        for each in (folder.parent.parent, folder.parent, folder):
            private_folder(each)
        with alone(folder.with_suffix(".lock"), f"downloading {uri}"):
            _synchronise(client, uri, there, folder if is_archive else folder / name)
    return folder / name


def _client(uri: str, bucket: str) -> Any:
    """An S3 client for the bucket, which must be the account's own, as everywhere."""
    named_by = f"data.root={uri}"
    with translate_errors(named_by, alternative=", or copy the photos to a folder"):
        session = open_session()
        if session.get_credentials() is None:
            raise CloudError(f"{named_by}: there are no AWS credentials: sign in (aws login).")
        region = session.region_name or "us-east-1"
        caller = session.client("sts", region, config=FEWER_TRIES).get_caller_identity()
        expect_owner(session, caller["Account"])
        client = session.client("s3", region, config=FEWER_TRIES)
    try:
        found = check_owner(client, bucket, named_by, caller["Account"])
    except CloudError as error:
        if code_of(error.__cause__) != "404":
            raise
        raise CloudError(f"{named_by}: there is no bucket {bucket}: check its name.") from error
    return client if found in (None, region) else session.client("s3", found, config=FEWER_TRIES)


def _archive(client: Any, uri: str, bucket: str, key: str) -> Objects:
    """The one object that a URI names."""
    with translate_errors(f"data.root={uri}"):
        try:
            head = client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if code_of(error) != "404":
                raise
            raise CloudError(f"data.root={uri}: there is no such object: check its key.") from error
    if head["ContentLength"] > MAX_ARCHIVE_BYTES:
        raise DataError(f"{uri} has more than {MAX_ARCHIVE_BYTES} bytes.")
    version = Version(head["ContentLength"], head["ETag"], head["LastModified"].isoformat(), None)
    name = PurePosixPath(key).name
    return Objects(bucket, key.removesuffix(name), {name: version})


def _photos(client: Any, uri: str, bucket: str, prefix: str) -> Objects:
    """The photos and tables below a prefix."""
    with translate_errors(f"data.root={uri}"):
        listed = list_files(client, S3Folder(bucket, prefix))
    versions = {name: version for name, version in listed.items() if _is_used(name)}
    if large := [name for name, version in versions.items() if version.size_bytes > MAX_BYTES]:
        log.warning(
            "warning: %d objects of over %d bytes are left out, such as %s",
            *(len(large), MAX_BYTES, large[0]),
        )
        versions = {name: versions[name] for name in versions.keys() - set(large)}
    if not versions:
        raise DataError(
            f"{uri} holds no photos: data.root must have one folder of photos per class, or name a "
            "zip or tar archive."
        )
    if long := next(filter(_is_too_long, versions), None):
        raise DataError(f"{uri}: the object {long} has too long a name for a file: rename it.")
    if (clash := clashing_name(versions)) is not None:
        raise DataError(f"{uri}: {clash} is an object and a folder, which no disk can hold.")
    return Objects(bucket, f"{prefix}/", versions)


def _is_used(name: str) -> bool:
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    return (is_photo_suffix(suffix) or suffix in TABLE_SUFFIXES) and not any(
        map(system_kind, path.parts)
    )


def _is_too_long(name: str) -> bool:
    return max(len(part.encode()) for part in name.split("/")) > MAX_NAME_BYTES


def _synchronise(client: Any, uri: str, there: Objects, place: Path) -> None:
    """Make `place` the same as the objects, and record their versions, also after an error."""
    private_folder(place)
    record = dict(read_record(uri, DOWNLOADS))
    here = {
        name: version
        for name, version in there.versions.items()
        if record.get(name) == version and _is_here(place / name, version)
    }
    partial = place / ".part"
    remove(partial)  # of a process that was killed
    _remove_others(place, here)
    missing = [name for name in there.versions if name not in here]
    _check_space(uri, place, sum(there.versions[name].size_bytes for name in missing))
    partial.mkdir(mode=0o700)

    def transfer(name: str) -> None:
        version = there.versions[name]
        part = partial / hashlib.sha256(name.encode()).hexdigest()
        _fetch(client, f"s3://{there.bucket}/{there.start}{name}", version, part)
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        part.replace(place / name)
        here[name] = version

    try:
        with translate_errors(f"data.root={uri}"):
            transfer_all(transfer, missing, WORKERS, "downloading")
    finally:
        remove(partial)
        if here != record:
            write_record(uri, here, DOWNLOADS)
    log.info(
        "%s: %d objects downloaded (%.1f MB), %d unchanged, %d removed",
        *(uri, len(missing), sum(there.versions[name].size_bytes for name in missing) / 1e6),
        *(len(there.versions) - len(missing), len(record.keys() - there.versions.keys())),
    )


def _fetch(client: Any, uri: str, version: Version, part: Path) -> None:
    """Download this version of an object; the file has its modification time."""
    try:
        with part.open("xb") as file:
            fetch_object(client, uri, file, version.size_bytes, version.etag)
    except ClientError as error:
        if code_of(error) not in ("PreconditionFailed", "412", "NoSuchKey", "404"):
            raise
        raise CloudError(f"{uri} changed during the download: run the command again.") from error
    os.utime(part, ns=(_modified_ns(version), _modified_ns(version)))


def _modified_ns(version: Version) -> int:
    return int(datetime.fromisoformat(version.modified).timestamp()) * 10**9


def _is_here(path: Path, version: Version) -> bool:
    """Whether a downloaded file is as it was written."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (version.size_bytes, _modified_ns(version))


def _remove_others(place: Path, names: Mapping[str, Version]) -> None:
    """Remove the files below `place` that aren't in `names`, and empty folders."""
    for folder, _, files in os.walk(place, topdown=False):
        for file in files:
            path = Path(folder, file)
            if path.relative_to(place).as_posix() not in names:
                path.unlink()
        with suppress(OSError):  # it isn't empty
            if Path(folder) != place:
                Path(folder).rmdir()


def _check_space(uri: str, place: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(place).free - RESERVE_BYTES
    if needed_bytes > free_bytes:
        raise DataError(
            f"{uri} needs {needed_bytes / 1e9:.1f} GB under {place}, where "
            f"{max(0, free_bytes) / 1e9:.1f} GB are free: free some, or set the variable "
            f"{CACHE_VARIABLE} to a folder elsewhere."
        )
