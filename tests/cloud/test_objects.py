"""Single objects of S3: sent once, in parts, fetched whole, and unpacked without harm."""

import io
import os
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from dogbreed.cloud import objects
from dogbreed.cloud.objects import (
    download_archive,
    download_file,
    download_model,
    lies_there,
    split_uri,
    upload_file,
    upload_once,
)
from dogbreed.errors import ArtifactError, CloudError, DataError

if TYPE_CHECKING:
    from s3_server import S3

pytest_plugins = ("s3_server",)

URI = "s3://photos-of-dogs/dogbreed/object"


def test_a_file_goes_there_and_back(s3: "S3", tmp_path: Path) -> None:
    sent = tmp_path / "weights.pth"
    sent.write_bytes(b"weights")
    upload_file(s3.client, sent, URI, kms_key=None)
    download_file(s3.client, URI, tmp_path / "new" / "fetched")
    assert (tmp_path / "new" / "fetched").read_bytes() == b"weights"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["fetched"]


def test_a_large_file_goes_in_parts(
    s3: "S3", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "LARGE_BYTES", 6 * 2**20)
    monkeypatch.setattr(objects, "PART_BYTES", 5 * 2**20)
    data = os.urandom(11 * 2**20)
    (tmp_path / "large").write_bytes(data)
    verified = []
    s3.client.meta.events.register(
        "provide-client-params.s3.CreateMultipartUpload",
        lambda params, **more: verified.append(params["ChecksumAlgorithm"]),
    )
    upload_file(s3.client, tmp_path / "large", URI, kms_key="a-key")
    assert verified == ["SHA256"]
    operations = [operation for operation, _ in s3.requests]
    assert operations.count("UploadPart") == 3
    assert s3.read("dogbreed/object") == data
    head = s3.client.head_object(Bucket="photos-of-dogs", Key="dogbreed/object")
    assert head["SSEKMSKeyId"] == "a-key"


def test_bytes_are_sent_once(s3: "S3") -> None:
    assert not lies_there(s3.client, URI, 6)
    assert upload_once(s3.client, b"source", URI, kms_key=None)
    assert lies_there(s3.client, URI, 6)
    assert not lies_there(s3.client, URI, 7)
    assert not upload_once(s3.client, b"source", URI, kms_key=None)
    assert s3.sent() == ["dogbreed/object"]
    assert not lies_there(s3.client, URI[:-1], 6)  # a name that only begins alike


def test_what_can_not_be_sent_or_fetched_is_named(s3: "S3", tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.pth can't be read: No such file"):
        upload_file(s3.client, tmp_path / "nothing.pth", URI, kms_key=None)
    with pytest.raises(CloudError, match=f"There is no {URI}"):
        download_file(s3.client, URI, tmp_path / "fetched")
    with pytest.raises(CloudError, match="no such bucket"):
        upload_once(s3.client, b"x", "s3://nobodys/x", kms_key=None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["", "s3://", "s3://bucket", "s3://bucket/", "https://b/k", "b/k"])
def test_what_is_no_place_in_s3_is_refused(uri: str) -> None:
    with pytest.raises(CloudError, match="write s3://BUCKET/KEY"):
        split_uri(uri)


class BreaksOff(BaseHTTPRequestHandler):
    """Promises a hundred bytes and sends ten."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.send_header("ETag", '"1"')
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"0123456789")

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def broken_address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), BreaksOff)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_that_breaks_off_leaves_nothing(
    broken_address: str, aws_session: boto3.Session, tmp_path: Path
) -> None:
    client = aws_session.client("s3", endpoint_url=broken_address)
    with pytest.raises(CloudError, match="broke off again and again"):
        download_file(client, URI, tmp_path / "fetched")
    assert list(tmp_path.iterdir()) == []


def archive_of(*members: tarfile.TarInfo) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tape:
        for member in members:
            content = b"x" if member.isreg() else b""
            member.size = len(content)
            tape.addfile(member, io.BytesIO(content))
    return data.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, 0o4777
    return made


def test_an_archive_is_unpacked(s3: "S3", tmp_path: Path) -> None:
    s3.write("dogbreed/object", archive_of(member("folder", tarfile.DIRTYPE), member("folder/a")))
    download_archive(s3.client, URI, tmp_path / "model")
    assert (tmp_path / "model/folder/a").read_bytes() == b"x"
    assert (tmp_path / "model/folder/a").stat().st_mode & 0o7022 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_of_a_model_its_own_files_alone_are_fetched(s3: "S3", tmp_path: Path) -> None:
    code = member("code/sitecustomize.py"), member("deployment.py"), member("../outside")
    s3.write("dogbreed/object", archive_of(member("./model.json"), *code, member("openvino.xml")))
    download_model(s3.client, URI, tmp_path / "below" / "model")
    found = {path.name for path in (tmp_path / "below").rglob("*")}
    assert found == {"model", "model.json", "openvino.xml"}
    assert [path.name for path in tmp_path.iterdir()] == ["below"]


def test_an_archive_that_is_no_model_leaves_nothing(s3: "S3", tmp_path: Path) -> None:
    for bad in (b"none", archive_of(member("model.json", tarfile.SYMTYPE, "/etc/hostname"))):
        s3.write("dogbreed/object", bad)
        with pytest.raises(ArtifactError, match=f"{URI}: The archive can't be unpacked"):
            download_model(s3.client, URI, tmp_path / "model")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bad",
    [
        archive_of(member("good"), member("../outside")),
        archive_of(member("good"), member("folder/../../outside")),
        archive_of(member("/outside")),
        archive_of(member("link", tarfile.SYMTYPE, "/etc")),
        archive_of(member("link", tarfile.SYMTYPE, "good"), member("good")),
        archive_of(member("good"), member("link", tarfile.LNKTYPE, "good")),
        archive_of(member("null", tarfile.CHRTYPE)),
        archive_of(member("good"))[:40],
        archive_of(member("good")).replace(b"\x1f\x8b\x08", b"\x1f\x8b\x09"),
        b"no archive",
        b"",
    ],
    ids=lambda bad: str(len(bad)),
)
def test_a_bad_archive_leaves_nothing(bad: bytes, s3: "S3", tmp_path: Path) -> None:
    s3.write("dogbreed/object", bad)
    target = tmp_path / "below" / "model"
    with pytest.raises(CloudError, match=f"{URI} can't be unpacked: "):
        download_archive(s3.client, URI, target)
    assert list(tmp_path.rglob("*")) == [target.parent]
