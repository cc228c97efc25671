"""Objects fetched from S3: complete, of one version, bounded, or not at all."""

import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from dogbreed.cloud.aws import downloads
from dogbreed.cloud.aws.downloads import download_archive, download_file, read_object
from dogbreed.errors import CloudError

if TYPE_CHECKING:
    from helpers.s3_server import S3

pytest_plugins = ("helpers.s3_server",)

URI = "s3://photos-of-dogs/dogbreed/object"


def test_an_object_is_fetched(s3: "S3", tmp_path: Path) -> None:
    s3.write("dogbreed/object", b"weights")
    download_file(s3.client, URI, tmp_path / "new" / "fetched")
    assert (tmp_path / "new" / "fetched").read_bytes() == b"weights"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["fetched"]


def test_what_is_not_there_is_named(s3: "S3", tmp_path: Path) -> None:
    with pytest.raises(CloudError, match=f"There is no {URI}"):
        download_file(s3.client, URI, tmp_path / "fetched")
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_large_is_not_fetched(s3: "S3", tmp_path: Path) -> None:
    s3.write("dogbreed/object", b"12345678")
    with pytest.raises(CloudError, match=r"has 8 bytes; at most 7 are downloaded"):
        download_file(s3.client, URI, tmp_path / "fetched", max_bytes=7)
    assert list(tmp_path.iterdir()) == []
    assert read_object(s3.client, "photos-of-dogs", "dogbreed/object", 8) == b"12345678"
    with pytest.raises(CloudError, match="more than 7 bytes"):
        read_object(s3.client, "photos-of-dogs", "dogbreed/object", 7)


class BreaksOff(BaseHTTPRequestHandler):
    """An object of a hundred bytes of which each answer sends ten; `replaced`: one of another
    version from the second request on."""

    requests: list[tuple[str | None, str | None]]
    replaced = False
    ignores_ranges = False

    def do_GET(self) -> None:
        range_header = self.headers.get("Range")
        self.requests.append((range_header, self.headers.get("If-Match")))
        begin = int(range_header.removeprefix("bytes=").rstrip("-")) if range_header else 0
        if self.replaced and range_header:
            self.send_response(412)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if range_header and not self.ignores_ranges:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-99/100")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(100 - begin))
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(bytes(range(begin, min(begin + 10, 100))))

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def breaks_off() -> type[BreaksOff]:
    return type("Own", (BreaksOff,), {"requests": []})


@pytest.fixture
def broken_address(breaks_off: type[BreaksOff]) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), breaks_off)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_that_breaks_off_is_continued(
    broken_address: str, breaks_off: type[BreaksOff], aws_session: boto3.Session, tmp_path: Path
) -> None:
    client = aws_session.client("s3", endpoint_url=broken_address)
    download_file(client, URI, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == bytes(range(100))
    assert breaks_off.requests[:2] == [(None, None), ("bytes=10-", '"1"')]


def test_a_download_that_breaks_off_leaves_nothing(
    broken_address: str,
    breaks_off: type[BreaksOff],
    aws_session: boto3.Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = aws_session.client("s3", endpoint_url=broken_address)
    monkeypatch.setattr(downloads, "MAX_TRIES", 3)
    with pytest.raises(CloudError, match="was interrupted 3 times"):
        download_file(client, URI, tmp_path / "fetched")
    assert list(tmp_path.iterdir()) == []
    breaks_off.ignores_ranges = True
    with pytest.raises(CloudError, match="was interrupted 3 times"):
        download_file(client, URI, tmp_path / "fetched")
    breaks_off.replaced = True
    with pytest.raises(CloudError, match="was replaced during the download"):
        download_file(client, URI, tmp_path / "fetched")
    assert list(tmp_path.iterdir()) == []


def archive(name: str, data: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tape:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        tape.addfile(member, io.BytesIO(data))
    return made.getvalue()


def test_an_archive_is_unpacked(s3: "S3", tmp_path: Path) -> None:
    s3.write("dogbreed/object", archive("folder/a", b"x"))
    download_archive(s3.client, URI, tmp_path / "model")
    assert (tmp_path / "model/folder/a").read_bytes() == b"x"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_bad_archive_leaves_nothing(s3: "S3", tmp_path: Path) -> None:
    s3.write("dogbreed/object", archive("../outside", b"x"))
    target = tmp_path / "below" / "model"
    with pytest.raises(CloudError, match=rf"{URI} can't be unpacked: \.\./outside leads out"):
        download_archive(s3.client, URI, target)
    assert list(tmp_path.rglob("*")) == [target.parent]
