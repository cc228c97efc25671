"""Synchronize a folder of photos to S3: upload new and changed files, delete removed ones.

For transform jobs, which read every object of a folder. Training jobs read content-addressed
objects (photo_objects.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.errors import code_of, translate_errors
from dogbreed.cloud.aws.objects import (
    Uploaded,
    file_checksum,
    put,
    readable,
    send_file,
    stored_checksum,
)
from dogbreed.cloud.aws.s3_names import MAX_KEY_BYTES
from dogbreed.cloud.aws.transfers import WORKERS, send_all
from dogbreed.cloud.aws.upload_record import Version, read_record, write_record
from dogbreed.errors import CloudError, DataError
from dogbreed.utils.machine import cores

MAX_DELETIONS = 1000  # per request
MARKER = b"{}\n"  # empty: earlier versions trusted a list of photos in it


class LocalFile(NamedTuple):
    """A file to upload, and its key relative to the folder."""

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

    @property
    def marker(self) -> str:
        """Key of the object next to the folder that marks it as created by this package."""
        return f"{self.prefix}.manifest.json"


@dataclass(frozen=True, kw_only=True)
class UploadPlan:
    """The files that `upload` sends, skips (`unchanged`) and deletes (`gone`).

    `within` is the real path of the folder that must contain all files; None: links may leave it.
    """

    files: tuple[LocalFile, ...]
    unchanged: Mapping[str, Version]
    gone: tuple[str, ...]
    within: str | None = None

    @property
    def size_bytes(self) -> int:
        """Total size of the files to upload."""
        return sum(file.size_bytes for file in self.files)


def stored(client: Any, folder: S3Folder) -> dict[str, Version]:
    """The object versions in the folder, by name, with their checksums.

    Checksums of versions that this machine uploaded or compared before come from the local record,
    all others from S3.

    Raises:
        CloudError: S3 refuses, or the folder has objects that this package didn't upload.
    """
    with translate_errors(f"listing {folder.uri}"):
        found = {name: each for name, each in listed(client, folder) if name}
        if found and not _is_marked(client, folder):
            raise CloudError(
                f"{folder.uri} has {len(found)} objects that dogbreed didn't upload and would have "
                "to delete: name another launcher.prefix, or delete them yourself."
            )
        record = read_record(folder.uri)
        found = {name: with_checksum(each, record.get(name)) for name, each in found.items()}
        unknown = [name for name, each in found.items() if each.checksum is None]
        keys = (f"{folder.prefix}/{name}" for name in unknown)
        with ThreadPoolExecutor(WORKERS) as pool:
            sums = pool.map(lambda key: stored_checksum(client, folder.bucket, key), keys)
            for name, sha256 in zip(unknown, sums, strict=True):
                found[name] = found[name]._replace(checksum=sha256)
    return found


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


def with_checksum(there: Version, known: Version | None) -> Version:
    """With the checksum in the local record, if that has the same version."""
    if known is None or known[:3] != (there.size_bytes, there.etag, there.modified):
        return there
    return there._replace(checksum=known.checksum)


def _is_marked(client: Any, folder: S3Folder) -> bool:
    try:
        client.head_object(Bucket=folder.bucket, Key=folder.marker)
    except ClientError as error:
        if code_of(error) != "404":
            raise
        return False
    return True


def check_keys(folder: S3Folder, root: Path, files: Sequence[Path]) -> None:
    """Check that the files' names aren't too long for S3 keys.

    Raises:
        DataError: names the first one that is.
    """
    for path in files:
        key = f"{folder.prefix}/{path.relative_to(root).as_posix()}"
        size = len(key.encode("utf-8", "surrogateescape"))
        if size > MAX_KEY_BYTES:
            raise DataError(
                f"{path}: its S3 key would have {size} bytes; at most {MAX_KEY_BYTES}: shorten the "
                "names of its folders, or launcher.prefix."
            )


def plan_upload(
    root: Path,
    files: Sequence[Path],
    there: Mapping[str, Version] | None,
    digests: Mapping[Path, bytes] | None = None,
    within: str | None = None,
) -> UploadPlan:
    """Compare `files` below `root` with the result of `stored`; nothing is sent.

    `there` None: every file counts as new. `digests` are known SHA-256 digests of files.

    Raises:
        DataError: a file can't be read, or has a name that S3 can't take.
    """
    local, remote, known = [local_file(root, path) for path in files], there or {}, digests or {}
    same_size = [file for file in local if _same_size(file, remote.get(file.name))]
    with ThreadPoolExecutor(cores()) as pool:
        found = pool.map(lambda file: file_checksum(file.path, known.get(file.path)), same_size)
        unchanged = {
            file.name: remote[file.name]
            for file, sha256 in zip(same_size, found, strict=True)
            if sha256 == remote[file.name].checksum
        }
    return UploadPlan(
        files=tuple(file for file in local if file.name not in unchanged),
        unchanged=unchanged,
        gone=tuple(sorted(remote.keys() - {file.name for file in local})),
        within=within,
    )


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


def _same_size(file: LocalFile, there: Version | None) -> bool:
    return there is not None and there.checksum is not None and there.size_bytes == file.size_bytes


def upload(
    client: Any, folder: S3Folder, plan: UploadPlan, *, kms_key: str | None, workers: int = WORKERS
) -> None:
    """Upload new and changed files, then delete removed ones; S3 verifies each file's checksum.

    Files uploaded before an error or a signal aren't uploaded again the next time.

    Raises:
        CloudError: S3 refuses, or can't be reached.
        DataError: a file can no longer be read.
    """
    sent: dict[str, Uploaded | None] = {}

    def send(file: LocalFile) -> None:
        key = f"{folder.prefix}/{file.name}"
        sent[file.name] = send_file(
            client, folder.bucket, key, file.path, kms_key, within=plan.within
        )

    record = {name: Version(*each) for name, each in plan.unchanged.items()}
    with translate_errors(f"uploading to {folder.uri}"):
        if plan.files:
            put(client, folder.bucket, folder.marker, MARKER, kms_key)
            send_all(send, plan.files, workers)
        _remove(client, folder, plan.gone)
        if sent:
            record |= confirmed(sent, listed(client, folder))
    write_record(folder.uri, record)


def confirmed(
    sent: Mapping[str, Uploaded | None], there: Iterable[tuple[str, Version]]
) -> dict[str, Version]:
    """The versions in S3 that are those sent, by name, with their checksums."""
    found = ((name, version, sent.get(name)) for name, version in there)
    return {
        name: version._replace(checksum=uploaded.sha256)
        for name, version, uploaded in found
        if uploaded is not None and uploaded.etag == version.etag
    }


def _remove(client: Any, folder: S3Folder, names: Sequence[str]) -> None:
    for start in range(0, len(names), MAX_DELETIONS):
        keys = [{"Key": f"{folder.prefix}/{name}"} for name in names[start : start + MAX_DELETIONS]]
        answer = client.delete_objects(
            Bucket=folder.bucket, Delete={"Objects": keys, "Quiet": True}
        )
        if left := answer.get("Errors"):
            raise CloudError(
                f"S3 didn't delete {len(left)} photos below {folder.uri}, such as "
                f"{left[0]['Key']} ({left[0]['Code']}), and they would be trained on: allow "
                "s3:DeleteObject, or delete them yourself."
            )
