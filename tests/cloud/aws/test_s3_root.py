"""data.root=s3://... on this machine: a copy in the cache, as S3 has the photos now."""

import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dogbreed.cloud.aws import s3_copy, s3_folder
from dogbreed.cloud.aws.account import open_session
from dogbreed.data.roots import check_given_root, is_s3_folder, local_root, root_name
from dogbreed.errors import CloudError, ConfigError, DataError, DogbreedError

if TYPE_CHECKING:
    from helpers.s3_server import S3

pytest_plugins = ("helpers.s3_server",)

BUCKET = "photos-of-dogs"
URI = f"s3://{BUCKET}/data/dogs"
NAMES = ("train/Akita/1.jpg", "train/Akita/2.jpg", "test/秋田 犬/1.PNG", "labels.csv")
Logged = Callable[[], str]


@pytest.fixture(autouse=True)
def signed_in(s3: "S3", s3_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with credentials and moto for AWS."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)


def put(s3: "S3", *names: str) -> None:
    for name in names:
        s3.write(f"data/dogs/{name}", f"photo {name}".encode())


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_copy_follows_the_bucket(s3: "S3", logged: Logged) -> None:
    put(s3, *NAMES, "train/README.txt", "train/.DS_Store", "@eaDir/1.jpg")
    s3.write("data/dogs/", b"")  # as S3's console marks a folder
    s3.write("data/dogs-2/1.jpg", b"another folder")
    check_given_root(URI)
    root = local_root(URI)
    assert root.name == "dogs"
    assert files_below(root) == {name: f"photo {name}".encode() for name in NAMES}
    assert f"{URI}: 4 objects downloaded (0.0 MB), 0 unchanged, 0 removed" in logged()
    assert local_root(f"{URI}/") == root
    assert "0 objects downloaded (0.0 MB), 4 unchanged, 0 removed" in logged()
    s3.write("data/dogs/train/Akita/1.jpg", b"PHOTO train/Akita/1.jpg")  # of the same size
    s3.client.delete_object(Bucket=BUCKET, Key="data/dogs/test/秋田 犬/1.PNG")
    put(s3, "train/Akita/2.jpg/1.jpg")
    s3.client.delete_object(Bucket=BUCKET, Key="data/dogs/train/Akita/2.jpg")
    assert local_root(Path(URI)) == root  # whose slashes have become one
    assert files_below(root) == {
        "train/Akita/1.jpg": b"PHOTO train/Akita/1.jpg",
        "train/Akita/2.jpg/1.jpg": b"photo train/Akita/2.jpg/1.jpg",
        "labels.csv": b"photo labels.csv",
    }
    assert not (root / "test").exists()
    assert "2 objects downloaded (0.0 MB), 1 unchanged, 2 removed" in logged()


@pytest.mark.parametrize("damage", ["remove", "change", "add", "record"])
def test_a_changed_copy_is_mended(damage: str, s3: "S3", own_cache: Path) -> None:
    put(s3, *NAMES)
    root = local_root(URI)
    before = files_below(root)
    if damage == "remove":
        (root / NAMES[0]).unlink()
    elif damage == "change":
        (root / NAMES[0]).write_bytes(b"PHOTO")
    elif damage == "add":
        (root / "train" / "Akita" / "3.jpg").write_bytes(b"3")
    else:
        (record,) = (own_cache / "downloads").iterdir()
        record.write_text("{", "utf-8")
    assert files_below(local_root(URI)) == before


def test_an_interrupted_download_resumes(
    s3: "S3", monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    put(s3, *NAMES)
    fetch = s3_copy._fetch

    def interrupted(client: Any, uri: str, *more: Any) -> None:
        if uri.endswith("2.jpg"):
            raise CloudError("interrupted")
        fetch(client, uri, *more)

    monkeypatch.setattr(s3_copy, "WORKERS", 1)
    with monkeypatch.context() as patch:
        patch.setattr(s3_copy, "_fetch", interrupted)
        with pytest.raises(CloudError, match="interrupted"):
            local_root(URI)
    logged()
    assert set(files_below(local_root(URI))) == set(NAMES)
    assert " 0 unchanged" not in logged()


def test_an_archive_in_s3_is_downloaded_and_extracted_once(
    s3: "S3", photos_root: Path, tmp_path: Path, logged: Logged
) -> None:
    archive = shutil.make_archive(str(tmp_path / "made"), "zip", tmp_path, "photos")
    uri = f"s3://{BUCKET}/dogs.zip"
    s3.write("dogs.zip", Path(archive).read_bytes())
    assert root_name(uri) == "dogs"
    assert not is_s3_folder(uri)
    root = local_root(uri)
    assert files_below(root) == files_below(photos_root)
    logged()
    assert local_root(uri) == root
    text = logged()
    assert "0 objects downloaded" in text
    assert "is already extracted" in text
    with pytest.raises(CloudError, match=r"missing\.zip: there is no such object"):
        local_root(f"s3://{BUCKET}/missing.zip")


@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        (f"s3://{BUCKET}", "it names a bucket without a path"),
        ("s3://Photos/dogs", "write s3://BUCKET/PATH"),
    ],
)
def test_what_is_no_uri_is_refused_before_anything_is_sent(root: str, sentence: str) -> None:
    for use in (check_given_root, local_root):
        with pytest.raises(ConfigError, match=sentence):
            use(root)


