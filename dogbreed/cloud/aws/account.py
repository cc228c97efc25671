"""Sign in to the AWS account: credentials, region, execution role and S3 bucket."""

import os
import shlex
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account_keys import check_partition, check_region_of, check_role
from dogbreed.cloud.aws.bucket_owner import check_owner, expect_owner
from dogbreed.cloud.aws.errors import code_of, translate_errors
from dogbreed.cloud.aws.owner import owner_of
from dogbreed.cloud.aws.regions import check_region
from dogbreed.cloud.aws.request_check import CHECKED, check_request
from dogbreed.cloud.aws.roles import ROLE_KEY, ROLE_VARIABLE, execution_role, look_up
from dogbreed.configuration.commands import typed
from dogbreed.configuration.search import AccountConfig, LauncherConfig
from dogbreed.errors import CloudError, Stopped

DEFAULT_PREFIX = "dogbreed"  # conf/account.yaml
# Ten tries with exponential backoff: enough for throttling and a short network outage.
CLIENT = ClientConfig(retries={"mode": "standard", "max_attempts": 10}, max_pool_connections=32)
# CreateBucket's errors where this account has just created the bucket, or is creating it.
BEING_CREATED = ("BucketAlreadyOwnedByYou", "OperationAborted")
# Polls of a bucket that is being created: for half a minute at most.
CREATED = {"Delay": 1, "MaxAttempts": 30}

