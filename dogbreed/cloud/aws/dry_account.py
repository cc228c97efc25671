"""dry_run=true: an account whose clients record requests and send nothing."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3

from dogbreed.cloud.aws.account import (
    Account,
    Request,
    check_region_and_role,
    validate_requests,
)
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.aws.regions import partition_of
from dogbreed.cloud.aws.roles import ROLE_KEY, ROLE_VARIABLE
from dogbreed.configuration.search import AccountConfig

# Shown in a dry run where nothing is configured.
EXAMPLE_ACCOUNT = "111122223333"
EXAMPLE_REGION = "us-east-1"
EXAMPLE_ROLE = "YOUR-SAGEMAKER-ROLE"
EXAMPLE_OWNER = "YOUR-NAME"

SERVICES = ("sagemaker", "application-autoscaling", "scheduler", "cloudwatch")
RECORDED = ("Create", "Register", "Put")  # first words of the operations that a dry run shows


def dry_run_account(launcher: AccountConfig, *, role_key: str = ROLE_KEY) -> Account:
    """An account for a dry run: no credentials are read, nothing is sent.

    Raises:
        ConfigError: an unknown region, or a key that doesn't fit the region.
    """
    notes = [f"the owner {EXAMPLE_OWNER} is an example: it will be the name that you sign in with"]
    region = launcher.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None:
        region = EXAMPLE_REGION
        notes.append(f"no region is set: {region} is an example")
    check_region_and_role(launcher, region, role_key)
    role = launcher.role or os.environ.get(ROLE_VARIABLE)
    if not role:
        notes.append("no role is set (launcher.role): the one shown is an example")
        role = EXAMPLE_ROLE
    if not role.startswith("arn:"):
        role = f"arn:{partition_of(region)}:iam::{EXAMPLE_ACCOUNT}:role/{role}"
    requests: list[Request] = []
    return Account(
        session=_session(region, requests),
        region=region,
        id=EXAMPLE_ACCOUNT,
        owner=EXAMPLE_OWNER,
        role_arn=role,
        bucket=launcher.bucket or f"sagemaker-{region}-{EXAMPLE_ACCOUNT}",
        dry=True,
        notes=tuple(notes),
        requests=requests,
    )


def dry_run_copy(account: Account) -> Account:
    """A dry-run copy of an account: requests are validated, recorded and not sent."""
    requests: list[Request] = []
    session = _session(account.region, requests)
    return replace(account, session=session, dry=True, requests=requests)


def _session(region: str, requests: list[Request]) -> boto3.Session:
    with translate_errors("reading AWS's configuration"):
        session = boto3.Session(
            aws_access_key_id="dry-run", aws_secret_access_key="dry-run", region_name=region
        )
    for service in SERVICES:
        session.events.register(f"before-call.{service}", _recorder(requests))
        session.events.register(f"provide-client-params.{service}", _store_parameters)
    validate_requests(session)
    return session


def _store_parameters(params: dict[str, Any], context: dict[str, Any], **more: Any) -> None:
    """Store a request's parameters, as some of them may be sent in the URL, not in the body."""
    context["dry_run"] = params


def _recorder(requests: list[Request]) -> Callable[..., Any]:
    """A handler that records each request and returns a response in place of sending it."""

    class Response:
        status_code = 200

    def record(model: Any, params: dict[str, Any], context: dict[str, Any], **more: Any) -> Any:
        body = json.loads(params["body"]) if params["body"] else {}
        parameters = body | context["dry_run"]
        if model.name.startswith(RECORDED):
            requests.append((model.name, parameters))
        return Response(), parameters

    return record
