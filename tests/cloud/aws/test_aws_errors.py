"""What AWS refuses, and what a launch says and does then: one sentence, and no job twice."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from conftest import PROJECT, draw_folders
from helpers.in_process import run_in_process
from moto.core.models import DEFAULT_ACCOUNT_ID

from dogbreed.cloud.aws.account import sign_in
from dogbreed.cloud.aws.errors import is_existing, is_in_progress, is_missing
from dogbreed.cloud.aws.roles import ROLE_KEY, execution_role
from dogbreed.cloud.jobs.channels import Channel
from dogbreed.cloud.jobs.job import Job
from dogbreed.cloud.jobs.start import create_once
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import FinalConfig
from dogbreed.errors import CloudError, ConfigError, DogbreedError, Stopped
from dogbreed.search.runner_limits import check_local

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

    from dogbreed.cloud.jobs.trainer import Trainer

pytest_plugins = ("contract.fixtures",)
pytestmark = pytest.mark.launch

Launch = Callable[..., None]


@pytest.fixture
def launch(account: "SageMakerAccount", tmp_path: Path) -> Launch:
    """Start a training of a few photos, and don't wait for it."""
    from dogbreed.cloud.jobs.training import Training

    photos = draw_folders(tmp_path / "photos", {"train": 2, "valid": 1, "test": 1})

    def run(*overrides: str) -> None:
        common = (f"data.root={photos}", "best=null", f"output_root={tmp_path}", "wait=false")
        role = f"launcher.role={account.role_arn}"
        Training(*common, role, *overrides).run()

    return run


def refused(launch: Launch, *overrides: str) -> str:
    with pytest.raises(DogbreedError) as caught:
        launch(*overrides)
    assert isinstance(caught.value, CloudError | ConfigError)
    return str(caught.value)


WAYS_OUT = ("launcher=local", "dry_run=true")


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("no AWS credentials", *WAYS_OUT)),
        (("AWS_SECRET_ACCESS_KEY",), ("no usable AWS credentials", *WAYS_OUT)),
        (("AWS_DEFAULT_REGION",), ("No AWS region", "launcher.region", *WAYS_OUT)),
    ],
)
def test_without_credentials_or_region_the_ways_out_are_named(
    launch: Launch,
    account: "SageMakerAccount",
    monkeypatch: pytest.MonkeyPatch,
    missing: tuple[str, ...],
    expected: tuple[str, ...],
) -> None:
    for name in missing:
        monkeypatch.delenv(name)
    sentence = refused(launch)
    assert all(words in sentence for words in expected), sentence
    assert account.requests == []


@pytest.mark.parametrize(
    ("operation", "code", "message", "expected"),
    [
        ("GetCallerIdentity", "ExpiredToken", "expired", "have expired: sign in again"),
        ("GetCallerIdentity", "InvalidClientTokenId", "bad", "AWS doesn't know these credentials"),
        (
            "GetCallerIdentity",
            "SignatureDoesNotMatch",
            "Signature not yet current: 20261201T010000Z is still later than 20261201T005000Z",
            "set this machine's clock",
        ),
        ("PutObject", "RequestTimeTooSkewed", "too large", "set this machine's clock"),
        ("CreateTrainingJob", "RequestExpired", "Request has expired", "set this machine's clock"),
        (
            "CreateTrainingJob",
            "InvalidSignatureException",
            "Signature expired: 20261201T004000Z is now earlier than 20261201T005000Z",
            "set this machine's clock",
        ),
        ("CreateTrainingJob", "InvalidSignatureException", "bad", "doesn't know these credentials"),
        (
            "CreateTrainingJob",
            "ValidationException",
            "Cross-account pass role is not allowed.",
            "the role is in another account",
        ),
        ("HeadBucket", "403", "Forbidden", "grant the user or the role (launcher.role)"),
        ("HeadBucket", "400", "Bad Request", "may have expired: sign in again"),
        (
            "CreateTrainingJob",
            "AccessDeniedException",
            "User: me is not authorized to perform: iam:PassRole on resource: R",
            "starting dogbreed-",
        ),
        ("CreateTrainingJob", "ExpiredTokenException", "expired", "have expired: sign in again"),
        (
            "CreateTrainingJob",
            "ResourceLimitExceeded",
            "The account-level service limit 'ml.c7i.2xlarge for training job usage' is 0",
            "request an increase under Service Quotas",
        ),
        (
            "CreateTrainingJob",
            "ValidationException",
            "Could not assume role ARN. Please ensure that the role exists",
            "or set launcher.role (or deploy.role) to another",
        ),
        (
            "CreateTrainingJob",
            "AccessDeniedException",
            "User: me is not authorized to perform: iam:PassRole on resource: role/debugger-1",
            "grant the user or the role (launcher.role)",
        ),
        (
            "CreateTrainingJob",
            "AccessDeniedException",
            "Debugger is not available in this account",
            "set cloud_debugger=false",
        ),
    ],
)
def test_a_refusal_is_one_sentence_with_the_next_step(
    launch: Launch,
    account: "SageMakerAccount",
    operation: str,
    code: str,
    message: str,
    expected: str,
) -> None:
    status = int(code) if code.isdigit() else 400  # the answer to HEAD has no body
    account.fail_next(operation, code, message, times=20, status=status)
    sentence = refused(launch)
    assert expected in sentence
    assert "\n" not in sentence
    assert account.training_jobs == {}