Request = tuple[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account, region, role and bucket that jobs and endpoints use.

    `owner` is the caller, as the tag of what is created.
    A dry-run account sends nothing: `requests` has the requests that would have been sent to
    SageMaker, in order, as the SDK built them and botocore validated them.
    """

    session: boto3.Session
    region: str
    id: str
    owner: str
    role_arn: str
    bucket: str
    dry: bool
    notes: tuple[str, ...] = ()
    requests: list[Request] = field(default_factory=list)

    def client(self, service: str) -> Any:
        """A boto3 client of a service, which retries."""
        return self.session.client(service, config=CLIENT)


def sign_in(
    launcher: AccountConfig,
    *,
    needs_role: bool = True,
    alternative: str | None = None,
    role_key: str = ROLE_KEY,
) -> Account:
    """Sign in with the credentials of the AWS configuration.

    `needs_role`: also resolve the execution role and check the bucket (commands that only read or
    delete don't need them). `alternative` is what the user can do without an account; it ends the
    error messages. `role_key` is the configuration key that set `launcher.role`. All S3 requests of
    the session expect the account to own the bucket.

    Raises:
        CloudError: no region, no or expired credentials, no role, or a bucket of another account.
    """
    way = f", {alternative}" if alternative else _alternative(launcher, needs_role=needs_role)
    with translate_errors("signing in to AWS", alternative=way):
        session = open_session(launcher.region)
        if session.region_name is None:
            raise CloudError(f"No AWS region is set: set launcher.region (or AWS_REGION){way}.")
        check_region_and_role(launcher, str(session.region_name), role_key)
        if session.get_credentials() is None:
            raise CloudError(f"There are no AWS credentials: sign in (aws login){way}.")
        caller = session.client("sts", config=CLIENT).get_caller_identity()
    account, region = str(caller["Account"]), str(session.region_name)
    expect_owner(session, account)
    bucket, role = launcher.bucket or f"sagemaker-{region}-{account}", ""
    if needs_role:
        iam = session.client("iam", config=CLIENT)
        role = execution_role(iam, launcher, str(caller["Arn"]), role_key, way)
        _check_bucket(session, bucket, region, account, is_default=launcher.bucket is None)
    return Account(
        session=session, region=region, id=account, owner=owner_of(str(caller["Arn"])),
        role_arn=role, bucket=bucket, dry=False,
    )  # fmt: skip


def open_session(region: str | None = None) -> boto3.Session:
    """A session whose requests are validated before they are sent, and end at a signal."""
    # boto3 reads AWS_DEFAULT_REGION and the profile, but not AWS_REGION (set on AWS machines).
    session = boto3.Session(region_name=region or os.environ.get("AWS_REGION"))
    session.events.register_first("needs-retry", _raise_stopped)
    validate_requests(session)
    return session


def _alternative(launcher: AccountConfig, *, needs_role: bool) -> str:
    """What works without an account, as the end of a sentence; empty if nothing does."""
    if isinstance(launcher, LauncherConfig):
        return ", work on this machine (launcher=local), or preview with dry_run=true"
    if needs_role:
        return f", serve on this machine ({typed('serve')}), or preview with dry_run=true"
    return ""


def account_arguments(launcher: AccountConfig) -> str:
    """Arguments that make another command use the same region, bucket and prefix.

    They start with a space; empty if all three have their defaults.
    """
    defaults = {"region": None, "bucket": None, "prefix": DEFAULT_PREFIX}
    values = {name: getattr(launcher, name) for name in defaults}
    return "".join(
        f" launcher.{name}={shlex.quote(value)}"
        for name, value in values.items()
        if value != defaults[name]
    )


def _raise_stopped(caught_exception: Exception | None, **more: Any) -> None:
    """Re-raise a Stopped that a signal raised during a request.

    botocore treats any exception then as a network error and would retry the request.
    """
    error = getattr(caught_exception, "kwargs", {}).get("error")
    if isinstance(error, Stopped):
        raise error


def validate_requests(session: boto3.Session) -> None:
    """Validate each request against the service model before it is sent."""
    for service in CHECKED:
        session.events.register(f"provide-client-params.{service}", check_request)


def check_region_and_role(launcher: AccountConfig, region: str, role_key: str) -> None:
    """Check that the region exists and that the keys fit it.

    Raises:
        ConfigError: names where the region was set, or the key.
    """
    variables = (name for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if os.environ.get(name))
    variable = next(variables, None)
    source = f"${variable}" if variable else "the region of the AWS profile"
    source = "launcher.region" if launcher.region else source
    check_region(region, source)
    check_region_of(launcher, region, role_key=role_key)
    if launcher.role is None and os.environ.get(ROLE_VARIABLE):
        check_role(f"${ROLE_VARIABLE}", os.environ[ROLE_VARIABLE])
        check_partition(f"${ROLE_VARIABLE}", os.environ[ROLE_VARIABLE], region)


def resolve_role(account: Account, role: str | None) -> str:
    """The ARN of a role by its name or ARN; None: the account's execution role.

    Raises:
        CloudError: there is no such role, or it can't be looked up.
    """
    if role is None:
        return account.role_arn
    if account.dry:
        is_arn = role.startswith("arn:")
        return role if is_arn else f"{account.role_arn.rpartition('/')[0]}/{role}"
    found = look_up(account.client("iam"), role)
    return role if found is None else str(found["Arn"])


def _check_bucket(
    session: boto3.Session, bucket: str, region: str, account_id: str, *, is_default: bool
) -> None:
    """Check owner and region of the bucket; create SageMaker's default one if it doesn't exist."""
    client = session.client("s3", config=CLIENT)
    named_by = f"bucket {bucket}" if is_default else f"launcher.bucket={bucket}"
    try:
        bucket_region = check_owner(client, bucket, named_by, account_id) or region
    except CloudError as error:
        if not (is_default and code_of(error.__cause__) == "404"):
            raise
        _create_bucket(client, bucket, region)
        bucket_region = check_owner(client, bucket, named_by, account_id) or region
    if bucket_region != region:
        raise CloudError(
            f"bucket {bucket} is in {bucket_region}, and the jobs would run in {region}: set "
            "launcher.region or launcher.bucket."
        )


def _create_bucket(client: Any, bucket: str, region: str) -> None:
    """Create a bucket, and wait until it exists; another launch may create it at the same time."""
    where = {} if region == "us-east-1" else {"LocationConstraint": region}
    with translate_errors(f"creating the bucket {bucket}"):
        try:
            client.create_bucket(
                Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {})
            )
        except ClientError as error:
            if code_of(error) not in BEING_CREATED:
                raise
        client.get_waiter("bucket_exists").wait(Bucket=bucket, WaiterConfig=CREATED)
