"""The AWS account: credentials, region, role and bucket; or a stand-in that sends nothing."""

import json
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
from botocore.config import Config as ClientConfig

from dogbreed.cloud.aws.account_keys import check_partition, check_region_of, check_role
from dogbreed.cloud.aws.bucket_owner import check_owner, expect_owner
from dogbreed.cloud.aws.errors import code_of, translate_errors
from dogbreed.cloud.aws.regions import check_region, partition_of
from dogbreed.cloud.aws.request_check import CHECKED, refuse_unfit
from dogbreed.configuration.commands import typed
from dogbreed.configuration.search import AccountConfig, LauncherConfig
from dogbreed.errors import CloudError, Stopped

ROLE_VARIABLE = "SAGEMAKER_ROLE"
ROLE_KEY = "launcher.role"
USUAL_PREFIX = "dogbreed"  # conf/account.yaml
# Ten attempts with growing pauses ride out throttling and a network that drops for a while.
CLIENT = ClientConfig(retries={"mode": "standard", "max_attempts": 10}, max_pool_connections=32)

# What a plan shows where nobody has signed in.
EXAMPLE_ACCOUNT = "111122223333"
EXAMPLE_REGION = "us-east-1"
EXAMPLE_ROLE = "YOUR-SAGEMAKER-ROLE"

Request = tuple[str, dict[str, Any]]

DRY_SERVICES = ("sagemaker", "application-autoscaling", "scheduler")
MAKES = ("Create", "Register", "Put")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Where jobs run and their files lie.

    A dry one sends nothing: `requests` has what would have been sent to SageMaker, in order, as
    the SDK wrote it and botocore checked it.
    """

    session: boto3.Session
    region: str
    id: str
    role_arn: str
    bucket: str
    dry: bool
    notes: tuple[str, ...] = ()
    requests: list[Request] = field(default_factory=list)

    def client(self, service: str) -> Any:
        """A client of a service, with patience."""
        return self.session.client(service, config=CLIENT)


def sign_in(
    launcher: AccountConfig,
    *,
    to_make: bool = True,
    without: str | None = None,
    role_key: str = ROLE_KEY,
) -> Account:
    """The account that AWS's own configuration names.

    Only who is `to_make` something there needs a role and a bucket that exists. `without` is what
    can be done without an account, for whoever has none. `role_key` names the key that the role of
    `launcher` is from. From here on S3 is asked for nothing in buckets of other accounts.

    Raises:
        CloudError: no region, no credentials or expired ones, no role, no bucket that is ours.
    """
    way_out = f", {without}" if without else _way_out(launcher, to_make=to_make)
    with translate_errors("signing in to AWS", way_out=way_out):
        # boto itself reads AWS_DEFAULT_REGION and the profile, and not what AWS's own machines set.
        session = boto3.Session(region_name=launcher.region or os.environ.get("AWS_REGION"))
        session.events.register_first("needs-retry", _let_through)
        _check_requests(session)
        if session.region_name is None:
            raise CloudError(f"No AWS region is set: set launcher.region (or AWS_REGION){way_out}.")
        _check_place(launcher, str(session.region_name), role_key)
        if session.get_credentials() is None:
            raise CloudError(f"There are no AWS credentials: sign in (aws login){way_out}.")
        caller = session.client("sts", config=CLIENT).get_caller_identity()
    account, region = str(caller["Account"]), str(session.region_name)
    expect_owner(session, account)
    bucket, role = launcher.bucket or f"sagemaker-{region}-{account}", ""
    if to_make:
        role = _role(session, launcher, str(caller["Arn"]), way_out)
        _check_bucket(session, bucket, region, account, usual=launcher.bucket is None)
    return Account(
        session=session, region=region, id=account, role_arn=role, bucket=bucket, dry=False
    )


def _way_out(launcher: AccountConfig, *, to_make: bool) -> str:
    """What goes without an account, to end a sentence with; nothing where nothing does."""
    if isinstance(launcher, LauncherConfig):
        return ", work on this machine (launcher=local), or look first with dry_run=true"
    if to_make:
        return f", serve on this machine ({typed('serve')}), or look first with dry_run=true"
    return ""


def same_place(launcher: AccountConfig) -> str:
    """The keys that lead another command to the same account's place; empty if it is the usual."""
    usual = {"region": None, "bucket": None, "prefix": USUAL_PREFIX}
    other = {name: getattr(launcher, name) for name in usual}
    return "".join(
        f" launcher.{name}={shlex.quote(value)}"
        for name, value in other.items()
        if value != usual[name]
    )


def _let_through(caught_exception: Exception | None, **more: Any) -> None:
    """Raise the Stopped of a signal that came during a request: botocore takes whatever is raised
    then for a fault of the network, and would send the request again."""
    error = getattr(caught_exception, "kwargs", {}).get("error")
    if isinstance(error, Stopped):
        raise error


