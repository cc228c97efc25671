"""Photos to S3: all of them once, then only what changed; interrupted, removed, refused."""

import base64
import json
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from helpers.s3_server import stopped_by_sigterm, write

from dogbreed.cloud.aws import uploads
from dogbreed.cloud.aws.uploads import S3Folder, plan_upload, stored, upload
from dogbreed.data.decoding.photos import digest
from dogbreed.errors import CloudError, DataError, Stopped
from dogbreed.utils.user_paths import cache_dir

if TYPE_CHECKING:
    from helpers.s3_server import S3

pytest_plugins = ("helpers.s3_server",)

FOLDER = S3Folder("photos-of-dogs", "dogbreed/photos/dogs")
NAMES = ("train/Akita/1.jpg", "train/Akita/2.jpg", "train/Collie/1.jpg", "test/Collie/1.jpg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four files; what they hold is nothing that the upload looks at."""
    for name in NAMES:
        write(tmp_path / "photos" / name, f"photo {name}")
    return tmp_path / "photos"


def files_of(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def sync(s3: "S3", root: Path, kms_key: str | None = None) -> list[str]:
    """Bring S3 up to date; the names of the photos that were sent."""
    s3.requests.clear()
    plan = plan_upload(root, files_of(root), stored(s3.client, FOLDER))
    upload(s3.client, FOLDER, plan, kms_key=kms_key)
    return photos_sent(s3)


def photos_sent(s3: "S3") -> list[str]:
    start = f"{FOLDER.prefix}/"
    return [key.removeprefix(start) for key in s3.sent() if key.startswith(start)]


def photos_in(s3: "S3") -> dict[str, bytes]:
    """What a job would get."""
    start = f"{FOLDER.prefix}/"
    return {k.removeprefix(start): v for k, v in s3.contents().items() if k.startswith(start)}


def on_disk(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files_of(root)}


def test_every_photo_arrives_with_its_name_and_a_checksum(s3: "S3", root: Path) -> None:
    for name in ("Größe/café.jpg", "秋田 犬/a+b & c.jpg", "100%25/x=1?.jpg"):
        write(root / "train" / name, name)
    sent: dict[str, str] = {}

    def look(request: Any, **more: Any) -> None:
        key = unquote(urlsplit(request.url).path).removeprefix(f"/{FOLDER.bucket}/")
        sent[key] = request.headers["x-amz-checksum-sha256"].decode()

    s3.client.meta.events.register("before-send.s3.PutObject", look)
    assert len(sync(s3, root)) == 7
    assert photos_in(s3) == on_disk(root)
    for key, data in s3.contents().items():
        assert sent[key] == base64.b64encode(digest(data)).decode()


def test_a_second_time_nothing_is_sent(s3: "S3", root: Path) -> None:
    sync(s3, root)
    for path in files_of(root):
        os.utime(path, (1, 1))  # when a file was written says nothing about what it holds
    assert sync(s3, root) == []
    # The objects are those that this machine sent: S3 isn't queried for each of them.
    assert [operation for operation, _ in s3.requests] == ["ListObjectsV2", "HeadObject"]
    record = cache_dir() / "uploads"
    shutil.rmtree(record)
    assert sync(s3, root) == []
    assert {key for operation, key in s3.requests if operation == "HeadObject"} == {
        *(f"{FOLDER.prefix}/{name}" for name in NAMES),
        FOLDER.marker,
    }
    assert len(list(record.iterdir())) == 1


def test_one_changed_photo_is_sent_alone(s3: "S3", root: Path) -> None:
    sync(s3, root)
    write(root / NAMES[1], f"other {NAMES[1]}")  # of the same size
    assert sync(s3, root) == [NAMES[1]]
    assert photos_in(s3) == on_disk(root)
    assert sync(s3, root) == []


def test_photos_that_are_gone_are_removed(
    s3: "S3", root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_DELETIONS", 2)
    sync(s3, root)
    for name in NAMES[:3]:
        (root / name).unlink()
    assert sync(s3, root) == []
    assert photos_in(s3) == on_disk(root)
    assert sync(s3, root) == []


def test_photos_that_can_not_be_deleted_are_reported(s3: "S3", root: Path) -> None:
    def refuse(parsed: dict[str, Any], **more: Any) -> None:
        parsed["Errors"] = [{"Key": "dogs/1.jpg", "Code": "AccessDenied"}]

    sync(s3, root)
    (root / NAMES[0]).unlink()
    new = write(root / "train/Akita/new.jpg", "new").relative_to(root).as_posix()
    s3.client.meta.events.register("after-call.s3.DeleteObjects", refuse)
    with pytest.raises(CloudError, match=r"1 photos .* dogs/1\.jpg \(AccessDenied\).* trained on"):
        sync(s3, root)
    assert photos_sent(s3) == [new]
    s3.client.meta.events.unregister("after-call.s3.DeleteObjects", refuse)
    assert sync(s3, root) == []


def test_what_others_did_to_the_folder_is_put_right(s3: "S3", root: Path) -> None:
    sync(s3, root)
    s3.client.delete_object(Bucket=FOLDER.bucket, Key=f"{FOLDER.prefix}/{NAMES[0]}")
    s3.write(f"{FOLDER.prefix}/{NAMES[1]}", b"shorter")
    s3.write(f"{FOLDER.prefix}/train/Akita/theirs.jpg", b"x")
    assert sync(s3, root) == sorted(NAMES[:2])
    assert photos_in(s3) == on_disk(root)


def test_a_folder_of_others_is_left_alone(s3: "S3", root: Path) -> None:
    s3.write(f"{FOLDER.prefix}/", b"")  # as S3's console marks a folder
    assert stored(s3.client, FOLDER) == {}
    s3.write(f"{FOLDER.prefix}/theirs.jpg", b"x")
    with pytest.raises(CloudError, match=r"has 1 objects .* name another launcher\.prefix"):
        stored(s3.client, FOLDER)


def test_a_folder_that_begins_alike_is_another(s3: "S3", root: Path) -> None:
    s3.write(f"{FOLDER.prefix}-2/theirs.jpg", b"x")
    sync(s3, root)
    assert s3.read(f"{FOLDER.prefix}-2/theirs.jpg") == b"x"
    assert FOLDER.uri == f"s3://{FOLDER.bucket}/{FOLDER.prefix}/"


def test_an_interrupted_upload_resumes(s3: "S3", root: Path) -> None:
    for number in range(60):
        write(root / f"train/Beagle/{number}.jpg", str(number))
    plan = plan_upload(root, files_of(root), stored(s3.client, FOLDER))

    def stop_at_the_10th(operation: str, key: str) -> None:
        if len(photos_sent(s3)) == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    s3.before = stop_at_the_10th
    with stopped_by_sigterm(), pytest.raises(Stopped):
        upload(s3.client, FOLDER, plan, kms_key=None, workers=1)
    s3.before = lambda operation, key: None
    first = photos_sent(s3)
    assert 10 <= len(first) < 50
    second = sync(s3, root)
    assert sorted([*first, *second]) == sorted(on_disk(root))
    assert photos_in(s3) == on_disk(root)


def test_what_was_sent_before_an_error_is_not_sent_again(s3: "S3", root: Path) -> None:
    plan = plan_upload(root, files_of(root), stored(s3.client, FOLDER))
    (root / NAMES[2]).unlink()  # the third by name: test/ comes first, then Akita's
    with pytest.raises(DataError, match=r"Collie/1\.jpg can't be read: No such file"):
        upload(s3.client, FOLDER, plan, kms_key=None, workers=1)
    assert len(photos_sent(s3)) == 3
    assert sync(s3, root) == []


def planted(s3: "S3", name: str, **more: Any) -> None:
    """Another content of the same size, under one of our keys."""
    key = f"{FOLDER.prefix}/{name}"
    s3.client.put_object(
        Bucket=FOLDER.bucket, Key=key, Body=b"?" * len(s3.read(key)), **{"Metadata": {}, **more}
    )


@pytest.mark.parametrize("known", [True, False], ids=["recorded here", "from another machine"])
@pytest.mark.parametrize("with_checksum", [True, False])
def test_content_of_the_same_size_is_replaced(
    known: bool, with_checksum: bool, s3: "S3", root: Path
) -> None:
    sync(s3, root)
    sums = {"ChecksumAlgorithm": "SHA256"} if with_checksum else {}
    planted(s3, NAMES[0], Metadata={"sha256": digest((root / NAMES[0]).read_bytes()).hex()}, **sums)
    if not known:
        shutil.rmtree(cache_dir() / "uploads")
    assert sync(s3, root) == [NAMES[0]]
    assert photos_in(s3) == on_disk(root)


def test_a_list_in_s3_vouches_for_nothing(s3: "S3", root: Path) -> None:
    sync(s3, root)
    for name in NAMES:
        planted(s3, name)
    listed = {
        name: [path.stat().st_size, digest(path.read_bytes()).hex()]
        for name, path in ((name, root / name) for name in NAMES)
    }
    s3.write(FOLDER.marker, json.dumps(listed).encode())
    shutil.rmtree(cache_dir() / "uploads")
    assert sync(s3, root) == sorted(NAMES)
    assert photos_in(s3) == on_disk(root)


def test_the_same_etag_at_another_time_is_compared(s3: "S3", root: Path) -> None:
    sync(s3, root)
    (record,) = (cache_dir() / "uploads").iterdir()
    entries = json.loads(record.read_text("utf-8"))
    planted(s3, NAMES[0])
    listed = s3.client.list_objects_v2(Bucket=FOLDER.bucket, Prefix=f"{FOLDER.prefix}/{NAMES[0]}")
    entries[NAMES[0]][1] = listed["Contents"][0]["ETag"]  # an ETag is an MD5: two can be alike
    entries[NAMES[0]][2] = "2020-01-01T00:00:00+00:00"
    record.write_text(json.dumps(entries), "utf-8")
    assert sync(s3, root) == [NAMES[0]]


@pytest.mark.parametrize("damaged", ["{", "[1]", '{"a": 1}', '{"a": [1]}', ""])
def test_a_damaged_record_costs_requests_and_no_more(damaged: str, s3: "S3", root: Path) -> None:
    sync(s3, root)
    (record,) = (cache_dir() / "uploads").iterdir()
    record.write_text(damaged, "utf-8")
    assert sync(s3, root) == []


def test_a_photo_that_changes_after_it_was_sent_is_sent_again(s3: "S3", root: Path) -> None:
    def change(operation: str, key: str) -> None:
        if operation == "ListObjectsV2" and photos_sent(s3):
            write(root / NAMES[0], "other" + (root / NAMES[0]).read_text("utf-8")[5:])

    s3.before = change
    sync(s3, root)
    s3.before = lambda operation, key: None
    assert sync(s3, root) == [NAMES[0]]


def test_a_key_of_kms_encrypts_photos_and_list(s3: "S3", root: Path) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1234"
    sync(s3, root, kms_key=key)
    for name in (FOLDER.marker, f"{FOLDER.prefix}/{NAMES[0]}"):
        head = s3.client.head_object(Bucket=FOLDER.bucket, Key=name)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_a_plan_without_s3_counts_everything(root: Path) -> None:
    plan = plan_upload(root, files_of(root), None)
    assert sorted(file.name for file in plan.files) == sorted(NAMES)
    assert plan.size_bytes == sum(path.stat().st_size for path in files_of(root))


def test_digests_that_are_known_are_not_computed_again(s3: "S3", root: Path) -> None:
    sync(s3, root)
    there, files = stored(s3.client, FOLDER), files_of(root)
    known = {path: digest(path.read_bytes()) for path in files}
    for path in files:
        path.write_bytes(b"?" * path.stat().st_size)
    assert plan_upload(root, files, there, known).files == ()
    assert len(plan_upload(root, files, there).files) == len(NAMES)


def test_links_are_followed(s3: "S3", root: Path, tmp_path: Path) -> None:
    (root / "train/Akita/link.jpg").symlink_to(write(tmp_path / "elsewhere.jpg", "elsewhere"))
    sync(s3, root)
    assert photos_in(s3)["train/Akita/link.jpg"] == b"elsewhere"


def test_a_missing_bucket_is_named(s3: "S3", root: Path) -> None:
    with pytest.raises(CloudError, match=r"s3://nobodys/x/.* no such bucket.* launcher\.bucket"):
        stored(s3.client, S3Folder("nobodys", "x"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("caf\udce9.jpg", "isn't UTF-8"), ("a\nb.jpg", "control characters")],
)
def test_names_that_s3_can_not_take_are_refused(name: str, sentence: str, root: Path) -> None:
    path = write(root / "train/Akita" / name, "x")
    with pytest.raises(DataError, match=sentence) as caught:
        plan_upload(root, [path], None)
    str(caught.value).encode()  # can be printed


def test_a_photo_that_vanished_is_named(root: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg can't be read: No such file"):
        plan_upload(root, [root / "train/gone.jpg"], None)
