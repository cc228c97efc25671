"""The keys that name things in AWS: what it takes is taken, what it refuses is refused here."""

import pytest

pytest.importorskip("boto3")

from dogbreed.cloud.aws.account_keys import check_region_of, checked_keys
from dogbreed.cloud.aws.dry_account import dry_run_account
from dogbreed.cloud.aws.regions import domain_of, partition_of
from dogbreed.cloud.aws.s3_names import check_uri, is_s3_uri
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import FinalConfig, LauncherConfig
from dogbreed.errors import ConfigError

KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = "arn:aws:iam::111122223333:role/"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com"


def launcher(*overrides: str) -> LauncherConfig:
    return compose_as(FinalConfig, "final", overrides).launcher


def checked(*overrides: str, region: str = "us-east-1") -> LauncherConfig:
    found = checked_keys(launcher(*overrides))
    check_region_of(found, region)
    return found


@pytest.mark.parametrize(
    ("bucket", "sentence"),
    [
        ("s3://b", "3 to 63 characters, not 1"),
        ("s3://our-bucket", r"write launcher\.bucket=our-bucket\."),
        ("S3://our-bucket/a/b/", r"write launcher\.bucket=our-bucket launcher\.prefix=a/b\."),
        ("arn:aws-cn:s3:::our-bucket", r"write launcher\.bucket=our-bucket\."),
        ("https://our-bucket.s3.eu-west-1.amazonaws.com/p", "bucket=our-bucket launcher.prefix=p"),
        ("https://s3.amazonaws.com/our-bucket", r"write launcher\.bucket=our-bucket\."),
        ("our-bucket/", r"write launcher\.bucket=our-bucket\."),
        ("our-bucket/x", r"write launcher\.bucket=our-bucket launcher\.prefix=x\."),
        ("Our-Bucket", r"lower-case .*did you mean our-bucket\?"),
        *((name, "lower-case letters") for name in ("our_bucket", "bü-cket", "-ab", "ab.", "a b")),
        *((name, "3 to 63") for name in ("ab", "a" * 64)),
        *((name, "may begin") for name in ("xn--abc", "sthree-abc", "amzn-s3-demo-abc")),
        *((f"abc{end}", "general purpose") for end in ("-s3alias", "--ol-s3", ".mrap", "--x-s3")),
        ("abc--table-s3", "a table bucket"),
        ("a..b", "no two dots"),
        ("192.168.5.4", "IP address"),
        ("''", "is empty"),
    ],
)
def test_what_is_no_bucket_is_refused(bucket: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=rf"^launcher\.bucket=.*{sentence}"):
        checked(f"launcher.bucket={bucket}")


def test_buckets_and_prefixes_that_can_be_are_taken() -> None:
    for bucket in ("abc", "a" * 63, "our.bucket-1", "x-111122223333-us-east-1-an", "1.2.3"):
        assert checked(f"launcher.bucket={bucket}").bucket == bucket
    normal = {"/a//b/": "a/b", "a/./b": "a/b", " a  b / c": "a b/c", "gro\u0308ße": "größe"}
    for typed, prefix in normal.items():
        assert checked(f"launcher.prefix={typed}").prefix == prefix