def test_an_account_without_debugger_gets_the_alternative(
    launch: Launch, account: "SageMakerAccount"
) -> None:
    account.close_debugger()
    sentence = refused(launch, "cloud_debugger=true", "launcher.install=index")
    assert "can't use SageMaker Debugger" in sentence
    assert "set cloud_debugger=false" in sentence
    assert account.training_jobs == {}
    launch()
    assert len(account.training_jobs) == 1


def test_debugger_where_it_cant_be(launch: Launch, account: "SageMakerAccount") -> None:
    sentence = refused(launch, "cloud_debugger=true", "debug.enabled=false")
    assert "or set debug.enabled=true" in sentence
    sentence = refused(launch, "cloud_debugger=true", "dry_run=true", "launcher.region=ca-west-1")
    assert "isn't available in region ca-west-1: set cloud_debugger=false" in sentence
    with pytest.raises(ConfigError, match="leave it out with launcher=local"):
        check_local(compose_as(FinalConfig, "final", ["launcher=local", "cloud_debugger=true"]))
    assert account.requests == []


def error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@pytest.mark.parametrize(
    ("code", "message", "missing", "existing", "in_progress"),
    [
        ("ValidationException", 'Could not find endpoint "arn".', True, False, False),
        ("ValidationException", "Requested resource not found.", True, False, False),
        ("ResourceNotFound", "", True, False, False),
        ("ResourceNotFoundException", "no such group", True, False, False),
        ("AccessDeniedException", "the policy was not found", False, False, False),
        ("ResourceInUse", "", False, True, False),
        ("ValidationException", 'Cannot create already existing model "arn".', False, True, False),
        ("ValidationException", 'Cannot create already existing endpoint "a".', False, True, True),
        ("ValidationException", 'Cannot update in-progress endpoint "arn".', False, False, True),
        ("ThrottlingException", "an in-progress endpoint does not exist", False, False, False),
    ],
)
def test_errors_are_classified_by_code_and_by_text_only_where_the_code_says_nothing(
    code: str, message: str, missing: bool, existing: bool, in_progress: bool
) -> None:
    found = error(code, message)
    kinds = (is_missing(found), is_existing(found), is_in_progress(found))
    assert kinds == (missing, existing, in_progress)


def test_roles_are_found_by_their_names(launch: Launch, account: "SageMakerAccount") -> None:
    account.beyond_our_policies = ("role/Nobody",)
    name = account.role_arn.split("/")[-1]
    launch(f"launcher.role={name}")
    ((_, sent),) = [each for each in account.requests if each[0] == "CreateTrainingJob"]
    assert sent["RoleArn"] == account.role_arn
    sentence = refused(launch, "launcher.role=Nobody")
    assert "looking up the role Nobody: the account has no such role" in sentence
    nobody = account.role_arn.replace(name, "Nobody")
    sentence = refused(launch, f"launcher.role={nobody}")
    assert f"looking up the role {nobody}: the account has no such role" in sentence
    theirs = "arn:aws:iam::999988887777:role/DogbreedTraining"
    sentence = refused(launch, f"launcher.role={theirs}")
    assert f"launcher.role={theirs}: the role is in another account" in sentence
    assert "begins with arn:aws:iam::" in refused(
        launch, f"launcher.role={theirs.replace('aws', 'aws-cn')}"
    )
    assert len(account.training_jobs) == 1
    assert "set launcher.role" in refused(launch, "launcher.role=null")
    # Who may not look up roles can name one by its ARN.
    account.fail_next("GetRole", "AccessDenied", "not authorized: iam:GetRole", status=403)
    launch(f"launcher.role={account.role_arn}")
    account.fail_next("GetRole", "AccessDenied", "not authorized: iam:GetRole", status=403)
    assert "doesn't allow it (not authorized" in refused(launch, f"launcher.role={name}")


