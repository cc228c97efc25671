"""Single objects of S3: bytes and files sent with a checksum, and compared by it.

S3 itself computes the checksum of what it is sent, so no object has that of another content. The
size, the metadata and what is written elsewhere of an object can be anything.
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
from dogbreed.utils.links import open_within

# From here on a file goes in parts, each tried again by itself.
LARGE_BYTES = 64 * 2**20
PART_BYTES = 16 * 2**20


class Sent(NamedTuple):
    """What S3 has of something that was sent: its mark of that version, and its checksum."""

    etag: str
    sha256: str


def checksum(data: bytes) -> str:
    """S3's checksum of bytes that are sent at once: their SHA-256 in base64."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def file_checksum(path: Path, digest: bytes | None = None) -> str:
    """S3's checksum of a file as `send_file` sends it; `digest` is its SHA-256 where known.

    Of a file in parts it is the SHA-256 of the parts' digests, with the number of parts.
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
    """S3's own SHA-256 of an object; None where there is no such object, or it has none.

    Nor where it may not be asked for, such as without the right to decrypt: what can't be compared
    is sent again.
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
    """Whether an object has exactly the content of which `sha256` is S3's checksum.

    Raises:
        CloudError: S3 can't be reached.
    """
    with translate_errors(f"looking at {uri}"):
        return stored_checksum(client, *split_uri(uri)) == sha256


def send_file(
    client: Any,
    bucket: str,
    key: str,
    path: Path,
    kms_key: str | None,
    *,
    within: str | None = None,
) -> Sent | None:
    """Send a file, in parts if it is large; S3 verifies its checksum. None of one in parts.

    `within` is the real path of a folder that it must be in.

    Raises:
        DataError: it can't be read.
    """
    with readable(path), open(open_within(path, within), "rb") as file:  # noqa: PTH123 (descriptor)
        if os.fstat(file.fileno()).st_size >= LARGE_BYTES:
            _send_in_parts(client, bucket, key, file, kms_key)
            return None  # boto3's transfer doesn't tell
        data = file.read()
    return put(client, bucket, key, data, kms_key)


def _send_in_parts(
    client: Any, bucket: str, key: str, file: io.BufferedReader, kms_key: str | None
) -> None:
    from boto3.s3.transfer import TransferConfig

    # Unlike upload_file, this doesn't wrap what S3 answers in an error of its own.
    client.upload_fileobj(
        file,
        bucket,
        key,
        ExtraArgs={"ChecksumAlgorithm": "SHA256", **_encryption(kms_key)},
        Config=TransferConfig(multipart_threshold=LARGE_BYTES, multipart_chunksize=PART_BYTES),
    )


def put(client: Any, bucket: str, key: str, data: bytes, kms_key: str | None) -> Sent:
    """Send bytes; S3 verifies their checksum."""
    sha256 = checksum(data)
    answer = client.put_object(
        Bucket=bucket,
        Key=key,
        Body=data,
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=sha256,
        **_encryption(kms_key),
    )
    return Sent(str(answer["ETag"]), sha256)


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


def upload_file(client: Any, path: Path, uri: str, *, kms_key: str | None) -> bool:
    """Send one file of any size, unless exactly its content is there; whether it was sent.

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
    """Send bytes, whatever is there; S3 verifies their checksum.

    Raises:
        CloudError: S3 refuses, or can't be reached.
    """
    with translate_errors(f"uploading to {uri}"):
        put(client, *split_uri(uri), data, kms_key)


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
