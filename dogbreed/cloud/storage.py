"""Photos and single files to S3 and back; of a folder of photos only what changed is sent."""

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dogbreed.cloud.objects import Stored, digest_of, put, readable, send_file
from dogbreed.cloud.refusals import in_plain_words
from dogbreed.cloud.s3_names import MAX_KEY_BYTES
from dogbreed.errors import CloudError, DataError
from dogbreed.machine import cores
from dogbreed.progress import progress

WORKERS = 32  # as many as a client of the account has connections
SECONDS_BETWEEN_MANIFESTS = 30.0
MOST_DELETIONS = 1000  # of one request


class LocalFile(NamedTuple):
    """A file to send, and its name below the folder."""

    name: str
    path: Path
    size_bytes: int


@dataclass(frozen=True)
class S3Folder:
    """A folder of photos in S3; the list of what it holds lies beside it, not in it."""

    bucket: str
    prefix: str

    @property
    def uri(self) -> str:
        """With the slash at its end: without one, `dogs` would bring in `dogs-2` as well."""
        return f"s3://{self.bucket}/{self.prefix}/"

    @property
    def manifest(self) -> str:
        """Key of the list: name -> size in bytes, SHA-256 digest in hex."""
        return f"{self.prefix}.manifest.json"


@dataclass(frozen=True, kw_only=True)
class UploadPlan:
    """What `upload` will send, leave as it is, and remove.

    `within` is the real path of the folder that nothing is sent from outside of; None: anywhere.
    """

    files: tuple[LocalFile, ...]
    kept: Mapping[str, Stored]
    gone: tuple[str, ...]
    within: str | None = None

    @property
    def size_bytes(self) -> int:
        """Of what will be sent."""
        return sum(file.size_bytes for file in self.files)


def stored(client: Any, folder: S3Folder) -> dict[str, Stored]:
    """What lies in the folder, by name.

    Raises:
        CloudError: S3 refuses, or objects lie there that this package didn't put there.
    """
    start = f"{folder.prefix}/"
    found: dict[str, Stored] = {}
    with in_plain_words(f"looking at {folder.uri}"):
        known = _manifest(client, folder)
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=folder.bucket, Prefix=start)
        for item in (item for page in pages for item in page.get("Contents", ())):
            name, size_bytes = item["Key"].removeprefix(start), item["Size"]
            if not name:  # S3's console marks a folder by an object without a name
                continue
            listed = (known or {}).get(name, Stored(size_bytes, None))
            found[name] = listed if listed.size_bytes == size_bytes else Stored(size_bytes, None)
    if found and known is None:
        raise CloudError(
            f"{folder.uri} holds {len(found)} objects that dogbreed didn't put there and would "
            "have to remove: name another launcher.prefix, or remove them yourself."
        )
    return found


def _manifest(client: Any, folder: S3Folder) -> dict[str, Stored] | None:
    """What earlier uploads wrote down; None where there was none."""
    try:
        data = client.get_object(Bucket=folder.bucket, Key=folder.manifest)["Body"].read()
    except client.exceptions.NoSuchKey:
        return None
    try:
        return {name: Stored(*entry) for name, entry in json.loads(data).items()}
    except (ValueError, TypeError, AttributeError):
        return {}  # damaged: everything is sent again


def check_keys(folder: S3Folder, root: Path, files: Sequence[Path]) -> None:
    """Refuse files whose names are too long for keys of S3.

    Raises:
        DataError: names the first.
    """
    for path in files:
        key = f"{folder.prefix}/{path.relative_to(root).as_posix()}"
        size = len(key.encode("utf-8", "surrogateescape"))
        if size > MAX_KEY_BYTES:
            raise DataError(
                f"{path}: its key in S3 would have {size} bytes, and {MAX_KEY_BYTES} are the most: "
                "shorten the names of its folders, or launcher.prefix."
            )


