"""data.root=s3://...: what a launch makes of photos that are in S3, without reading one."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from conftest import draw_folders

from dogbreed.cloud.aws import s3_folder
from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.container.photo_listing import ListedPhoto
from dogbreed.cloud.jobs.photo_inputs import PhotoInputs, plan_photo_inputs
from dogbreed.cloud.jobs.s3_photos import find_s3_photos
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import TuneConfig, training_of
from dogbreed.data.layouts.folders import read_folders
from dogbreed.errors import CloudError, ConfigError, DataError, DogbreedError
from dogbreed.training.path_check import check_paths, check_sent_paths
from dogbreed.utils.user_paths import cache_dir

if TYPE_CHECKING:
    from helpers.s3_server import S3

pytest_plugins = ("helpers.s3_server",)

URI = "s3://photos-of-dogs/data/dogs"
NAMES = tuple(
    f"{split}/{name}/{number}.jpg"
    for split in ("train", "valid", "test")
    for name in ("Akita", "秋田 犬")
    for number in range(2)
)


@pytest.fixture
def account(aws_session: boto3.Session, s3: "S3", monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setattr(Account, "client", lambda *more: s3.client)
    return Account(
        session=aws_session, region="us-east-1", id="123456789012", role_arn="arn:role",
        bucket="photos-of-dogs", dry=False, owner="x",
    )  # fmt: skip


def put(s3: "S3", names: Sequence[str] = NAMES, **more: Any) -> None:
    for name in names:
        s3.client.put_object(
            Bucket="photos-of-dogs", Key=f"data/dogs/{name}", Body=f"photo {name}".encode(), **more
        )


def tune_config(root: str = URI, *overrides: str) -> TuneConfig:
    return compose_as(TuneConfig, "tune", [f"data.root={root}", *overrides])


def listed(account: Account, root: str = URI) -> dict[str, ListedPhoto]:
    found = find_s3_photos(account, training_of(tune_config(root)))
    return {photo.name: photo for photo in found.listing.photos}


def plan(account: Account, *overrides: str) -> PhotoInputs:
    return plan_photo_inputs(account, tune_config(URI, *overrides))


def test_the_photos_are_those_of_a_local_folder(account: Account, s3: "S3", tmp_path: Path) -> None:
    more = ("train/README.txt", "train/.DS_Store", "train/@eaDir/1.jpg", "train/Akita/notes.txt")
    put(s3, (*NAMES, *more))
    s3.write("data/dogs/", b"")  # as S3's console marks a folder
    s3.write("data/dogs-2/train/Collie/1.jpg", b"x")
    for name in (*NAMES, *more):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    local = [each.path.relative_to(tmp_path) for each in read_folders(tmp_path).all_samples()]
    s3.requests.clear()
    assert set(listed(account)) == {path.as_posix() for path in local}
    assert {operation for operation, _ in s3.requests} <= {
        *("HeadBucket", "ListObjectsV2", "HeadObject")
    }
    s3.requests.clear()
    listed(account, f"{URI}/")
    assert [operation for operation, _ in s3.requests] == ["HeadBucket", "ListObjectsV2"]


def test_md5s_are_listed_where_the_etag_is_one(account: Account, s3: "S3") -> None:
    put(s3, NAMES[1:])
    key = "arn:aws:kms:us-east-1:123456789012:key/1234"
    put(s3, NAMES[:1], ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    found = listed(account)
    assert found[NAMES[0]].digest is None
    md5 = hashlib.md5(f"photo {NAMES[1]}".encode()).hexdigest()
    assert found[NAMES[1]].digest == f"md5:{md5}"
    assert found[NAMES[1]].size_bytes == len(f"photo {NAMES[1]}".encode())
    put(s3, NAMES[1:2], Metadata={"another": "version"})
    assert listed(account)[NAMES[1]].digest == f"md5:{md5}"
    (record,) = (cache_dir() / "uploads").iterdir()
    record.write_text("{", "utf-8")
    assert listed(account) == found


def test_the_manifest_names_the_objects_in_place(account: Account, s3: "S3") -> None:
    put(s3)
    inputs = plan(account)
    assert inputs.run_name == "dogs"
    assert inputs.plan.files == ()
    manifest = json.loads(inputs.manifest)
    assert manifest == [{"prefix": f"{URI}/"}, *sorted(NAMES)]
    assert inputs.channels["photos"].uri == inputs.manifest_uri
    assert inputs.manifest_uri.startswith("s3://photos-of-dogs/dogbreed/photos/manifests/")
    assert set(inputs.digests) == set(NAMES)
    first = inputs.settings
    s3.write(f"data/dogs/{NAMES[0]}", b"other")
    assert plan(account).settings != first
    assert plan(account, "name=other").run_name == "other"


@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        ("s3://photos-of-dogs", r"^data\.root=s3://photos-of-dogs: it names a bucket without a pa"),
        ("s3://Photos/dogs", r"^data\.root=s3://Photos/dogs: write s3://BUCKET/PATH; "),
        ("s3:/photos-of-dogs/data", r"^data\.root=s3:/photos-of-dogs/data: write s3://photos-of"),
        ("s3://nobodys/data/dogs", r"^data\.root=s3://nobodys/data/dogs: .*no such bucket"),
        ("s3://photos-of-dogs/empty", r"^s3://photos-of-dogs/empty holds no photos"),
        ("s3://photos-of-dogs/data", r"Did you mean data\.root=s3://photos-of-dogs/data/dogs\?"),
        (f"{URI}/train/Akita", r"^s3://photos-of-dogs/data/dogs/train/Akita holds 2 photos but"),
    ],
)
def test_what_is_no_folder_of_classes_is_named(
    account: Account, s3: "S3", root: str, sentence: str
) -> None:
    put(s3)
    with pytest.raises(DogbreedError, match=sentence) as caught:
        listed(account, root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["train//1.jpg", "../1.jpg", "train/Akita/./1.jpg", "a\nb.jpg"])
def test_names_that_are_no_paths_are_refused(account: Account, s3: "S3", name: str) -> None:
    def answer(parsed: dict[str, Any], **more: Any) -> None:
        parsed["Contents"][0]["Key"] = f"data/dogs/{name}"

    put(s3)
    s3.client.meta.events.register("after-call.s3.ListObjectsV2", answer)
    with pytest.raises(DataError, match="which can't be a file: rename it"):
        listed(account)


def test_an_object_that_is_a_folder_too_is_refused(account: Account, s3: "S3") -> None:
    put(s3, (*NAMES, f"{NAMES[0]}/more.jpg"))
    with pytest.raises(DataError, match=rf"^{URI}/{NAMES[0]} is an object and a folder"):
        listed(account)


def test_archived_photos_and_too_many_are_refused(
    account: Account, s3: "S3", monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3)
    monkeypatch.setattr(s3_folder, "MAX_PHOTOS", len(NAMES) - 1)
    with pytest.raises(DataError, match="more than 11 objects"):
        listed(account)
    put(s3, NAMES[:1], StorageClass="GLACIER")
    with pytest.raises(DataError, match=r"1\.jpg|0\.jpg is archived \(GLACIER\)"):
        listed(account)


def test_a_bucket_of_another_region_is_refused(account: Account, s3: "S3") -> None:
    s3.client.create_bucket(
        Bucket="photos-in-ireland", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    with pytest.raises(CloudError, match=r"is in eu-west-1, .* launcher\.region=eu-west-1"):
        listed(account, "s3://photos-in-ireland/dogs")


def test_their_uri_is_checked_where_jobs_read_them_and_where_they_are_copied(
    tmp_path: Path,
) -> None:
    config = training_of(tune_config(URI, f"output_root={tmp_path}"))
    check_sent_paths(config)
    check_paths(config)
    with pytest.raises(ConfigError, match="it names a bucket without a path"):
        check_paths(training_of(tune_config("s3://photos-of-dogs", f"output_root={tmp_path}")))


def test_an_archive_is_extracted_and_its_photos_are_sent(
    account: Account, s3: "S3", tmp_path: Path
) -> None:
    draw_folders(tmp_path / "photos", {"train": 2, "valid": 1, "test": 1})
    archive = shutil.make_archive(str(tmp_path / "dogs"), "zip", tmp_path, "photos")
    config = tune_config(archive)
    check_sent_paths(training_of(config))
    inputs = plan_photo_inputs(account, config)
    assert inputs.run_name == "dogs"
    assert len(inputs.plan.files) == inputs.count == 12
    assert "train/Akita/000.jpg" in inputs.digests
    dry = plan_photo_inputs(replace(account, dry=True), config)
    assert dry.run_name == "dogs"
    assert dry.count == 12


def test_a_dry_run_refuses_them(account: Account) -> None:
    dry = replace(account, dry=True)
    with pytest.raises(ConfigError, match=r"data\.root=s3://.*: a dry run lists nothing in S3"):
        plan_photo_inputs(dry, tune_config())
