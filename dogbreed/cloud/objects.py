"""Single objects of S3: bytes and files sent with a checksum, fetched, and unpacked."""

import base64
import contextlib
import gzip
import hashlib
import io
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dogbreed.cloud.refusals import code_of, in_plain_words
from dogbreed.data.links import open_within
from dogbreed.errors import CloudError, DataError
from dogbreed.files import whole

# From here on a file goes in parts, each tried again by itself.
LARGE_BYTES = 64 * 2**20
PART_BYTES = 16 * 2**20


class Stored(NamedTuple):
    """An object in S3; the digest in hex is None where this package didn't put it there."""

    size_bytes: int
    sha256: str | None


def send_file(
    client: Any,
    bucket: str,
    key: str,
    path: Path,
    kms_key: str | None,
    *,
    within: str | None = None,
) -> Stored:
    """Send a file, in parts if it is large; S3 verifies its checksum.

    `within` is the real path of a folder that it must be in.

    Raises:
        DataError: it can't be read.
    """
    with readable(path), open(open_within(path, within), "rb") as file:  # noqa: PTH123 (descriptor)
        if os.fstat(file.fileno()).st_size >= LARGE_BYTES:
            return _send_in_parts(client, bucket, key, file, kms_key)
        data = file.read()
    return put(client, bucket, key, data, kms_key)


def _send_in_parts(
    client: Any, bucket: str, key: str, file: io.BufferedReader, kms_key: str | None
) -> Stored:
    from boto3.s3.transfer import TransferConfig

    digest = hashlib.file_digest(file, "sha256").digest()
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    # Unlike upload_file, this doesn't wrap what S3 answers in an error of its own.
    client.upload_fileobj(
        file,
        bucket,
        key,
        ExtraArgs={"ChecksumAlgorithm": "SHA256", **_encryption(kms_key)},
        Config=TransferConfig(multipart_threshold=LARGE_BYTES, multipart_chunksize=PART_BYTES),
    )
    return Stored(size_bytes, digest.hex())


def put(client: Any, bucket: str, key: str, data: bytes, kms_key: str | None) -> Stored:
    """Send bytes; S3 verifies their checksum."""
    digest = hashlib.sha256(data).digest()
    client.put_object(
        Bucket=bucket,
        Key=key,
        Body=data,
        ChecksumSHA256=base64.b64encode(digest).decode(),
        **_encryption(kms_key),
    )
    return Stored(len(data), digest.hex())


def _encryption(kms_key: str | None) -> dict[str, str]:
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}


def digest_of(path: Path) -> bytes:
    """SHA-256 of a file's content.

    Raises:
        DataError: it can't be read.
    """
    with readable(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn the block's failure to read `path` into a DataError."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}.") from error


def upload_file(client: Any, path: Path, uri: str, *, kms_key: str | None) -> None:
    """Send one file of any size; S3 verifies its checksum.

    Raises:
        CloudError: S3 refuses, or can't be reached.
        DataError: the file can't be read.
    """
    with in_plain_words(f"uploading to {uri}"):
        send_file(client, *split_uri(uri), path, kms_key)


def upload_once(client: Any, data: bytes, uri: str, *, kms_key: str | None) -> bool:
    """Send bytes to a place whose name has their digest, unless they lie there; whether it did.

    Raises:
        CloudError: S3 refuses, or can't be reached.
    """
    if lies_there(client, uri, len(data)):
        return False
    with in_plain_words(f"uploading to {uri}"):
        put(client, *split_uri(uri), data, kms_key)
    return True


def lies_there(client: Any, uri: str, size_bytes: int) -> bool:
    """Whether there is an object of this size.

    Raises:
        CloudError: S3 refuses, or can't be reached.
    """
    bucket, key = split_uri(uri)
    with in_plain_words(f"looking at {uri}"):
        listed = client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", ())
    return any(item["Key"] == key and item["Size"] == size_bytes for item in listed)


def download_file(client: Any, uri: str, target: Path) -> None:
    """Fetch one object, whole or not at all.

    Raises:
        CloudError: it isn't there, S3 refuses, or can't be reached.
    """
    from boto3.exceptions import RetriesExceededError
    from botocore.exceptions import ClientError

    bucket, key = split_uri(uri)
    with in_plain_words(f"downloading {uri}"), whole(target) as beside:
        try:
            client.download_file(bucket, key, str(beside))
        except RetriesExceededError as error:
            raise CloudError(f"{uri} broke off again and again: try again later.") from error
        except ClientError as error:
            if code_of(error) != "404":
                raise
            raise CloudError(f"There is no {uri}: did the job that writes it end?") from error


def download_archive(client: Any, uri: str, target: Path) -> None:
    """Fetch a model.tar.gz and unpack it into the new folder `target`, whole or not at all.

    Raises:
        CloudError: it isn't there, isn't such an archive, or holds more than files and folders.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as temporary:
        archive = Path(temporary, "archive")
        download_file(client, uri, archive)
        with whole(target) as beside:
            try:
                _unpack(archive, beside)
            except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise CloudError(f"{uri} can't be unpacked: {error}.") from error


def _unpack(archive: Path, target: Path) -> None:
    with tarfile.open(archive, "r:gz") as tape:
        for member in tape:
            if not (member.isreg() or member.isdir()) or member.name.startswith("/"):
                raise tarfile.TarError(f"{member.name!r} is a link, a device or an absolute path")
        # The filter refuses what leads out of the folder, and sets no odd modes and no owners.
        tape.extractall(target, filter="data")


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of s3://BUCKET/KEY.

    Raises:
        CloudError: it isn't of that form.
    """
    scheme, _, path = uri.partition("://")
    bucket, _, key = path.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise CloudError(f"{uri!r} is no place in S3: write s3://BUCKET/KEY.")
    return bucket, key
