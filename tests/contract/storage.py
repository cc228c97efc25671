"""How a training instance moves files from and to S3: channels, checkpoints, archives."""

import json
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

S3 = Any  # a boto3 client, which has no types


def split_uri(uri: str) -> tuple[str, str]:
    """s3://bucket/some/key -> bucket, some/key."""
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")


def list_keys(s3: S3, uri: str) -> list[str]:
    """Every object whose key starts as `uri` does: a prefix is no folder."""
    bucket, prefix = split_uri(uri)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return [key for key in keys if not key.endswith("/")]


def download(s3: S3, uri: str, keys: Sequence[str], folder: Path) -> None:
    """The objects `keys` under `uri` as files in `folder`."""
    bucket, prefix = split_uri(uri)
    for key in keys:
        name = key[len(prefix) :].lstrip("/") or Path(key).name
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(folder / name))


class ManifestError(Exception):
    """A manifest that the service doesn't read; it fails the job as ClientErrors of S3 do."""


def read_manifest(s3: S3, uri: str) -> tuple[str, list[str]]:
    """The bucket, and the keys of the objects that a manifest lists."""
    bucket, key = split_uri(uri)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        first, *suffixes = json.loads(body)
        (name, prefix) = next(iter(first.items())) if len(first) == 1 else ("", "")
    except (ValueError, TypeError, AttributeError) as error:
        raise ManifestError(f"Data download failed: {uri} is no manifest") from error
    if name != "prefix" or not isinstance(prefix, str) or not prefix.startswith("s3://"):
        raise ManifestError(f"Data download failed: the manifest {uri} has no valid prefix")
    if not suffixes or not all(isinstance(each, str) and each for each in suffixes):
        raise ManifestError(f"Data download failed: the manifest {uri} lists no objects")
    bucket, start = split_uri(prefix)
    return bucket, [start + suffix for suffix in suffixes]


def download_manifest(s3: S3, uri: str, folder: Path) -> None:
    """The objects of a manifest, below their complete keys (aws/sagemaker-python-sdk, issue 723).

    A key without an object fails the job: S3 answers 404.
    """
    bucket, keys = read_manifest(s3, uri)
    for key in keys:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(folder / key))


def upload(s3: S3, file: Path, uri: str) -> None:
    bucket, key = split_uri(uri)
    s3.upload_file(str(file), bucket, key)


def files_of(folders: Sequence[Path]) -> dict[str, Path]:
    """The files of several folders by their paths below them; of two alike, the last."""
    return {
        (Path(root) / name).relative_to(folder).as_posix(): Path(root) / name
        for folder in folders
        for root, _, names in os.walk(folder)  # goes on where a folder has just been deleted
        for name in sorted(names)
    }


def pack(folders: Sequence[Path], archive: Path) -> None:
    """The files of all folders in one .tar.gz."""
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name, path in files_of(folders).items():
            tar.add(path, arcname=name)


class Checkpoints:
    """A folder that is filled from S3 once and copied back there whenever something in it changed.

    As in the service a file that is deleted here stays there.
    """

    def __init__(self, s3: S3, uri: str, folder: Path) -> None:
        self._s3, self._uri, self._folder = s3, uri, folder
        self._seen: dict[str, tuple[int, int]] = {}

    def restore(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        download(self._s3, self._uri, list_keys(self._s3, self._uri), self._folder)
        self._seen = self._states()

    def push(self) -> None:
        states = self._states()
        for name, state in states.items():
            if self._seen.get(name) == state:
                continue
            try:
                upload(self._s3, self._folder / name, f"{self._uri.rstrip('/')}/{name}")
            except FileNotFoundError:
                continue  # renamed or deleted since
            self._seen[name] = state

    def _states(self) -> dict[str, tuple[int, int]]:
        states = {}
        for name, path in files_of([self._folder]).items():
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            states[name] = (status.st_mtime_ns, status.st_size)
        return states
