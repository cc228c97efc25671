"""S3 over HTTP on this machine, with no account: fixtures for the tests of what lies there.

A test module takes them with `pytest_plugins = ("s3_server",)`.
"""

import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

BUCKET = "photos-of-dogs"


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """Where moto answers as AWS does; one for all tests of a process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def composite_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have moto answer HeadObject as S3 does: the checksum of parts with their number after it."""
    head_object = S3Response.head_object

    def head(self: Any, bucket_name: str, query: Any, key_name: str, headers: Any) -> Any:
        status, answered, body = head_object(self, bucket_name, query, key_name, headers)
        key = self.backend.head_object(bucket_name, key_name)
        if key is not None and key.checksum_type == "COMPOSITE":
            for name in answered.keys() & {"x-amz-checksum-sha256"}:
                answered[name] += f"-{key.checksum_parts}"
        return status, answered, body

    monkeypatch.setattr(S3Response, "head_object", head)


class S3:
    """A client, a bucket with nothing in it, and what was asked of it: (operation, key)."""

    def __init__(self, address: str, session: boto3.Session) -> None:
        reset = urllib.request.Request(f"{address}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset, timeout=10).close()
        self.client: Any = session.client("s3", endpoint_url=address)
        self.client.create_bucket(Bucket=BUCKET)
        self.requests: list[tuple[str, str]] = []
        self.before: Callable[[str, str], None] = lambda operation, key: None
        self.client.meta.events.register("provide-client-params.s3", self._note)

    def _note(self, params: dict[str, Any], model: Any, **more: Any) -> None:
        asked = (model.name, params.get("Key", ""))
        self.before(*asked)
        self.requests.append(asked)

    def contents(self) -> dict[str, bytes]:
        """Every object of the bucket, by its key."""
        listed = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", ())
        return {item["Key"]: self.read(item["Key"]) for item in listed}

    def read(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return data

    def write(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)

    def sent(self) -> list[str]:
        """The keys that were written since `requests` was last cleared, sorted."""
        return sorted(key for operation, key in self.requests if operation == "PutObject")


@pytest.fixture(scope="session")
def aws_session() -> boto3.Session:
    return boto3.Session("test", "test", region_name="us-east-1")


@pytest.fixture
def s3(s3_address: str, aws_session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> S3:
    composite_heads(monkeypatch)
    return S3(s3_address, aws_session)