def plan_upload(
    root: Path,
    files: Sequence[Path],
    there: Mapping[str, Stored] | None,
    digests: Mapping[Path, bytes] | None = None,
    within: str | None = None,
) -> UploadPlan:
    """Compare `files`, which lie below `root`, with what `stored` found; nothing is sent.

    None as `there` counts every file as new. `digests` are SHA-256 of contents known already.

    Raises:
        DataError: a file can't be read, or has a name that S3 can't take.
    """
    local, remote, known = [_local(root, path) for path in files], there or {}, digests or {}
    alike = [file for file in local if _same_size(file, remote.get(file.name))]
    with ThreadPoolExecutor(cores()) as pool:
        found = pool.map(lambda file: known.get(file.path) or digest_of(file.path), alike)
        kept = {
            file.name: remote[file.name]
            for file, digest in zip(alike, found, strict=True)
            if digest.hex() == remote[file.name].sha256
        }
    return UploadPlan(
        files=tuple(file for file in local if file.name not in kept),
        kept=kept,
        gone=tuple(sorted(remote.keys() - {file.name for file in local})),
        within=within,
    )


def _local(root: Path, path: Path) -> LocalFile:
    name = path.relative_to(root).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{str(path)!r} has a name that isn't UTF-8: rename it for S3.") from error
    if any(ord(letter) < ord(" ") for letter in name):
        raise DataError(f"{str(path)!r} has control characters in its name: rename it for S3.")
    with readable(path):
        return LocalFile(name, path, path.stat().st_size)


def _same_size(file: LocalFile, there: Stored | None) -> bool:
    return there is not None and there.sha256 is not None and there.size_bytes == file.size_bytes


def upload(
    client: Any, folder: S3Folder, plan: UploadPlan, *, kms_key: str | None, workers: int = WORKERS
) -> None:
    """Send what is new or changed, then remove what is gone; S3 verifies each file's checksum.

    What was sent before an error or a signal isn't sent again the next time.

    Raises:
        CloudError: S3 refuses, or can't be reached.
        DataError: a file can't be read any more.
    """
    if not plan.files and not plan.gone:
        return
    there = dict(plan.kept)

    def save() -> None:
        listed = json.dumps(there.copy()).encode()  # a copy: threads add to it meanwhile
        put(client, folder.bucket, folder.manifest, listed, kms_key)

    def send(file: LocalFile) -> None:
        key = f"{folder.prefix}/{file.name}"
        there[file.name] = send_file(
            client, folder.bucket, key, file.path, kms_key, within=plan.within
        )

    with in_plain_words(f"uploading to {folder.uri}"):
        save()  # it must not vouch for what is about to change
        try:
            _send_all(send, plan.files, save, workers)
            _remove(client, folder, plan.gone)
        except BaseException:
            with contextlib.suppress(Exception):  # what ended the upload is what is told
                save()
            raise
        save()


def _send_all(
    send: Callable[[LocalFile], None],
    files: Sequence[LocalFile],
    save: Callable[[], None],
    workers: int,
) -> None:
    """Send in threads, and save now and then; the first error ends it."""
    pool, last = ThreadPoolExecutor(workers), time.monotonic()
    try:
        with progress("uploading", len(files)) as advance:
            for future in as_completed([pool.submit(send, file) for file in files]):
                future.result()
                advance(1)
                if time.monotonic() - last >= SECONDS_BETWEEN_MANIFESTS:
                    save()
                    last = time.monotonic()
    finally:
        pool.shutdown(cancel_futures=True)


def _remove(client: Any, folder: S3Folder, names: Sequence[str]) -> None:
    for start in range(0, len(names), MOST_DELETIONS):
        keys = [
            {"Key": f"{folder.prefix}/{name}"} for name in names[start : start + MOST_DELETIONS]
        ]
        answer = client.delete_objects(
            Bucket=folder.bucket, Delete={"Objects": keys, "Quiet": True}
        )
        if left := answer.get("Errors"):
            raise CloudError(
                f"S3 didn't remove {len(left)} photos below {folder.uri}, such as "
                f"{left[0]['Key']} ({left[0]['Code']}), and they would be trained on: allow "
                "s3:DeleteObject, or remove them yourself."
            )
