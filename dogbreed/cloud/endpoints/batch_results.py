"""The predictions of a transform job: many objects in S3, read in parallel, streamed into a CSV."""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.downloads import read_object
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.aws.objects import split_uri
from dogbreed.cloud.aws.photo_objects import Photo
from dogbreed.cloud.endpoints.batch_photos import Photos
from dogbreed.cloud.endpoints.client import row
from dogbreed.errors import CloudError, PhotoError
from dogbreed.serving.offline.table import Row, csv_lines, row_of
from dogbreed.serving.requests.invocations import TOP_K
from dogbreed.utils.files import atomic_write
from dogbreed.utils.printable import printable
from dogbreed.utils.progress import progress

PREDICTIONS_FILE = "predictions.csv"
SUFFIX = ".out"  # appended to an object's name
MAX_OUTPUT_BYTES = 2**20  # 1,000 classes need a tenth
READERS = 16  # concurrent requests, of the 32 connections that the client has
WINDOW = 4 * READERS  # objects that are read or wait to be written: at most 64 MiB
MAX_REASON = 300  # characters of a server's sentence


class Counts:
    """How many rows were written, and how many of them have an error."""

    def __init__(self) -> None:
        self.rows = self.errors = 0

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, counted as they pass."""
        for each in rows:
            self.rows += 1
            self.errors += each["error"] is not None
            yield each


def write_predictions(account: Account, output_uri: str, photos: Photos, target: Path) -> Counts:
    """Write a row for each photo to the CSV file `target`, in an atomic write.

    The rows are those of `dogbreed predict`, in the order of the names; local photos that weren't
    sent are the last ones. Memory doesn't grow with the number of photos: a row is written as soon
    as it and those before it are read.

    Raises:
        CloudError: an output isn't one of a model of this project, or S3 can't be read.
    """
    counts = Counts()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        translate_errors("downloading the predictions"),
        atomic_write(target) as beside,
        beside.open("wb") as file,
    ):
        rows = read_rows(account, output_uri, photos.local)
        errors = (row_of(path, error) for path, error in photos.refused.items())
        with progress("reading predictions", photos.count) as advance:
            for line in csv_lines(_advancing(counts.counted(rows), advance), TOP_K):
                file.write(line)
        file.writelines(csv_lines(counts.counted(errors), TOP_K, header=False))
    return counts


def _advancing(rows: Iterable[Row], advance: Any) -> Iterator[Row]:
    for each in rows:
        yield each
        advance(1)


def read_rows(account: Account, output_uri: str, local: Sequence[Photo]) -> Iterator[Row]:
    """Yield the row of each photo that has an output; S3 errors are botocore's.

    The order is that of the `local` photos, and no other outputs are read; if `local` is empty, the
    photos were in S3, and the order is that of their keys.

    Raises:
        CloudError: an output is too large, or isn't one of a model of this project.
    """
    client = account.client("s3")
    bucket, prefix = split_uri(output_uri)

    def read(key: str, path: str) -> Row:
        body = read_object(client, bucket, key, MAX_OUTPUT_BYTES)
        try:
            return _row(path, json.loads(body))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise CloudError(
                f"s3://{bucket}/{printable(key)} isn't the output of a model of this project: was "
                "it written by another model?"
            ) from error

    pending: deque[Future[Row]] = deque()
    pool = ThreadPoolExecutor(READERS)
    try:
        for key, path in _outputs(client, bucket, prefix, local):
            pending.append(pool.submit(read, key, path))
            if len(pending) == WINDOW:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _outputs(
    client: Any, bucket: str, prefix: str, local: Sequence[Photo]
) -> Iterator[tuple[str, str]]:
    """The key of each output, and the path of its photo."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = (each["Key"] for page in pages for each in page.get("Contents", ()))
    outputs = ((key, key.removesuffix(SUFFIX)) for key in keys if key.endswith(SUFFIX))
    if not local:
        for key, name in outputs:
            yield key, name.removeprefix(prefix).lstrip("/")
        return
    # An object is named by the digest of its photos. SageMaker's API reference doesn't say in which
    # folder the output of a manifest's object is, so only the last part of the key counts.
    by_digest = {name.rpartition("/")[2]: key for key, name in outputs}
    for photo in local:
        if photo.sha256 in by_digest:
            yield by_digest[photo.sha256], photo.name


def _row(path: str, answer: Mapping[str, Any]) -> Row:
    """A row of the response to one photo; KeyError and others if it isn't in our format."""
    error = answer.get("error")
    if error is None:
        (entry,) = answer["predictions"]
        error = entry.get("error")
    if error is None:
        return row(path, entry["classes"][:TOP_K], bool(entry["unknown"]))
    reason = printable(str(error["message"]))[:MAX_REASON]
    return row_of(path, PhotoError(str(error["code"]), reason))
