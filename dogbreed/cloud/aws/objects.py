"""Upload single S3 objects with a SHA-256 checksum, and compare objects by it.

S3 computes and verifies the checksum itself, so it identifies the content. Size, user metadata and
records elsewhere don't.
"""

import base64
import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.errors import DENIED, code_of, translate_errors
from dogbreed.errors import CloudError, DataError

# From this size on a file is a multipart upload; each part is retried by itself.
LARGE_BYTES = 64 * 2**20
PART_BYTES = 16 * 2**20


class Uploaded(NamedTuple):
    """The ETag and the checksum of an uploaded object."""

    etag: str
    sha256: str


def checksum(data: bytes) -> str:
    """S3's checksum of an object uploaded in one request: its SHA-256 in base64."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def file_checksum(path: Path, digest: bytes | None = None) -> str:
    """S3's checksum of a file as `send_file` uploads it; `digest` is its SHA-256 if known.

    For a multipart upload it is the SHA-256 of the parts' digests, followed by the number of parts.
    Source: S3's user guide, "Checking object integrity", composite checksums.

    Raises:
        DataError: it can't be read.
    """
    with readable(path):
        size_bytes = path.stat().st_size
    if size_bytes < LARGE_BYTES:
        return base64.b64encode(digest or digest_of(path)).decode()
    parts = []
    with readable(path), path.open("rb") as file:
        while part := file.read(PART_BYTES):
            parts.append(hashlib.sha256(part).digest())
    return f"{checksum(b''.join(parts))}-{len(parts)}"


def stored_checksum(client: Any, bucket: str, key: str) -> str | None:
    """S3's SHA-256 checksum of an object; None if there is no such object or no checksum.

    Also None if reading it is denied, e.g. without permission to decrypt: an object that can't be
    compared is uploaded again.
    """
    try:
        head = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except ClientError as error:
        if code_of(error) in (*DENIED, "404", "NoSuchKey", "NotFound"):
            return None
        raise
    found = head.get("ChecksumSHA256")
    return str(found) if found else None


def holds(client: Any, uri: str, sha256: str) -> bool:
    """Whether an object's checksum is `sha256`.

    Raises:
        CloudError: S3 can't be reached.
    """
    with translate_errors(f"reading {uri}"):
        return stored_checksum(client, *split_uri(uri)) == sha256


def send_file(
    client: Any, bucket: str, key: str, path: Path, kms_key: str | None
) -> Uploaded | None:
    """Upload a file, in parts if it is large; S3 verifies its checksum. None for multipart uploads.

    Raises:
        DataError: it can't be read.
    """
    with readable(path), path.open("rb") as file:
        return send_open_file(client, bucket, key, file, kms_key)


def send_open_file(
    client: Any, bucket: str, key: str, file: io.BufferedReader, kms_key: str | None
) -> Uploaded | None:
    """Upload an open file from its position on, as `send_file`."""
    if os.fstat(file.fileno()).st_size >= LARGE_BYTES:
        _send_in_parts(client, bucket, key, file, kms_key)
        return None  # boto3's transfer doesn't return the ETag
    return put(client, bucket, key, file.read(), kms_key)


def _send_in_parts(
    client: Any, bucket: str, key: str, file: io.BufferedReader, kms_key: str | None
) -> None:
    from boto3.s3.transfer import TransferConfig

    # Unlike upload_file, this doesn't wrap ClientErrors of S3 in another exception.
    client.upload_fileobj(
        file,
        bucket,
        key,
        ExtraArgs={"ChecksumAlgorithm": "SHA256", **_encryption(kms_key)},
        Config=TransferConfig(multipart_threshold=LARGE_BYTES, multipart_chunksize=PART_BYTES),
    )


def put(client: Any, bucket: str, key: str, data: bytes, kms_key: str | None) -> Uploaded:
    """Upload bytes; S3 verifies their checksum."""
    sha256 = checksum(data)
    answer = client.put_object(
        Bucket=bucket,
        Key=key,
        Body=data,
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=sha256,
        **_encryption(kms_key),
    )
    return Uploaded(str(answer["ETag"]), sha256)


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
    """Turn an OSError in the block, which reads `path`, into a DataError."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}.") from error


def upload_file(client: Any, path: Path, uri: str, *, kms_key: str | None) -> bool:
    """Upload one file of any size unless S3 has the same content; whether it was uploaded.

    Raises:
        CloudError: S3 refuses, or can't be reached.
        DataError: the file can't be read.
    """
    if holds(client, uri, file_checksum(path)):
        return False
    with translate_errors(f"uploading to {uri}"):
        send_file(client, *split_uri(uri), path, kms_key)
    return True


def upload_bytes(client: Any, data: bytes, uri: str, *, kms_key: str | None) -> None:
    """Upload bytes, replacing any object there; S3 verifies their checksum.

    Raises:
        CloudError: S3 refuses, or can't be reached.
    """
    with translate_errors(f"uploading to {uri}"):
        put(client, *split_uri(uri), data, kms_key)


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of s3://BUCKET/KEY.

    Raises:
        CloudError: it isn't such a URI.
    """
    scheme, _, path = uri.partition("://")
    bucket, _, key = path.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise CloudError(f"{uri!r} is no S3 URI: write s3://BUCKET/KEY.")
    return bucket, key
