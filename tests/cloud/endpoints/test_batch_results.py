"""The outputs of a large transform job, read in parallel into one CSV within bounded memory."""

import csv
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dogbreed.cloud.aws.photo_objects import Photo
from dogbreed.cloud.endpoints import batch_results
from dogbreed.cloud.endpoints.batch_photos import Photos
from dogbreed.cloud.jobs.channels import Channel
from dogbreed.errors import CloudError, PhotoError

if TYPE_CHECKING:
    import boto3
    from helpers.s3_server import S3

pytest_plugins = ("helpers.s3_server",)

BUCKET = "photos-of-dogs"
CLASSES = [{"label": f"breed {n}", "class": f"n{n}", "probability": 1 / 120} for n in range(120)]
ANSWER = json.dumps({"predictions": [{"classes": CLASSES, "unknown": False}], "model_ms": 1.0})
ERROR = json.dumps({"error": {"code": "truncated", "message": "The file ends early."}})
MANY = 5000
PARSED_BYTES = 30_000  # of an answer of so many classes, at the least: 150 MB of them all

# In a process of its own, whose peak of memory is this code's alone.
SCRIPT = """
import resource, sys
from pathlib import Path
from types import SimpleNamespace
import boto3
from botocore.config import Config
from dogbreed.cloud.endpoints.batch_photos import Photos
from dogbreed.cloud.endpoints.batch_results import write_predictions
from dogbreed.cloud.jobs.channels import Channel

address, output, target = sys.argv[1:]
client = boto3.Session("test", "test", region_name="us-east-1").client(
    "s3", endpoint_url=address, config=Config(max_pool_connections=32)
)
client.head_bucket(Bucket="photos-of-dogs")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
account = SimpleNamespace(client=lambda service: client)
photos = Photos(source=Channel("s3://x/y"))
counts = write_predictions(account, output, photos, Path(target))
print(counts.rows, counts.errors, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.fixture
def account(s3: "S3", aws_session: "boto3.Session") -> Any:
    class Account:
        def client(self, service: str) -> Any:
            return s3.client

    return Account()


def rows_in(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


@pytest.mark.slow
def test_five_thousand_outputs_are_streamed(s3: "S3", s3_address: str, tmp_path: Path) -> None:
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for number in range(MANY):
        body = ERROR if number % 1000 == 7 else ANSWER
        backend.put_object(BUCKET, f"many/{number:05}.jpg.out", body.encode())
    target = tmp_path / "predictions.csv"
    arguments = [s3_address, f"s3://{BUCKET}/many/", str(target)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
    )
    rows, errors, growth_kib = map(int, done.stdout.split())
    assert (rows, errors) == (MANY, 5)
    assert growth_kib < MANY * PARSED_BYTES / 1024 / 3, done.stdout
    found = rows_in(target)
    assert [row["path"] for row in found] == [f"{number:05}.jpg" for number in range(MANY)]
    assert found[7]["error"] == "The file ends early."
    assert (found[7]["label"], found[8]["label"], found[8]["label_5"]) == ("", "breed 0", "breed 4")


def test_many_are_read_at_once_and_no_more_than_the_window(
    account: Any, s3: "S3", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most, started = 0, 0, 0
    lock, all_at_once = threading.Lock(), threading.Barrier(4)

    def read(*more: Any) -> bytes:
        nonlocal running, most, started
        with lock:
            running, started = running + 1, started + 1
            most = max(most, running)
        all_at_once.wait(timeout=20)  # breaks unless four are read at the same time
        with lock:
            running -= 1
        return ANSWER.encode()

    monkeypatch.setattr(batch_results, "READERS", 4)
    monkeypatch.setattr(batch_results, "WINDOW", 8)
    monkeypatch.setattr(batch_results, "read_object", read)
    for number in range(20):
        s3.write(f"few/{number:02}.jpg.out", b"")
    rows = batch_results.read_rows(account, f"s3://{BUCKET}/few/", ())
    assert next(rows)["path"] == "00.jpg"
    assert started <= 8 + 4
    assert len(list(rows)) == 19
    assert most == 4


def test_what_was_not_sent_is_a_row_and_a_failure_leaves_no_file(
    account: Any, s3: "S3", tmp_path: Path
) -> None:
    s3.write("some/aa.out", ANSWER.encode())
    s3.write("some/planted.out", b"planted")
    target = tmp_path / "new" / "predictions.csv"
    photos = Photos(
        source=Channel("s3://x/y"), local=(Photo("a.jpg", Path("here/a.jpg"), 1, "aa"),),
        refused={"b.jpg": PhotoError("empty", "the file is empty")},
    )  # fmt: skip
    counts = batch_results.write_predictions(account, f"s3://{BUCKET}/some/", photos, target)
    assert (counts.rows, counts.errors) == (2, 1)
    assert [(row["path"], row["error"]) for row in rows_in(target)] == [
        *(("a.jpg", ""), ("b.jpg", "the file is empty"))
    ]
    target.unlink()
    s3.write("some/aa.out", b"no answer")
    with pytest.raises(CloudError, match="isn't the output of a model of this project"):
        batch_results.write_predictions(account, f"s3://{BUCKET}/some/", photos, target)
    assert list(target.parent.iterdir()) == []