def test_a_missing_bucket_and_an_empty_prefix_are_named(s3: "S3") -> None:
    with pytest.raises(CloudError, match=r"^data\.root=s3://nobodys/dogs: there is no bucket nob"):
        local_root("s3://nobodys/dogs")
    put(s3, "README.txt")
    with pytest.raises(DataError, match=f"^{URI} holds no photos"):
        local_root(URI)


def test_without_credentials_or_a_network_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(CloudError, match=f"^data\\.root={URI}: AWS can't be reached") as caught:
        local_root(URI)
    assert "\n" not in str(caught.value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(CloudError, match=f"^data\\.root={URI}: there are no AWS credentials"):
        local_root(URI)


@pytest.mark.parametrize("operation", ["HeadBucket", "ListObjectsV2", "GetObject"])
def test_without_permission_one_sentence(
    operation: str, s3: "S3", monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, *NAMES)

    def restricted() -> Any:
        session = open_session()

        def deny(http_response: Any, parsed: dict[str, Any], model: Any, **more: Any) -> None:
            http_response.status_code = 403
            parsed["Error"] = {"Code": "AccessDenied", "Message": "Access Denied"}

        session.events.register(f"after-call.s3.{operation}", deny)
        return session

    monkeypatch.setattr(s3_copy, "open_session", restricted)
    with pytest.raises(CloudError, match=f"^data\\.root={URI}: .*permission") as caught:
        local_root(URI)
    assert "\n" not in str(caught.value)


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "boto3" else find(name)
    )
    with pytest.raises(CloudError, match=r"boto3 must be installed: pip install 'dogbreed\[aws\]'"):
        check_given_root(URI)


def test_objects_that_can_not_be_files_are_refused(
    s3: "S3", monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, *NAMES, "train/Akita")
    put(s3, f"train/{'n' * 300}.jpg")
    with pytest.raises(DataError, match="has too long a name for a file"):
        local_root(URI)
    s3.client.delete_object(Bucket=BUCKET, Key=f"data/dogs/train/{'n' * 300}.jpg")
    put(s3, "train/Akita/1.jpg/2.jpg")
    with pytest.raises(DataError, match="is an object and a folder"):
        local_root(URI)
    monkeypatch.setattr(s3_folder, "MAX_PHOTOS", 3)
    with pytest.raises(DataError, match="more than 3 objects"):
        local_root(URI)


def test_what_does_not_fit_is_refused(
    s3: "S3", monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    put(s3, *NAMES)
    with monkeypatch.context() as patch:
        patch.setattr(s3_copy, "RESERVE_BYTES", 2**60)
        with pytest.raises(DataError, match=r"needs 0\.0 GB under"):
            local_root(URI)
    monkeypatch.setattr(s3_copy, "MAX_BYTES", 20)
    assert set(files_below(local_root(URI))) == {"labels.csv"}
    assert "warning: 3 objects of over 20 bytes are left out" in logged()


def test_an_object_replaced_meanwhile_is_noticed(s3: "S3", monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, *NAMES)
    fetch = s3_copy._fetch

    def late(client: Any, uri: str, *more: Any) -> None:
        s3.write(uri.removeprefix(f"s3://{BUCKET}/"), b"replaced")
        fetch(client, uri, *more)

    monkeypatch.setattr(s3_copy, "_fetch", late)
    with pytest.raises(DogbreedError, match="changed during the download: run the command again"):
        local_root(URI)
