"""Single objects of S3: sent with a checksum, in parts where large, and compared by it."""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from dogbreed.cloud.aws import objects
from dogbreed.cloud.aws.objects import (
    checksum,
    file_checksum,
    holds,
    split_uri,
    upload_bytes,
    upload_file,
)
from dogbreed.errors import CloudError, DataError

if TYPE_CHECKING:
    from helpers.s3_server import S3

pytest_plugins = ("helpers.s3_server",)

URI = "s3://photos-of-dogs/dogbreed/object"
KEY = "dogbreed/object"


def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "LARGE_BYTES", 6 * 2**20)
    monkeypatch.setattr(objects, "PART_BYTES", 5 * 2**20)


def test_a_large_file_goes_in_parts(
    s3: "S3", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_parts(monkeypatch)
    data = os.urandom(11 * 2**20)
    (tmp_path / "large").write_bytes(data)
    verified = []
    s3.client.meta.events.register(
        "provide-client-params.s3.CreateMultipartUpload",
        lambda params, **more: verified.append(params["ChecksumAlgorithm"]),
    )
    assert upload_file(s3.client, tmp_path / "large", URI, kms_key="a-key")
    assert verified == ["SHA256"]
    operations = [operation for operation, _ in s3.requests]
    assert operations.count("UploadPart") == 3
    assert s3.read(KEY) == data
    head = s3.client.head_object(Bucket="photos-of-dogs", Key=KEY)
    assert head["SSEKMSKeyId"] == "a-key"

    # Its checksum is that of its parts, and enough to know it by.
    assert file_checksum(tmp_path / "large").endswith("=-3")
    assert not upload_file(s3.client, tmp_path / "large", URI, kms_key="a-key")
    (tmp_path / "large").write_bytes(data[:-1] + b"?")
    assert upload_file(s3.client, tmp_path / "large", URI, kms_key=None)


def test_digests_of_parts_as_an_object_are_not_the_parts(
    s3: "S3", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_parts(monkeypatch)
    data = os.urandom(11 * 2**20)
    (tmp_path / "large").write_bytes(data)
    parts = [data[start : start + 5 * 2**20] for start in range(0, len(data), 5 * 2**20)]
    upload_bytes(
        s3.client, b"".join(hashlib.sha256(part).digest() for part in parts), URI, kms_key=None
    )
    assert upload_file(s3.client, tmp_path / "large", URI, kms_key=None)
    assert s3.read(KEY) == data


def test_a_file_is_sent_once(s3: "S3", tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"source")
    assert not holds(s3.client, URI, checksum(b"source"))
    assert upload_file(s3.client, tmp_path / "model", URI, kms_key=None)
    assert not upload_file(s3.client, tmp_path / "model", URI, kms_key=None)
    assert s3.sent() == [KEY]
    assert not holds(s3.client, URI[:-1], checksum(b"source"))  # a name that only begins alike


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"ChecksumAlgorithm": "SHA256"},
        {"ChecksumAlgorithm": "CRC32"},
        {"Metadata": {"sha256": hashlib.sha256(b"source").hexdigest()}},
        {"Metadata": {"x-amz-checksum-sha256": checksum(b"source")}},
    ],
    ids=str,
)
def test_another_content_of_the_same_size_is_replaced(
    more: dict[str, Any], s3: "S3", tmp_path: Path
) -> None:
    (tmp_path / "model").write_bytes(b"source")
    s3.client.put_object(Bucket="photos-of-dogs", Key=KEY, Body=b"poison", **more)
    assert upload_file(s3.client, tmp_path / "model", URI, kms_key=None)
    assert s3.read(KEY) == b"source"


def test_what_may_not_be_compared_is_sent(s3: "S3", tmp_path: Path) -> None:
    def deny(**more: Any) -> None:
        raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")

    (tmp_path / "model").write_bytes(b"source")
    upload_file(s3.client, tmp_path / "model", URI, kms_key=None)
    s3.client.meta.events.register("provide-client-params.s3.HeadObject", deny)
    assert upload_file(s3.client, tmp_path / "model", URI, kms_key=None)


def test_what_can_not_be_sent_is_named(s3: "S3", tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.pth can't be read: No such file"):
        upload_file(s3.client, tmp_path / "nothing.pth", URI, kms_key=None)
    with pytest.raises(CloudError, match="no such bucket"):
        upload_bytes(s3.client, b"x", "s3://nobodys/x", kms_key=None)


@pytest.mark.parametrize("uri", ["", "s3://", "s3://bucket", "s3://bucket/", "https://b/k", "b/k"])
def test_what_is_no_place_in_s3_is_refused(uri: str) -> None:
    with pytest.raises(CloudError, match="write s3://BUCKET/KEY"):
        split_uri(uri)
