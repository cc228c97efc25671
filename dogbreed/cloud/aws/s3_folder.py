"""A folder of photos in S3: the versions of its objects, and the local files for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dogbreed.cloud.aws.objects import readable
from dogbreed.cloud.aws.upload_record import Version
from dogbreed.cloud.container.photo_listing import MAX_PHOTOS, is_plain_path
from dogbreed.errors import DataError

ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")


class LocalFile(NamedTuple):
    """A local photo: its path relative to its folder, as jobs see it, its file and its size."""

    name: str
    path: Path
    size_bytes: int


@dataclass(frozen=True)
class S3Folder:
    """A folder of photos in S3."""

    bucket: str
    prefix: str

    @property
    def uri(self) -> str:
        """With a trailing slash: without it, the prefix `dogs` would match `dogs-2` too."""
        return f"s3://{self.bucket}/{self.prefix}/"


def listed(client: Any, folder: S3Folder, names: str = "") -> Iterator[tuple[str, Version]]:
    """Names that start with `names`, and versions, without checksums.

    The S3 console creates an object with an empty name for a folder.
    """
    start = f"{folder.prefix}/"
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=folder.bucket, Prefix=f"{start}{names}"
    )
    for item in (item for page in pages for item in page.get("Contents", ())):
        modified = item["LastModified"].isoformat()
        yield item["Key"].removeprefix(start), Version(item["Size"], item["ETag"], modified, None)


def list_files(client: Any, folder: S3Folder) -> dict[str, Version]:
    """The objects in the folder, by their names in it; S3's errors are botocore's.

    Raises:
        DataError: too many, one whose name can't be a file's, or that is archived.
    """
    found: dict[str, Version] = {}
    start = f"{folder.prefix}/"
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=folder.bucket, Prefix=start)
    for item in (item for page in pages for item in page.get("Contents", ())):
        if item["Key"].endswith("/"):  # as the S3 console marks a folder
            continue
        name = item["Key"].removeprefix(start)
        _check_object(folder, name, str(item.get("StorageClass")))
        modified = item["LastModified"].isoformat()
        found[name] = Version(item["Size"], item["ETag"], modified, None)
        if len(found) > MAX_PHOTOS:
            raise DataError(f"{folder.uri} has more than {MAX_PHOTOS:,} objects: name a part.")
    return found


def _check_object(folder: S3Folder, name: str, storage_class: str) -> None:
    if not is_plain_path(name):
        raise DataError(
            f"{folder.uri} has the object {name!r}, which can't be a file: rename it, or name "
            "another folder."
        )
    if storage_class in ARCHIVED:
        raise DataError(
            f"{folder.uri}{name} is archived ({storage_class}) and can't be read: restore it by "
            "copying it to another storage class."
        )


def with_checksum(there: Version, known: Version | None) -> Version:
    """With the checksum in the local record, if that has the same version."""
    if known is None or known[:3] != (there.size_bytes, there.etag, there.modified):
        return there
    return there._replace(checksum=known.checksum)


def local_file(root: Path, path: Path) -> LocalFile:
    """A file below `root` with its name in S3.

    Raises:
        DataError: it can't be read, or has a name that S3 can't take.
    """
    name = path.relative_to(root).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{str(path)!r} has a name that isn't UTF-8: rename it for S3.") from error
    if any(ord(letter) < ord(" ") for letter in name):
        raise DataError(f"{str(path)!r} has control characters in its name: rename it for S3.")
    with readable(path):
        return LocalFile(name, path, path.stat().st_size)