def trust(principal: Any, effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole"}


@pytest.mark.parametrize(
    ("statement", "trusted"),
    [
        ([trust({"Service": "sagemaker.amazonaws.com"})], True),
        (trust({"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}), True),
        ([trust({"AWS": "*"}), trust({"Service": "sagemaker.amazonaws.com"})], True),
        ([trust("*")], True),
        ([trust({"AWS": "arn:aws:iam::123456789012:root"})], False),
        ([trust({"Service": "scheduler.amazonaws.com"})], False),
        ([trust({"Service": "sagemaker.amazonaws.com"}, "Deny")], False),
    ],
)
def test_a_role_that_sagemaker_cant_assume_is_refused_before_any_upload(
    launch: Launch, account: "SageMakerAccount", statement: Any, trusted: bool
) -> None:
    name = account.role_arn.split("/")[-1]
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    account.client("iam").update_assume_role_policy(RoleName=name, PolicyDocument=document)
    for given in (name, account.role_arn):
        account.calls.clear()
        if trusted:
            sign_in(compose_as(FinalConfig, "final", [f"launcher.role={given}"]).launcher)
            continue
        sentence = refused(launch, f"launcher.role={given}")
        assert f"launcher.role={given}: SageMaker can't assume the role" in sentence
        assert sentence.endswith("or set launcher.role to another role.")
        assert [service for service, _ in account.calls] == ["sts", "iam"]


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        (
            "AWSReservedSSO_Admin_0123456789abcdef/jane@x.org",
            "the caller is a user: set launcher.role",
        ),
        ("Admin/jane", "Admin, the role that you are signed in with: SageMaker can't assume"),
        ("DogbreedTraining/SageMaker", None),
    ],
)
def test_the_caller_s_role_is_used_if_sagemaker_can_assume_it(
    account: "SageMakerAccount", monkeypatch: pytest.MonkeyPatch, caller: str, expected: str | None
) -> None:
    monkeypatch.delenv("SAGEMAKER_ROLE", raising=False)
    iam = account.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust({"AWS": "*"})]})
    iam.create_role(RoleName="Admin", AssumeRolePolicyDocument=document)
    launcher = compose_as(FinalConfig, "final", []).launcher
    arn = f"arn:aws:sts::{DEFAULT_ACCOUNT_ID}:assumed-role/{caller}"
    if expected is None:
        assert execution_role(iam, launcher, arn, ROLE_KEY, "") == account.role_arn
    else:
        with pytest.raises(CloudError, match=expected):
            execution_role(iam, launcher, arn, ROLE_KEY, "")


def test_credentials_that_expire_while_waiting_leave_the_job_named(
    launch: Launch, account: "SageMakerAccount"
) -> None:
    # The first look is the SDK's, after creating the job.
    account.when_called(
        "CreateTrainingJob",
        lambda: account.when_called(
            "DescribeTrainingJob",
            lambda: account.fail_next("DescribeTrainingJob", "ExpiredTokenException", "expired"),
        ),
    )
    sentence = refused(launch, "wait=true")
    (name,) = account.training_jobs
    assert "have expired: sign in again" in sentence
    assert f"{name} still runs and costs: attach={name} waits for it again" in sentence
    assert f"stop-training-job --training-job-name {name}" in sentence


def test_a_job_that_is_torn_down_while_it_is_waited_for(
    launch: Launch, account: "SageMakerAccount"
) -> None:
    def stop_all() -> None:
        for job in account.training_jobs.values():
            job.stop()

    account.when_called("CreateTrainingJob", stop_all)
    sentence = refused(launch, "wait=true")
    (name,) = account.training_jobs
    assert sentence.startswith(f"{name}: Stopped.")
    assert account.wait(name) == "Stopped"


def test_the_first_type_with_quota_and_capacity_is_used(
    launch: Launch, account: "SageMakerAccount"
) -> None:
    account.lack(quota=["ml.c7i.2xlarge"], capacity=["ml.m7i.2xlarge"])
    launch("launcher.instance_type=[ml.c7i.2xlarge,ml.m7i.2xlarge,ml.m5.2xlarge]")
    (name,) = account.training_jobs
    described = account.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert described["ResourceConfig"]["SelectedInstanceType"] == "ml.m5.2xlarge"
    sentence = refused(launch, "launcher.instance_type=ml.c7i.2xlarge")
    assert "the account's quota is too small" in sentence
    sentence = refused(launch, "launcher.instance_type=ml.m7i.2xlarge", "wait=true")
    assert "Failed. CapacityError: Unable to provision" in sentence
    assert "launcher.instance_type=[FIRST,SECOND]" in sentence


