"""Buckets of another account that anybody may use: nothing is sent there, nothing read there."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from contract.sagemaker_server import FOREIGN_ACCOUNT_ID

from dogbreed.cloud.aws import objects
from dogbreed.cloud.aws.account import Account, sign_in
from dogbreed.cloud.aws.downloads import download_archive, download_file
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.aws.objects import holds, upload_bytes, upload_file
from dogbreed.cloud.aws.photo_objects import plan_photos
from dogbreed.cloud.aws.s3_folder import S3Folder
from dogbreed.cloud.endpoints.batch_photos import photos_of
from dogbreed.cloud.endpoints.model_source import fetch, find_model
from dogbreed.cloud.jobs.s3_photos import find_s3_photos
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.configuration.run import Config
from dogbreed.errors import CloudError

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures",)

FOREIGN = "breeds-of-somebody"


def deploy_config(account: "SageMakerAccount", *overrides: str) -> DeployConfig:
    role = f"launcher.role={account.role_arn}"
    return compose_as(DeployConfig, "deploy", [role, *overrides])


def signed_in(account: "SageMakerAccount", *overrides: str) -> Account:
    return sign_in(deploy_config(account, *overrides).launcher)


def to_s3(account: "SageMakerAccount") -> list[str]:
    return [operation for service, operation in account.calls if service == "s3"]


def test_a_bucket_of_somebody_else_is_refused_by_name(account: "SageMakerAccount") -> None:
    account.beyond_our_policies = (FOREIGN,)
    theirs = account.foreign_bucket(FOREIGN)
    theirs.put_object(Bucket=FOREIGN, Key="anybody", Body=b"may write")
    with pytest.raises(CloudError) as caught:
        signed_in(account, f"launcher.bucket={FOREIGN}")
    assert f"launcher.bucket={FOREIGN}: the bucket {FOREIGN} doesn't belong to" in str(caught.value)
    assert to_s3(account) == ["HeadBucket"]


def test_the_usual_name_taken_by_somebody_else_is_refused(account: "SageMakerAccount") -> None:
    account.client("s3").delete_bucket(Bucket=account.bucket)
    account.foreign_bucket(account.bucket)
    with pytest.raises(CloudError, match=f"the bucket {account.bucket} doesn't belong to the acc"):
        signed_in(account)
    assert to_s3(account) == ["HeadBucket"]


def test_a_bucket_that_changes_hands_is_refused_at_each_request(
    account: "SageMakerAccount", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "LARGE_BYTES", 1)
    account.beyond_our_policies = ("/dogs/1.jpg",)  # not below the prefix
    aws_account = signed_in(account)
    client = aws_account.client("s3")
    account.client("s3").delete_bucket(Bucket=account.bucket)
    theirs = account.foreign_bucket(account.bucket)
    theirs.put_object(Bucket=account.bucket, Key="dogs/1.jpg", Body=b"planted")
    uri = f"s3://{account.bucket}/dogs/1.jpg"
    large = tmp_path / "large"
    large.write_bytes(b"large")
    place = {"Bucket": account.bucket, "Key": "dogs/1.jpg"}

    def sdk_upload() -> None:
        aws_account.session.resource("s3").Bucket(account.bucket).upload_file(
            str(large), "dogs/1.jpg"
        )

    requests: dict[str, Callable[[], Any]] = {
        "PutObject": lambda: upload_bytes(client, b"source", uri, kms_key=None),
        "CreateMultipartUpload": lambda: upload_file(client, large, uri, kms_key=None),
        "GetObject": lambda: download_file(client, uri, tmp_path / "fetched"),
        "archive": lambda: download_archive(client, uri, tmp_path / "fetched"),
        "ListObjectsV2": lambda: plan_photos(client, S3Folder(account.bucket, "dogs"), ()),
        "DeleteObjects": lambda: client.delete_objects(
            Bucket=account.bucket, Delete={"Objects": [{"Key": "dogs/1.jpg"}]}
        ),
        "DeleteObject": lambda: client.delete_object(**place),
        "ListMultipartUploads": lambda: client.list_multipart_uploads(Bucket=account.bucket),
        "upload_fileobj": lambda: client.upload_fileobj(io.BytesIO(b"x"), *place.values()),
    }
    for name, request in requests.items():
        with pytest.raises(CloudError, match="doesn't allow it") as caught, translate_errors(name):
            request()
        assert "the bucket doesn't belong to the account 123456789012" in str(caught.value), name
    with pytest.raises(Exception, match="belong to the account"):
        sdk_upload()
    assert not holds(client, uri, "digest")
    assert list(tmp_path.iterdir()) == [large]
    assert theirs.get_object(**place)["Body"].read() == b"planted"


def test_places_that_were_typed_are_checked_before_anything_is_sent(
    account: "SageMakerAccount", tmp_path: Path
) -> None:
    account.beyond_our_policies = (FOREIGN, "nobodys")
    theirs = account.foreign_bucket(FOREIGN)
    theirs.put_object(Bucket=FOREIGN, Key="photos/a.jpg", Body=b"photo")
    theirs.put_object(Bucket=FOREIGN, Key="model.tar.gz", Body=b"model")
    aws_account, uri = signed_in(account), f"s3://{FOREIGN}/model.tar.gz"
    with pytest.raises(CloudError, match=f"^model={uri}: the bucket {FOREIGN} doesn't belong"):
        fetch(aws_account, find_model(aws_account, uri, tmp_path), tmp_path)
    place = f"data.root=s3://{FOREIGN}/photos"
    with pytest.raises(CloudError, match=f"^{place}: the bucket {FOREIGN} doesn't belong"):
        find_s3_photos(aws_account, compose_as(Config, "train", [place]))
    place = f"deploy.photos=s3://{FOREIGN}/photos/"
    config = deploy_config(account, "deploy=batch", place)
    with pytest.raises(CloudError, match=f"^{place}: the bucket {FOREIGN} doesn't belong"):
        photos_of(aws_account, config)
    with pytest.raises(CloudError, match="no such bucket"):
        photos_of(
            aws_account, deploy_config(account, "deploy=batch", "deploy.photos=s3://nobodys/x/")
        )
    assert set(to_s3(account)) == {"HeadBucket"}


def test_the_emulator_refuses_as_s3_does(account: "SageMakerAccount") -> None:
    theirs = account.foreign_bucket(FOREIGN)
    theirs.put_object(Bucket=FOREIGN, Key="a", Body=b"x", ExpectedBucketOwner=FOREIGN_ACCOUNT_ID)
    mine = {"ExpectedBucketOwner": "123456789012"}
    with pytest.raises(theirs.exceptions.ClientError, match="AccessDenied"):
        theirs.get_object(Bucket=FOREIGN, Key="a", **mine)
    with pytest.raises(theirs.exceptions.ClientError, match="403"):
        theirs.head_object(Bucket=FOREIGN, Key="a", **mine)
    account.client("s3").put_object(Bucket=account.bucket, Key="a", Body=b"x", **mine)


@pytest.mark.parametrize("code", ["BucketAlreadyOwnedByYou", "OperationAborted"])
def test_two_first_launches_in_a_region_share_the_bucket(
    account: "SageMakerAccount", code: str
) -> None:
    client = account.client("s3")
    client.delete_bucket(Bucket=account.bucket)

    def create_meanwhile() -> None:
        client.create_bucket(Bucket=account.bucket)
        account.fail_next("CreateBucket", code, "A conflicting operation", status=409)

    account.when_called("HeadBucket", create_meanwhile)
    assert signed_in(account).bucket == account.bucket
    assert to_s3(account) == ["HeadBucket", "CreateBucket", "HeadBucket", "HeadBucket"]


def test_a_bucket_that_somebody_else_creates_meanwhile_is_refused(
    account: "SageMakerAccount",
) -> None:
    account.client("s3").delete_bucket(Bucket=account.bucket)

    def create_meanwhile() -> None:
        account.foreign_bucket(account.bucket)
        account.fail_next("CreateBucket", "OperationAborted", "in progress", status=409)

    account.when_called("HeadBucket", create_meanwhile)
    with pytest.raises(CloudError, match=f"the bucket {account.bucket} doesn't belong to the acc"):
        signed_in(account)