def stand_in(launcher: AccountConfig, *, role_key: str = ROLE_KEY) -> Account:
    """An account for a dry run: no credentials are read, nothing is sent.

    Raises:
        ConfigError: a region that there isn't, or a key that doesn't fit it.
    """
    notes = []
    region = launcher.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None:
        region = EXAMPLE_REGION
        notes.append(f"no region is set: {region} is an example")
    _check_place(launcher, region, role_key)
    role = launcher.role or os.environ.get(ROLE_VARIABLE)
    if not role:
        notes.append("no role is set (launcher.role): the one shown is an example")
        role = EXAMPLE_ROLE
    if not role.startswith("arn:"):
        role = f"arn:{partition_of(region)}:iam::{EXAMPLE_ACCOUNT}:role/{role}"
    requests: list[Request] = []
    return Account(
        session=_dry_session(region, requests),
        region=region,
        id=EXAMPLE_ACCOUNT,
        role_arn=role,
        bucket=launcher.bucket or f"sagemaker-{region}-{EXAMPLE_ACCOUNT}",
        dry=True,
        notes=tuple(notes),
        requests=requests,
    )


def rehearsal(account: Account) -> Account:
    """The same account, dry: requests are checked as real ones are, and not sent."""
    requests: list[Request] = []
    session = _dry_session(account.region, requests)
    return replace(account, session=session, dry=True, requests=requests)


def _dry_session(region: str, requests: list[Request]) -> boto3.Session:
    with translate_errors("reading AWS's configuration"):
        session = boto3.Session(
            aws_access_key_id="dry-run", aws_secret_access_key="dry-run", region_name=region
        )
    for service in DRY_SERVICES:
        session.events.register(f"before-call.{service}", _keep(requests))
        session.events.register(f"provide-client-params.{service}", _remember)
    _check_requests(session)
    return session


def _check_requests(session: boto3.Session) -> None:
    """Have each request refused here that the service would refuse by its form."""
    for service in CHECKED:
        session.events.register(f"provide-client-params.{service}", refuse_unfit)


def _check_place(launcher: AccountConfig, region: str, role_key: str) -> None:
    """Refuse a region that there isn't, and what can't be used in it.

    Raises:
        ConfigError: where it was set, and what would be right.
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


def _remember(params: dict[str, Any], context: dict[str, Any], **more: Any) -> None:
    """Keep a request as it was asked for, as some of it may end up in the address."""
    context["dry_run"] = params


def _keep(requests: list[Request]) -> Callable[..., Any]:
    """What stands between a dry client and the network: takes each request, answers emptily."""

    class Answered:
        status_code = 200

    def keep(model: Any, params: dict[str, Any], context: dict[str, Any], **more: Any) -> Any:
        sent = json.loads(params["body"]) if params["body"] else {}
        in_full = sent | {name: context["dry_run"][name] for name in context["dry_run"]}
        if model.name.startswith(MAKES):
            requests.append((model.name, in_full))
        return Answered(), in_full

    return keep


def _role(session: boto3.Session, launcher: AccountConfig, caller: str, way_out: str) -> str:
    """The jobs' role as an ARN."""
    role = launcher.role or os.environ.get(ROLE_VARIABLE)
    if role and role.startswith("arn:"):
        return role
    if not role:
        # On a machine of SageMaker's own the caller has taken on a role that jobs may have too.
        if ":assumed-role/" not in caller:
            raise CloudError(
                "The jobs need a role, and the caller is a user: set launcher.role to the name or "
                f"ARN of a role that SageMaker may take on (or ${ROLE_VARIABLE}){way_out}."
            )
        role = caller.split("/")[1]
    with translate_errors(f"looking up the role {role}"):
        found = session.client("iam", config=CLIENT).get_role(RoleName=role)
    return str(found["Role"]["Arn"])


def _check_bucket(
    session: boto3.Session, bucket: str, region: str, account_id: str, *, usual: bool
) -> None:
    """Make sure of the bucket; SageMaker's `usual` one is created where it isn't there yet."""
    client = session.client("s3", config=CLIENT)
    named_by = f"bucket {bucket}" if usual else f"launcher.bucket={bucket}"
    try:
        is_in = check_owner(client, bucket, named_by, account_id) or region
    except CloudError as error:
        if not (usual and code_of(error.__cause__) == "404"):
            raise
        where = {} if region == "us-east-1" else {"LocationConstraint": region}
        with translate_errors(named_by):
            client.create_bucket(
                Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {})
            )
        return
    if is_in != region:
        raise CloudError(
            f"bucket {bucket} lies in {is_in}, the jobs would run in {region}: set launcher.region "
            "or launcher.bucket."
        )
