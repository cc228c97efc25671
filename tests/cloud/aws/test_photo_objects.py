"""Photos as content-addressed objects: sent once, shared, verified, never replaced or deleted."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from dogbreed.cloud.aws import objects
from dogbreed.cloud.aws.photo_objects import (
    Photo,
    PhotoPlan,
    local_photos,
    plan_photos,
    upload_photos,
)
from dogbreed.cloud.aws.s3_folder import S3Folder
from dogbreed.data.decoding.photos import digest
from dogbreed.errors import CloudError, DataError, Stopped
from dogbreed.utils.user_paths import cache_dir

if TYPE_CHECKING:
    from helpers.s3_server import S3

pytest_plugins = ("helpers.s3_server",)

FOLDER = S3Folder("photos-of-dogs", "dogbreed/photos")
NAMES = ("train/Akita/1.jpg", "train/Akita/2.jpg", "train/Collie/1.jpg", "test/Größe 犬/1.jpg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four files; what they hold is nothing that the upload looks at."""
    for name in NAMES:
        write(tmp_path / "photos" / name, f"photo {name}")
    return tmp_path / "photos"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def photos_of(root: Path) -> tuple[Photo, ...]:
    return local_photos(root, sorted(path for path in root.rglob("*") if path.is_file()), {})


def plan(s3: "S3", root: Path) -> PhotoPlan:
    return plan_photos(s3.client, FOLDER, photos_of(root))


def send(s3: "S3", root: Path, kms_key: str | None = None) -> list[str]:
    """Upload what S3 lacks; the keys that were written."""
    s3.requests.clear()
    upload_photos(s3.client, FOLDER, plan(s3, root), kms_key=kms_key)
    return s3.sent()


def key_of(path: Path) -> str:
    return f"{FOLDER.prefix}/objects/{digest(path.read_bytes()).hex()}"


def in_s3(s3: "S3", root: Path) -> bool:
    """Whether every photo's object has its content."""
    files = [path for path in root.rglob("*") if path.is_file()]
    contents = s3.contents()
    return all(contents.get(key_of(path)) == path.read_bytes() for path in files)


def operations(s3: "S3") -> set[str]:
    return {operation for operation, _ in s3.requests}


def test_photos_are_sent_once_under_their_digests(s3: "S3", root: Path) -> None:
    write(root / "train/Collie/copy.jpg", f"photo {NAMES[0]}")
    sums: list[str] = []

    def look(request: Any, **more: Any) -> None:
        sums.append(request.headers["x-amz-checksum-sha256"].decode())

    s3.client.meta.events.register("before-send.s3.PutObject", look)
    sent = send(s3, root)
    assert sent == sorted({key_of(root / name) for name in NAMES})
    assert len(sums) == len(NAMES)
    assert in_s3(s3, root)
    for path in root.rglob("*.jpg"):
        os.utime(path, (1, 1))  # when a file was written says nothing about what it holds
    # The objects are those that this machine sent: S3 is listed and isn't queried for each of them.
    assert send(s3, root) == []
    assert operations(s3) == {"ListObjectsV2"}


def test_another_folder_and_another_machine_share_the_objects(
    s3: "S3", root: Path, tmp_path: Path
) -> None:
    send(s3, root)
    other = tmp_path / "elsewhere"
    shutil.copytree(root / "train", other / "renamed")
    write(other / "renamed/Akita/3.jpg", "only here")
    shutil.rmtree(cache_dir() / "uploads")
    assert send(s3, other) == [key_of(other / "renamed/Akita/3.jpg")]
    assert operations(s3) >= {"HeadObject"}
    assert in_s3(s3, root)
    # The record of one folder's photos stays when another's are uploaded.
    assert send(s3, other) == []
    assert operations(s3) == {"ListObjectsV2"}


def test_a_changed_photo_is_another_object_and_nothing_is_deleted(s3: "S3", root: Path) -> None:
    send(s3, root)
    before = s3.contents()
    write(root / NAMES[1], f"other {NAMES[1]}")
    (root / NAMES[0]).unlink()
    assert send(s3, root) == [key_of(root / NAMES[1])]
    assert operations(s3) == {"ListObjectsV2", "PutObject"}
    assert before.items() <= s3.contents().items()


def test_an_object_that_a_lifecycle_rule_deleted_is_sent_again(s3: "S3", root: Path) -> None:
    send(s3, root)
    s3.client.delete_object(Bucket=FOLDER.bucket, Key=key_of(root / NAMES[0]))
    assert send(s3, root) == [key_of(root / NAMES[0])]


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("checksum", [{"ChecksumAlgorithm": "SHA256"}, {}])
def test_other_content_under_a_key_is_replaced(
    s3: "S3", root: Path, *, recorded: bool, checksum: dict[str, str]
) -> None:
    send(s3, root)
    key = key_of(root / NAMES[0])
    planted = b"?" * len(s3.read(key))  # of the same size
    s3.client.put_object(Bucket=FOLDER.bucket, Key=key, Body=planted, **checksum)
    if not recorded:
        shutil.rmtree(cache_dir() / "uploads")
    assert send(s3, root) == [key]
    assert in_s3(s3, root)