@pytest.mark.parametrize(
    ("prefix", "sentence"),
    [
        ("../x", r"no folder '\.\.'"),
        ("a/../b", r"no folder '\.\.'"),
        ("//", "is empty"),
        ("s3://our-bucket/x", r"launcher\.bucket=our-bucket launcher\.prefix=x"),
        *((f"a{bad}b", "leave out") for bad in "\\?#%\t\x7f\u200b"),
        ("ü" * 257, "514 bytes"),
    ],
)
def test_prefixes_that_would_be_lost_on_the_way_are_refused(prefix: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        checked(f"launcher.prefix={prefix}")


def test_places_in_s3_are_known_however_they_are_written() -> None:
    check_uri("model", "s3://our-bucket/a b/model.tar.gz")
    for wrong, sentence in {
        "s3://b/x": "3 to 63",
        "s3://our-bucket/": "a bucket without a path",
        "S3:/our-bucket/x": "write s3://our-bucket/x",
        "https://our-bucket.s3.amazonaws.com/x": "write s3://our-bucket/x",
        "arn:aws:s3:::our-bucket/x": "write s3://our-bucket/x",
        "s3://our-bucket//x": "write s3://our-bucket/x",
        "s3://our-bucket/x\n": "write|control",
    }.items():
        assert is_s3_uri(wrong)
        with pytest.raises(ConfigError, match=sentence):
            check_uri("model", wrong)
    assert not any(map(is_s3_uri, ("outputs/latest", "s3", "./s3:x", "C:\\x", "https://x.org/a")))


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (f"role={ROLE.replace('role', 'user')}x", "something other than an IAM role"),
        ("role=arn:aws:iam::111122223333:instance-profile/x", "something other than an IAM role"),
        ("role=arn:aws:iam::aws:policy/AdministratorAccess", "something other than an IAM role"),
        ("role=arn:aws:sts::111122223333:assumed-role/x/y", "something other than an IAM role"),
        ("role=arn:aws:iam::1111:role/x", "twelve digits"),
        (f"role={ROLE}{'a' * 65}", "isn't a valid ARN of an IAM role"),
        ("role=service-role/x", r"write launcher\.role=x"),
        ("role=a b", "at most 64"),
        (f"role={'a' * 65}", "at most 64"),
        ("role=arn:aws-cn:iam::111122223333:role/x", "begins with arn:aws:iam::"),
        ("output_kms_key=my-key", "Did you mean alias/my-key"),
        ("output_kms_key=arn:aws:s3:::b", "it is no KMS key"),
        ("output_kms_key=arn:aws:kms:us-east-1:1:key/x", "it is no KMS key"),
        (f"output_kms_key=arn:aws:kms:eu-west-1:111122223333:key/{KEY_ID}", "a key of that region"),
        (f"output_kms_key=arn:aws-cn:kms:us-east-1:111122223333:key/{KEY_ID}", "of that region"),
        ("volume_kms_key=alias/disks", "takes no alias"),
        ("image_uri=pytorch/pytorch:latest", "Amazon ECR only"),
        (f"image_uri=https://{IMAGE}/mine:1", "Amazon ECR only"),
        (f"image_uri={IMAGE}/Mine:1", "Amazon ECR only"),
        (f"image_uri={IMAGE.replace('us-east-1', 'eu-west-1')}/mine:1", "a registry there"),
        ("instance_type=c7i.xlarge", "launcher.instance_type: .*Did you mean ml.c7i.xlarge"),
        ("instance_type=ml.c7i.9xlarge", "ml.c7i.8xlarge"),
        ("extract_instance_type=ml.t2.medium", "launcher.extract_instance_type=ml.t2.medium"),
        ("subnets=[subnet-0a1b2c3d]", "go together"),
        ("tags.aws:x=1", "reserved for AWS"),
        ("tags.a=b!", "! can't be in the value"),
        ("tags.🐶=b", "can't be in the name"),
        (f"tags.{'a' * 129}=b", "129 characters; at most 128"),
        (f"tags.a={'b' * 257}", "257 characters; at most 256"),
        (f"tags={{{', '.join(f'a{n}: b' for n in range(49))}}}", "49 tags; at most 47"),
        *((f"{key}=", "is empty") for key in ("role", "region", "output_kms_key", "image_uri")),
    ],
)
def test_what_aws_would_refuse_is_refused(override: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        checked(f"launcher.{override}")


@pytest.mark.parametrize(
    ("subnets", "groups", "sentence"),
    [
        ("[subnet-1]", "[sg-0a1b2c3d]", "'subnet-1' is no valid id"),
        (
            "[subnet-0a1b2c3d]",
            "[subnet-0a1b2c3d]",
            "security_groups: 'subnet-0a1b2c3d' is no valid id",
        ),
        ("[subnet-0a1b2c3d,subnet-0a1b2c3d]", "[sg-0a1b2c3d]", "given twice"),
        ("[subnet-0a1b2c3d]", f"[{','.join(f'sg-0a1b2c3{n}' for n in range(6))}]", "at most 5"),
    ],
)
def test_networks(subnets: str, groups: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        checked(f"launcher.subnets={subnets}", f"launcher.security_groups={groups}")


def test_what_aws_takes_is_taken() -> None:
    for override in (
        *(f"role={ROLE}service-role/x", "role=Trainer+1", f"output_kms_key={KEY_ID}"),
        *("output_kms_key=alias/a/b", "output_kms_key=mrk-1234abcd12ab34cd56ef1234567890ab"),
        f"volume_kms_key=arn:aws:kms:us-east-1:111122223333:key/{KEY_ID}",
        *(f"image_uri={IMAGE}/a/b-c_d:1", f"image_uri={IMAGE}/a@sha256:{'0' * 64}"),
        *("tags={größe: 日本 1, cost:center: a+b@c}", "tags={project: mine}"),
    ):
        checked(f"launcher.{override}")
    checked("launcher.subnets=[subnet-0a1b2c3d4e5f60718]", "launcher.security_groups=[sg-0a1b2c3d]")


@pytest.mark.slow
def test_a_role_is_in_the_partition_of_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "SAGEMAKER_ROLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    partitions = {
        "cn-north-1": "aws-cn",
        "us-gov-west-1": "aws-us-gov",
        "us-iso-east-1": "aws-iso",
        "eusc-de-east-1": "aws-eusc",
        "eu-west-1": "aws",
    }
    for region, partition in partitions.items():
        for role in ("null", "Trainer"):
            account = dry_run_account(
                launcher(f"launcher.region={region}", f"launcher.role={role}")
            )
            assert account.role_arn.startswith(f"arn:{partition}:iam::111122223333:role/")
        assert partition_of(region) == partition
    assert domain_of("cn-north-1") == "amazonaws.com.cn"
    monkeypatch.setenv("SAGEMAKER_ROLE", f"{ROLE}x")
    with pytest.raises(ConfigError, match=r"^\$SAGEMAKER_ROLE=.*arn:aws-cn:iam::"):
        dry_run_account(launcher("launcher.region=cn-north-1"))
    monkeypatch.setenv("AWS_REGION", "us-east1")
    with pytest.raises(ConfigError, match=r"^\$AWS_REGION=us-east1: .*Did you mean us-east-1\?"):
        dry_run_account(launcher())
    for region in ("us_east_1", "eu-west-1a", "US-EAST-1", "us-east-9"):
        with pytest.raises(ConfigError, match=r"^launcher\.region=.*Did you mean"):
            dry_run_account(launcher(f"launcher.region={region}"))