def test_a_warm_pool_is_requested_and_named(account: "SageMakerAccount", tmp_path: Path) -> None:
    photos = draw_folders(tmp_path / "photos", {"train": 2, "valid": 1, "test": 1})
    done = run_in_process(
        PROJECT / "launch" / "train.py",
        *(f"data.root={photos}", "best=null", "wait=false", f"launcher.role={account.role_arn}"),
        *("launcher.keep_alive_minutes=10", "launcher.retries=2"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    ((_, sent),) = [each for each in account.requests if each[0] == "CreateTrainingJob"]
    assert sent["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 600
    assert sent["RetryStrategy"] == {"MaximumRetryAttempts": 2}
    out = done.stdout
    assert "then idle for 10 min at $" in out
    assert "from AWS's Price List API" in out
    assert "typically about $" in out
    assert "KeepAlivePeriodInSeconds=0" in out


def test_a_bucket_elsewhere_or_nowhere(launch: Launch, account: "SageMakerAccount") -> None:
    account.beyond_our_policies = ("nobodys-bucket", "elsewhere")
    assert "there is no such bucket" in refused(launch, "launcher.bucket=nobodys-bucket")
    client = account.client("s3")
    where = {"LocationConstraint": "eu-west-1"}
    client.create_bucket(Bucket="elsewhere", CreateBucketConfiguration=where)
    sentence = refused(launch, "launcher.bucket=elsewhere")
    assert "is in eu-west-1" in sentence or "another region" in sentence


def trainer(account: "SageMakerAccount") -> "Trainer":
    """The SDK's trainer of a job, as a launch makes it; always the same job."""
    from dogbreed.cloud.jobs.trainer import trainer_of

    launcher = compose_as(FinalConfig, "final", [f"launcher.role={account.role_arn}"]).launcher
    return trainer_of(sign_in(launcher), launcher, job_of(account))


def job_of(account: "SageMakerAccount") -> Job:
    account.client("s3").put_object(Bucket=account.bucket, Key="dogbreed/photos/a.jpg", Body=b"a")
    return Job(
        name="dogbreed-once",
        kind="train",
        hyperparameters={},
        channels={"photos": Channel(f"s3://{account.bucket}/dogbreed/photos/")},
        image_uri="image",
        source_uri=f"s3://{account.bucket}/dogbreed/source/none.tar.gz",
        output_uri=f"s3://{account.bucket}/dogbreed/jobs/out",
        checkpoints_uri=None,
        types=("ml.m5.large",),
        instance_count=1,
        volume_gb=30,
    )


def test_no_job_is_started_twice(account: "SageMakerAccount") -> None:
    account.drop_next(operation="CreateTrainingJob")
    account.fail_next("CreateTrainingJob", "ThrottlingException", "Rate exceeded")
    trainer(account).train(wait=False, logs=False)
    assert list(account.training_jobs) == ["dogbreed-once"]
    # Somebody else's launch with the same name doesn't take it for its own.
    with pytest.raises(CloudError, match="a job dogbreed-once exists already, of another launch"):
        trainer(account).train(wait=False, logs=False)
    tried = [name for name, _ in account.requests if name == "CreateTrainingJob"]
    assert len(tried) == 4


def test_a_job_whose_answer_was_lost_is_started_once(account: "SageMakerAccount") -> None:
    account.lose_answer("CreateTrainingJob")
    mine = trainer(account)
    mine.train(wait=False, logs=False)
    mine.train(wait=False, logs=False)  # again: the same job
    assert list(account.training_jobs) == ["dogbreed-once"]
    tried = [name for name, _ in account.requests if name == "CreateTrainingJob"]
    assert len(tried) == 2


def test_a_job_that_cant_be_looked_at_was_started_all_the_same(
    account: "SageMakerAccount",
) -> None:
    # The SDK looks at a job that it has just created; that look alone is refused.
    account.fail_next("DescribeTrainingJob", "AccessDeniedException", "no Describe for you")
    trainer(account).train(wait=False, logs=False)
    assert list(account.training_jobs) == ["dogbreed-once"]


def test_when_the_answer_never_comes_the_job_is_named(
    account: "SageMakerAccount", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    signed_in = trainer(account)
    account.drop_next(20)
    with pytest.raises(CloudError, match="If it was, attach=dogbreed-once waits for it"):
        signed_in.train(wait=False, logs=False)


def test_a_job_of_an_earlier_try_that_cant_be_looked_up_is_named(
    account: "SageMakerAccount",
) -> None:
    account.lose_answer("CreateTrainingJob")
    account.fail_next("DescribeTrainingJob", "AccessDeniedException", "no Describe for you")
    with pytest.raises(CloudError, match="If it was, attach=dogbreed-once waits for it") as caught:
        trainer(account).train(wait=False, logs=False)
    assert "ResourceInUse" in str(caught.value)
    assert list(account.training_jobs) == ["dogbreed-once"]


def test_ctrl_c_while_a_lost_answer_is_looked_up_names_the_job() -> None:
    def no_answer() -> None:
        raise ConnectionClosedError(endpoint_url="https://aws")

    def interrupted() -> None:
        raise Stopped("stopped by SIGINT", signal.SIGINT)

    for create in (no_answer, interrupted):
        with pytest.raises(Stopped, match="attach=dogbreed-once waits for it") as caught:
            create_once("dogbreed-once", create, interrupted)
        assert caught.value.exit_code == 130