def test_a_photo_that_changes_during_the_launch_is_not_sent(s3: "S3", root: Path) -> None:
    planned = plan(s3, root)
    write(root / NAMES[0], f"other {NAMES[0]}")
    with pytest.raises(DataError, match=r"Akita/1\.jpg was changed during the launch"):
        upload_photos(s3.client, FOLDER, planned, kms_key=None)
    for key, data in s3.contents().items():
        assert key.endswith(digest(data).hex())


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """As the command line does it."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped("stopped", number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_interrupted_upload_resumes(s3: "S3", root: Path) -> None:
    for number in range(60):
        write(root / f"train/Beagle/{number}.jpg", str(number))
    planned = plan(s3, root)

    def stop_at_the_10th(operation: str, key: str) -> None:
        if len(s3.sent()) == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    s3.before = stop_at_the_10th
    with stopped_by_sigterm(), pytest.raises(Stopped):
        upload_photos(s3.client, FOLDER, planned, kms_key=None, workers=1)
    s3.before = lambda operation, key: None
    first = s3.sent()
    assert 10 <= len(first) < 50
    second = send(s3, root)
    assert not set(first) & set(second)
    assert in_s3(s3, root)


def test_a_large_file_is_sent_in_parts_under_its_digest(
    s3: "S3", root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "LARGE_BYTES", 6 * 2**20)
    monkeypatch.setattr(objects, "PART_BYTES", 5 * 2**20)
    large = root / "train/Akita/large.jpg"
    large.write_bytes(os.urandom(7 * 2**20))
    send(s3, root)
    assert "CreateMultipartUpload" in operations(s3)
    assert in_s3(s3, root)
    assert send(s3, root) == []
    assert operations(s3) == {"ListObjectsV2", "HeadObject"}


def test_a_key_of_kms_encrypts_the_photos(s3: "S3", root: Path) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1234"
    send(s3, root, kms_key=key)
    head = s3.client.head_object(Bucket=FOLDER.bucket, Key=key_of(root / NAMES[0]))
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_known_digests_are_not_computed_again(root: Path) -> None:
    paths = sorted(root.rglob("*.jpg"))
    known = {path: digest(str(path).encode()) for path in paths}
    assert [each.sha256 for each in local_photos(root, paths, known)] == [
        known[path].hex() for path in paths
    ]


def test_a_link_that_leads_out_is_not_sent(s3: "S3", root: Path, tmp_path: Path) -> None:
    (root / "train/Akita/link.jpg").symlink_to(write(tmp_path / "secret", "secret"))
    planned = plan_photos(s3.client, FOLDER, photos_of(root), within=os.path.realpath(root))
    with pytest.raises(DataError, match=r"link\.jpg can't be read: a symbolic link leads out"):
        upload_photos(s3.client, FOLDER, planned, kms_key=None)
    assert b"secret" not in s3.contents().values()


def test_a_missing_bucket_is_named(s3: "S3", root: Path) -> None:
    with pytest.raises(CloudError, match=r"s3://nobodys/x/.* no such bucket.* launcher\.bucket"):
        plan_photos(s3.client, S3Folder("nobodys", "x"), photos_of(root))


def test_the_same_etag_at_another_time_is_compared(s3: "S3", root: Path) -> None:
    send(s3, root)
    key = key_of(root / NAMES[0])
    (record,) = (cache_dir() / "uploads").iterdir()
    entries = json.loads(record.read_text("utf-8"))
    s3.write(key, b"?" * len(s3.read(key)))
    entry = entries[key.rpartition("/")[2]]
    listed = s3.client.list_objects_v2(Bucket=FOLDER.bucket, Prefix=key)
    entry[1] = listed["Contents"][0]["ETag"]  # an ETag is an MD5: two can be alike
    entry[2] = "2020-01-01T00:00:00+00:00"
    record.write_text(json.dumps(entries), "utf-8")
    assert send(s3, root) == [key]


@pytest.mark.parametrize("damaged", ["{", "[1]", '{"a": 1}', '{"a": [1]}', ""])
def test_a_damaged_record_costs_requests_and_no_more(damaged: str, s3: "S3", root: Path) -> None:
    send(s3, root)
    (record,) = (cache_dir() / "uploads").iterdir()
    record.write_text(damaged, "utf-8")
    assert send(s3, root) == []


def test_a_folder_that_begins_alike_is_another(s3: "S3", root: Path) -> None:
    other = f"{FOLDER.prefix}-2/{key_of(root / NAMES[0]).removeprefix(f'{FOLDER.prefix}/')}"
    s3.write(other, b"x")
    assert len(send(s3, root)) == len(NAMES)
    assert s3.read(other) == b"x"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("caf\udce9.jpg", "isn't UTF-8"), ("a\nb.jpg", "control characters")],
)
def test_names_that_s3_can_not_take_are_refused(name: str, sentence: str, root: Path) -> None:
    path = write(root / "train/Akita" / name, "x")
    with pytest.raises(DataError, match=sentence) as caught:
        local_photos(root, [path], {})
    str(caught.value).encode()  # can be printed


def test_a_photo_that_vanished_is_named(root: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg can't be read: No such file"):
        local_photos(root, [root / "train/gone.jpg"], {})
