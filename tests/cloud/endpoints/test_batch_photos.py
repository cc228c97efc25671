"""The photos of a transform job: what a running one reads isn't changed by later launches."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from conftest import draw_photo

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.objects import split_uri
from dogbreed.cloud.endpoints.batch_photos import Photos, photos_of, upload_batch
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.errors import DataError

if TYPE_CHECKING:
    from helpers.s3_server import S3

pytest_plugins = ("helpers.s3_server",)


@pytest.fixture
def account(s3: "S3", aws_session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setattr(Account, "client", lambda *more: s3.client)
    return Account(
        session=aws_session, region="us-east-1", id="123456789012", owner="jane",
        role_arn="arn:role", bucket="photos-of-dogs", dry=False,
    )  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three photos and a file that is none; the last photo is a copy of the first."""
    for name, seed in (("a.jpg", 0), ("b/1.jpg", 1), ("c.jpg", 0)):
        draw_photo(tmp_path / "photos" / name, 20, seed)
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    return tmp_path / "photos"


def config_of(root: Path) -> DeployConfig:
    return compose_as(DeployConfig, "deploy", ["deploy=batch", f"deploy.photos={root}"])


def send(account: Account, root: Path) -> Photos:
    photos = photos_of(account, config_of(root))
    upload_batch(account, config_of(root), photos)
    return photos


def job_reads(s3: "S3", photos: Photos) -> list[bytes]:
    """The objects of a job's manifest, as SageMaker finds them."""
    _, key = split_uri(photos.source.uri)
    first, *names = json.loads(s3.read(key))
    _, folder = split_uri(first["prefix"])
    return [s3.read(folder + name) for name in names]


def test_a_later_launch_leaves_the_photos_of_a_running_job_alone(
    account: Account, s3: "S3", root: Path
) -> None:
    first = send(account, root)
    assert first.source.data_type == "ManifestFile"
    before = job_reads(s3, first)
    assert sorted(before) == sorted({path.read_bytes() for path in root.rglob("[ab1].jpg")})
    s3.requests.clear()
    # The same folder, as the same user has edited it or another user has it at the same path.
    draw_photo(root / "a.jpg", 40, 7)
    (root / "b/1.jpg").unlink()
    second = send(account, root)
    assert job_reads(s3, first) == before
    assert len(job_reads(s3, second)) == 2
    assert {operation for operation, _ in s3.requests} <= {
        *("ListObjectsV2", "HeadObject", "PutObject", "GetObject")
    }
    sent = [key for key in s3.sent() if "/objects/" in key]
    assert len(sent) == 1, "unchanged photos aren't sent again"


def test_photos_that_can_not_be_read_are_not_sent(account: Account, s3: "S3", root: Path) -> None:
    photos = send(account, root)
    assert [photo.name for photo in photos.local] == ["a.jpg", "c.jpg", "b/1.jpg"]
    assert photos.count == 3
    assert list(photos.refused) == ["broken.jpg"]


def test_a_photo_that_changes_after_it_was_checked_is_not_sent(
    account: Account, s3: "S3", root: Path
) -> None:
    photos = photos_of(account, config_of(root))
    (root / "b/1.jpg").write_bytes(b"no photo")
    with pytest.raises(DataError, match=r"1\.jpg was changed during the launch"):
        upload_batch(account, config_of(root), photos)
    assert not any(key.endswith(".json") for key in s3.sent()), "no manifest without its photos"
