"""Objects fetched from S3: bounded, of one version, complete or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from botocore import exceptions as aws
from botocore.exceptions import ClientError

from dogbreed.artifact.unpacking import unpack_model
from dogbreed.cloud.aws.errors import code_of, translate_errors
from dogbreed.cloud.aws.objects import split_uri
from dogbreed.cloud.aws.unpacking import UnpackError, unpack
from dogbreed.errors import ArtifactError, CloudError
from dogbreed.utils.files import atomic_write
from dogbreed.utils.printable import printable

# More than ten times what a trained model with all its exported forms has.
MAX_ARCHIVE_BYTES = 4 * 2**30
CHUNK_BYTES = 2**20
ATTEMPTS = 10
BROKEN_OFF = (aws.ReadTimeoutError, aws.IncompleteReadError, aws.ResponseStreamingError)


def download_file(client: Any, uri: str, target: Path, max_bytes: int = MAX_ARCHIVE_BYTES) -> None:
    """Fetch one object, complete or not at all.

    Raises:
        CloudError: it isn't there, is larger, S3 refuses, or can't be reached.
    """
    with (
        translate_errors(f"downloading {uri}"),
        atomic_write(target) as beside,
        beside.open("wb") as file,
    ):
        try:
            _fetch(client, uri, file, max_bytes)
        except ClientError as error:
            if code_of(error) in ("PreconditionFailed", "412"):
                raise CloudError(f"{uri} was replaced while it was fetched: try again.") from error
            if code_of(error) not in ("404", "NoSuchKey"):
                raise
            raise CloudError(f"There is no {uri}: did the job that writes it end?") from error


def _fetch(client: Any, uri: str, file: IO[bytes], max_bytes: int) -> None:
    """Write an object to `file`; where it breaks off, the same version is continued."""
    bucket, key = split_uri(uri)
    more: dict[str, str] = {}
    for _ in range(ATTEMPTS):
        answer = client.get_object(Bucket=bucket, Key=key, **more)
        begun = file.tell()
        if more and not str(answer.get("ContentRange")).startswith(f"bytes {begun}-"):
            break
        if begun + answer["ContentLength"] > max_bytes:
            raise CloudError(
                f"{uri} has {begun + answer['ContentLength']:,} bytes; at most {max_bytes:,} are "
                "fetched. Look at it before you do: aws s3 cp fetches any size."
            )
        try:
            for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
                file.write(chunk)
        except BROKEN_OFF:
            more = {"Range": f"bytes={file.tell()}-", "IfMatch": answer["ETag"]}
        else:
            return
    raise CloudError(f"{uri} broke off again and again: try again later.")


def read_object(client: Any, bucket: str, key: str, max_bytes: int) -> bytes:
    """The content of a small object; errors of S3 are botocore's.

    Raises:
        CloudError: it is larger.
    """
    answer = client.get_object(Bucket=bucket, Key=key)
    data: bytes = answer["Body"].read(max_bytes + 1)
    if len(data) > max_bytes:
        raise CloudError(f"s3://{bucket}/{printable(key)} has more than {max_bytes:,} bytes.")
    return data


def download_archive(client: Any, uri: str, target: Path) -> None:
    """Fetch a .tar.gz and unpack it into the new folder `target`, complete or not at all.

    Raises:
        CloudError: it isn't there, isn't such an archive, or holds what `unpack` refuses.
    """
    with _downloaded(client, uri, target) as archive, atomic_write(target) as beside:
        try:
            unpack(archive, beside)
        except UnpackError as error:
            raise CloudError(f"{uri} can't be unpacked: {error}.") from error


def download_model(client: Any, uri: str, target: Path) -> None:
    """Fetch a model.tar.gz, and unpack the model's own files into the new folder `target`.

    Raises:
        CloudError: it isn't there, is larger, S3 refuses, or can't be reached.
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
