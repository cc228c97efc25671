"""What jobs leave in S3 may have been written by others: read within bounds, or refused."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.photo_objects import Photo
from dogbreed.cloud.container.entry_point import _weights
from dogbreed.cloud.endpoints import batch_results
from dogbreed.cloud.endpoints.batch_results import read_rows
from dogbreed.cloud.jobs.training_results import _test_top1
from dogbreed.errors import CloudError

if TYPE_CHECKING:
    import boto3
    from helpers.s3_server import S3

pytest_plugins = ("helpers.s3_server",)

PREFIX = "dogbreed/answers/dogs/"
OUTPUT = f"s3://photos-of-dogs/{PREFIX}"
CLASSES = [{"label": "Akita", "probability": 0.75}]
ANSWER = {"predictions": [{"classes": CLASSES, "unknown": False}]}


@pytest.fixture
def account(s3: "S3", aws_session: "boto3.Session", monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setattr(Account, "client", lambda *more: s3.client)
    return Account(
        session=aws_session, region="us-east-1", id="123456789012", owner="jane",
        role_arn="arn:role", bucket="photos-of-dogs", dry=False,
    )  # fmt: skip


def rows(account: Account, *local: Photo) -> list[dict[str, Any]]:
    return list(read_rows(account, OUTPUT, local))


def test_answers_to_photos_that_were_sent_are_read(account: Account, s3: "S3") -> None:
    for name in ("a.jpg.out", "b/c.jpg.out", "planted.jpg.out", "../../d.jpg.out", "log.txt"):
        s3.write(PREFIX + name, json.dumps(ANSWER).encode())
    assert [row["path"] for row in rows(account)] == [
        *("../../d.jpg", "a.jpg", "b/c.jpg", "planted.jpg")
    ]
    # Outputs of local photos are named by their digests, in whatever folder.
    for key, label in (("aa", "Akita"), ("dogbreed/questions/objects/bb", "Beagle")):
        classes = [{"label": label, "probability": 0.75}]
        answer = {"predictions": [{"classes": classes, "unknown": False}]}
        s3.write(f"{PREFIX}{key}.out", json.dumps(answer).encode())
    photos = [
        Photo(name, Path("here", name), 1, digest)
        for name, digest in (("x/2.jpg", "bb"), ("1.jpg", "aa"), ("copy.jpg", "bb"), ("0.jpg", "f"))
    ]
    found = rows(account, *photos)
    assert [(row["path"], row["label"]) for row in found] == [
        *(("x/2.jpg", "Beagle"), ("1.jpg", "Akita"), ("copy.jpg", "Beagle"))
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"\xff",
        b"[]",
        b"{}",
        b'{"predictions": []}',
        b'{"predictions": [1, 2]}',
        b'{"predictions": [1]}',
        b'{"predictions": [{}]}',
        b'{"predictions": [{"classes": [], "unknown": false}]}',
        b'{"predictions": [{"classes": [{}], "unknown": false}]}',
        b'{"predictions": [{"classes": [{"probability": "1"}], "unknown": false}]}',
        b"[" * 100_000,
    ],
    ids=lambda body: str(body[:50]),
)
def test_what_is_no_answer_is_a_sentence(body: bytes, account: Account, s3: "S3") -> None:
    s3.write(f"{PREFIX}a.jpg.out", body)
    with pytest.raises(CloudError, match=r"a\.jpg\.out isn't the output of a model"):
        rows(account)


def test_an_endless_answer_is_not_read(
    account: Account, s3: "S3", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_results, "MAX_OUTPUT_BYTES", 50)
    s3.write(f"{PREFIX}a.jpg.out", json.dumps(ANSWER).encode())
    with pytest.raises(CloudError, match=r"a\.jpg\.out has more than 50 bytes"):
        rows(account)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"test": 1}', '{"test": {"top1": 1, "ci95": {"top1": [1]}}}', "[" * 100_000],
    ids=lambda text: text[:30],
)
def test_metrics_that_are_none_are_a_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(text, "utf-8")
    with pytest.raises(CloudError, match=r"isn't the metrics\.json of a training"):
        _test_top1(tmp_path / "metrics.json")


def test_the_weights_are_the_file_that_was_sent(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"ours").hexdigest()
    (tmp_path / "a.pth").write_bytes(b"planted")
    (tmp_path / "resnet.pth").write_bytes(b"ours")
    assert _weights(tmp_path, digest) == tmp_path / "resnet.pth"
    (tmp_path / "resnet.pth").write_bytes(b"evil")
    with pytest.raises(CloudError, match=f"{digest}.*: they were replaced in S3"):
        _weights(tmp_path, digest)
