"""Downloads from S3: bounded in size, of one object version, atomic."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import (
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from dogbreed.artifact.unpacking import unpack_model
from dogbreed.cloud.aws.errors import code_of, translate_errors
from dogbreed.cloud.aws.objects import split_uri
from dogbreed.cloud.aws.safe_tar import UnpackError, unpack
from dogbreed.errors import ArtifactError, CloudError
from dogbreed.utils.files import atomic_write
from dogbreed.utils.printable import printable

# More than ten times what a trained model with all its exported forms has.
MAX_ARCHIVE_BYTES = 4 * 2**30
CHUNK_BYTES = 2**20
MAX_TRIES = 10
INTERRUPTED = (ReadTimeoutError, IncompleteReadError, ResponseStreamingError)


def download_file(client: Any, uri: str, target: Path, max_bytes: int = MAX_ARCHIVE_BYTES) -> None:
    """Download one object atomically.

    Raises:
        CloudError: it doesn't exist, has more than `max_bytes`, or S3 refuses or can't be reached.
    """
    with (
        translate_errors(f"downloading {uri}"),
        atomic_write(target) as beside,
        beside.open("wb") as file,
    ):
        try:
            fetch_object(client, uri, file, max_bytes)
        except ClientError as error:
            if code_of(error) in ("PreconditionFailed", "412"):
                raise CloudError(f"{uri} was replaced during the download: try again.") from error
            if code_of(error) not in ("404", "NoSuchKey"):
                raise
            raise CloudError(f"There is no {uri}: has the job that writes it ended?") from error


def fetch_object(
    client: Any, uri: str, file: IO[bytes], max_bytes: int, etag: str | None = None
) -> None:
    """Write an object to `file`, of the version `etag` where that is given.

    An interrupted download resumes with the same version. S3's errors are botocore's.

    Raises:
        CloudError: it has more than `max_bytes`, or every try was interrupted.
    """
    bucket, key = split_uri(uri)
    more = {"IfMatch": etag} if etag else {}
    for _ in range(MAX_TRIES):
        answer = client.get_object(Bucket=bucket, Key=key, **more)
        offset = file.tell()
        if "Range" in more and not str(answer.get("ContentRange")).startswith(f"bytes {offset}-"):
            break
        if offset + answer["ContentLength"] > max_bytes:
            raise CloudError(
                f"{uri} has {offset + answer['ContentLength']} bytes; at most {max_bytes} are "
                "downloaded. Check what it is; aws s3 cp downloads any size."
            )
        try:
            for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
                file.write(chunk)
        except INTERRUPTED:
            more = {"Range": f"bytes={file.tell()}-", "IfMatch": answer["ETag"]}
        else:
            return
    raise CloudError(f"The download of {uri} was interrupted {MAX_TRIES} times: try again later.")


def read_object(client: Any, bucket: str, key: str, max_bytes: int) -> bytes:
    """The content of a small object; S3 errors are botocore's.

    Raises:
        CloudError: it has more than `max_bytes`.
    """
    for _ in range(MAX_TRIES):
        answer = client.get_object(Bucket=bucket, Key=key)
        try:
            data: bytes = answer["Body"].read(max_bytes + 1)
        except INTERRUPTED:
            continue
        if len(data) > max_bytes:
            raise CloudError(f"s3://{bucket}/{printable(key)} has more than {max_bytes} bytes.")
        return data
    raise CloudError(
        f"The download of s3://{bucket}/{printable(key)} was interrupted {MAX_TRIES} times: try "
        "again later."
    )


def download_archive(client: Any, uri: str, target: Path) -> None:
    """Download a .tar.gz and unpack it into the new folder `target`, atomically.

    Raises:
        CloudError: it doesn't exist, isn't such an archive, or exceeds the limits of `unpack`.
    """
    with _downloaded(client, uri, target) as archive, atomic_write(target) as beside:
        try:
            unpack(archive, beside)
        except UnpackError as error:
            raise CloudError(f"{uri} can't be unpacked: {error}.") from error


def download_model(client: Any, uri: str, target: Path) -> None:
    """Download a model.tar.gz; unpack the model's files into the new folder `target`, atomically.

    Raises:
        CloudError: it doesn't exist, is too large, or S3 refuses or can't be reached.
        ArtifactError: it isn't such an archive.
    """
    with _downloaded(client, uri, target) as archive, atomic_write(target) as beside:
        try:
            unpack_model(archive, beside)
        except ArtifactError as error:
            raise ArtifactError(f"{uri}: {error}") from error


@contextmanager
def _downloaded(client: Any, uri: str, target: Path) -> Iterator[Path]:
    """An archive in a temporary folder beside `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as temporary:
        archive = Path(temporary, "archive")
        download_file(client, uri, archive)
        yield archive
