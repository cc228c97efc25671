"""The execution role of jobs and endpoints: looked up and checked before anything is uploaded."""

import os
from collections.abc import Mapping
from typing import Any

from dogbreed.cloud.aws.errors import DENIED, code_of, translate_errors
from dogbreed.configuration.search import AccountConfig
from dogbreed.errors import CloudError

ROLE_VARIABLE = "SAGEMAKER_ROLE"
ROLE_KEY = "launcher.role"
SAGEMAKER = "sagemaker.amazonaws.com"
# Source: IAM Identity Center's user guide, "Referencing permission sets in resource policies".
IDENTITY_CENTER = "AWSReservedSSO_"


def execution_role(
    client: Any, launcher: AccountConfig, caller: str, role_key: str, alternative: str
) -> str:
    """The ARN of the execution role; `caller` is the ARN of who is signed in.

    `client` is one of IAM. `role_key` is the configuration key that set `launcher.role`;
    `alternative` is what works without an account, and ends an error message.

    Raises:
        CloudError: no role is configured, or SageMaker can't assume it.
    """
    account_id = caller.split(":")[4]
    role = launcher.role or os.environ.get(ROLE_VARIABLE)
    shown = f"{role_key if launcher.role else f'${ROLE_VARIABLE}'}={role}"
    if role and role.startswith("arn:") and role.split(":")[4] != account_id:
        raise CloudError(
            f"{shown}: the role is in another account than the one that you are signed in to "
            f"({account_id}), and jobs can't use it: name a role of this account."
        )
    if not role:
        # In a SageMaker notebook the caller has assumed an execution role that jobs can use too.
        # The roles of IAM Identity Center are for people: only it can assume them.
        if f":assumed-role/{IDENTITY_CENTER}" in caller or ":assumed-role/" not in caller:
            raise CloudError(
                "The jobs need a role, and the caller is a user: set launcher.role to the name or "
                f"ARN of a role that SageMaker may assume (or ${ROLE_VARIABLE}){alternative}."
            )
        role = caller.split("/")[1]
        shown = f"{role}, the role that you are signed in with"
    found = look_up(client, role)
    if found is None:
        return role
    if not _trusts(found.get("AssumeRolePolicyDocument"), SAGEMAKER):
        raise CloudError(
            f"{shown}: SageMaker can't assume the role, as its trust policy doesn't name "
            f"{SAGEMAKER}: make it as in launch/iam/training-trust.json or serving-trust.json, or "
            f"set {role_key} to another role."
        )
    return str(found["Arn"])


def look_up(client: Any, role: str) -> Mapping[str, Any] | None:
    """IAM's description of a role by its name or ARN; None if reading that of an ARN is denied.

    The permission is needed for a name only, as jobs get the ARN.

    Raises:
        CloudError: there is no such role, or it can't be looked up.
    """
    try:
        with translate_errors(f"looking up the role {role}"):
            found: Mapping[str, Any] = client.get_role(RoleName=role.rpartition("/")[2])["Role"]
    except CloudError as error:
        if role.startswith("arn:") and code_of(error.__cause__) in DENIED:
            return None
        raise
    return found


def _trusts(document: Any, service: str) -> bool:
    """Whether a trust policy allows a service to assume the role.

    Conditions and denials aren't evaluated. True for a document that botocore couldn't decode.
    """
    if not isinstance(document, dict):
        return True
    statements = document.get("Statement", [])
    for each in [statements] if isinstance(statements, dict) else statements:
        principal = each.get("Principal")
        services = principal.get("Service", []) if isinstance(principal, dict) else principal
        if each.get("Effect") == "Allow" and services is not None:
            named = [services] if isinstance(services, str) else services
            if service in named or "*" in named:
                return True
    return False
