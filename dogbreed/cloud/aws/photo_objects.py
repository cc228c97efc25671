"""Photos in S3 as content-addressed objects: the key is the SHA-256 of the content.

An object is never replaced by other content, and nothing is deleted, so running jobs see the photos
that they were started with, and users of a bucket share the objects.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.aws.objects import (
    Uploaded,
    digest_of,
    file_checksum,
    readable,
    send_open_file,
    stored_checksum,
)
from dogbreed.cloud.aws.s3_folder import (
    S3Folder,
    listed,
    local_file,
    with_checksum,
)
from dogbreed.cloud.aws.transfers import WORKERS, transfer_all
from dogbreed.cloud.aws.upload_record import Version, read_record, write_record
from dogbreed.errors import DataError
from dogbreed.utils.links import open_within
from dogbreed.utils.machine import cores

OBJECTS = "objects/"  # the keys' start, relative to the folder of photos
FIRST_DIGITS = "0123456789abcdef"  # the keys are listed in as many threads


class Photo(NamedTuple):
    """A local photo: its path as jobs see it, its file, size, and SHA-256 in hex."""

    name: str
    path: Path
    size_bytes: int
    sha256: str

    @property
    def key(self) -> str:
        """Of its object, relative to the folder of photos in S3."""
        return f"{OBJECTS}{self.sha256}"


@dataclass(frozen=True, kw_only=True)
class PhotoPlan:
    """The photos of a launch, and those of them that `upload_photos` sends (`files`).

    `record` has the verified versions of the objects in S3, also of other launches' photos.
    `within` is the real path of the folder that must contain all files; None: links may leave it.
    """

    photos: tuple[Photo, ...]
    files: tuple[Photo, ...]
    record: Mapping[str, Version]
    within: str | None = None

    @property
    def size_bytes(self) -> int:
        """Total size of the files to upload."""
        return sum(photo.size_bytes for photo in self.files)

    @property
    def unchanged(self) -> int:
        """How many photos S3 has already."""
        new = {photo.sha256 for photo in self.files}
        return sum(photo.sha256 not in new for photo in self.photos)


def local_photos(
    root: Path, paths: Sequence[Path], digests: Mapping[Path, bytes]
) -> tuple[Photo, ...]:
    """Photos below `root` with their digests; those not in `digests` are computed, in parallel.

    Raises:
        DataError: a file can't be read, or has a name that S3 can't take.
    """
    with ThreadPoolExecutor(cores()) as pool:
        found = pool.map(lambda path: digests.get(path) or digest_of(path), paths)
        return tuple(
            Photo(*local_file(root, path), digest.hex())
            for path, digest in zip(paths, found, strict=True)
        )


def plan_photos(
    client: Any, folder: S3Folder, photos: Sequence[Photo], within: str | None = None
) -> PhotoPlan:
    """Determine which photos S3 lacks; nothing is sent.

    The folder is listed once. Checksums of objects that this machine uploaded or compared before
    come from the local record, others from S3.

    Raises:
        CloudError: S3 refuses, or can't be reached.
        DataError: a photo can't be read.
    """
    wanted = {photo.sha256: photo for photo in photos}
    with translate_errors(f"listing {folder.uri}"):
        there, record = _listed(client, folder), read_record(folder.uri)
        verified = {
            name: with_checksum(each, record[name])
            for name, each in there.items()
            if name in record
        }
        verified = {name: each for name, each in verified.items() if each.checksum is not None}
        unknown = [name for name in wanted if name in there and name not in verified]
        keys = (f"{folder.prefix}/{OBJECTS}{name}" for name in unknown)
        with ThreadPoolExecutor(WORKERS) as pool:
            sums = pool.map(lambda key: stored_checksum(client, folder.bucket, key), keys)
            for name, sha256 in zip(unknown, sums, strict=True):
                verified[name] = there[name]._replace(checksum=sha256)
    held = {name for name, photo in wanted.items() if _holds(verified.get(name), photo)}
    return PhotoPlan(
        photos=tuple(photos),
        files=tuple(photo for name, photo in wanted.items() if name not in held),
        record={
            name: each for name, each in verified.items() if name in held or name not in wanted
        },
        within=within,
    )


def _listed(client: Any, folder: S3Folder) -> dict[str, Version]:
    """The objects by their digests. S3 lists 1,000 keys a request: the first digits in parallel."""

    def list_digit(digit: str) -> list[tuple[str, Version]]:
        return list(listed(client, folder, f"{OBJECTS}{digit}"))

    with ThreadPoolExecutor(len(FIRST_DIGITS)) as pool:
        found = [each for some in pool.map(list_digit, FIRST_DIGITS) for each in some]
    return {key.removeprefix(OBJECTS): version for key, version in found}


def _holds(there: Version | None, photo: Photo) -> bool:
    """Whether an object has the photo's content, by S3's own checksum."""
    if there is None or there.checksum is None or there.size_bytes != photo.size_bytes:
        return False
    return there.checksum == file_checksum(photo.path, bytes.fromhex(photo.sha256))


def upload_photos(
    client: Any, folder: S3Folder, plan: PhotoPlan, *, kms_key: str | None, workers: int = WORKERS
) -> None:
    """Upload the photos that S3 lacks; S3 verifies each one's checksum.

    Photos uploaded before an error or a signal aren't uploaded again the next time.

    Raises:
        CloudError: S3 refuses, or can't be reached.
        DataError: a photo can no longer be read, or has changed since the plan was made.
    """
    sent: dict[str, Uploaded | None] = {}

    def send(photo: Photo) -> None:
        sent[photo.sha256] = _send(client, folder, photo, kms_key, plan.within)

    record = dict(plan.record)
    with translate_errors(f"uploading to {folder.uri}"):
        transfer_all(send, plan.files, workers, "uploading")
        if sent:
            record |= _confirmed(sent, _listed(client, folder).items())
    if record != read_record(folder.uri):
        write_record(folder.uri, record)


def _confirmed(
    sent: Mapping[str, Uploaded | None], there: Iterable[tuple[str, Version]]
) -> dict[str, Version]:
    """The versions in S3 that are those sent, by name, with their checksums."""
    found = ((name, version, sent.get(name)) for name, version in there)
    return {
        name: version._replace(checksum=uploaded.sha256)
        for name, version, uploaded in found
        if uploaded is not None and uploaded.etag == version.etag
    }


def _send(
    client: Any, folder: S3Folder, photo: Photo, kms_key: str | None, within: str | None
) -> Uploaded | None:
    """Upload one photo, unless it has changed: its key promises its content."""
    with readable(photo.path), open(open_within(photo.path, within), "rb") as file:  # noqa: PTH123 (descriptor)
        if hashlib.file_digest(file, "sha256").hexdigest() != photo.sha256:
            raise DataError(f"{photo.path} was changed during the launch: launch again.")
        file.seek(0)
        return send_open_file(client, folder.bucket, f"{folder.prefix}/{photo.key}", file, kms_key)


def encode_manifest(folder: S3Folder, keys: Iterable[str]) -> bytes:
    """The manifest of objects in a folder, in SageMaker's form; `keys` are relative to the folder.

    Source: SageMaker's API reference, S3DataSource: an array of the prefix and the keys after it.
    """
    listed_keys = sorted(set(keys))
    return json.dumps([{"prefix": folder.uri}, *listed_keys], ensure_ascii=False, indent=0).encode()


def manifest_uri(folder: S3Folder, manifest: bytes) -> str:
    """The key is the manifest's digest, so each launch with these photos has the same."""
    return f"{folder.uri}manifests/{hashlib.sha256(manifest).hexdigest()}.json"
