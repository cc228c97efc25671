"""Endpoints: made or updated by one attempt among several, waited for, and what came of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import is_missing, translate_errors
from dogbreed.cloud.aws.polling import looks
from dogbreed.errors import CloudError, ConfigError

# Source: SageMaker's API reference, EndpointName.
ENDPOINT_NAME = re.compile(r"(?=.{1,63}$)[a-zA-Z0-9](?:-*[a-zA-Z0-9])*")
IN_SERVICE, FAILED, DELETING = "InService", "Failed", "Deleting"
# Nothing can be done to an endpoint in these but wait.
IN_PROGRESS = ("Creating", "Updating", "SystemUpdating", "RollingBack", DELETING)
# How SageMaker says that another deployment was first.
OTHER_FIRST = ("already existing endpoint", "in-progress endpoint")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An endpoint as it is now; `config` is what serves, `pending` what is to."""

    name: str
    arn: str
    status: str
    config: str
    pending: str | None
    reason: str
    instances: int

    @property
    def settled(self) -> bool:
        """Whether it stays as it is until somebody changes it."""
        return self.status not in IN_PROGRESS


def check_endpoint_name(name: str) -> None:
    """Refuse what can't be the name of an endpoint.

    Raises:
        ConfigError: it can't.
    """
    if not ENDPOINT_NAME.fullmatch(name):
        raise ConfigError(
            f"endpoint={name}: an endpoint's name has letters, digits and hyphens "
            "between them, 63 at most."
        )


def describe(client: Any, name: str) -> Endpoint | None:
    """An endpoint as it is now; None if there is none of this name. Errors are botocore's."""
    try:
        told = client.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    variants = told.get("ProductionVariants", [])  # none before they are made
    return Endpoint(
        name=name,
        arn=told["EndpointArn"],
        status=told["EndpointStatus"],
        config=told.get("EndpointConfigName", ""),
        pending=told.get("PendingDeploymentSummary", {}).get("EndpointConfigName"),
        reason=str(told.get("FailureReason") or "").strip(),
        instances=variants[0].get("CurrentInstanceCount") or 0 if variants else 0,
    )


def create(client: Any, request: dict[str, Any]) -> None:
    """Make an endpoint, once.

    Raises:
        CloudError: another one of this name was made first, or AWS refuses.
    """
    _first(client, lambda: client.create_endpoint(**request), request)


def update(client: Any, request: dict[str, Any]) -> None:
    """Have an endpoint go over to another configuration, once; meanwhile it goes on answering.

    Raises:
        CloudError: another update is under way, or AWS refuses.
    """
    # Without a policy of its own an update is blue/green, all at once: a new fleet takes over when
    # it answers /ping, the old one goes on if it never does.
    _first(client, lambda: client.update_endpoint(**request), request)


def once(create: Callable[[], Any]) -> None:
    """Make something of a name that is one's own: if it is there, an answer was lost."""
    try:
        create()
    except ClientError as error:
        if "already exist" not in str(error).lower():
            raise


def _first(client: Any, send: Any, request: dict[str, Any]) -> None:
    """Send a request of which only the first of several at once is taken."""
    name, own = request["EndpointName"], request["EndpointConfigName"]
    with translate_errors(f"endpoint {name}"):
        try:
            send()
        except ClientError as error:
            if not any(words in str(error).lower() for words in OTHER_FIRST):
                raise
            # An attempt whose answer was lost has arrived: what is in the way may be our own.
            now = describe(client, name)
            if now is not None and own in (now.config, now.pending):
                return
            raise other_first(name, now.status if now else "just begun") from error


def other_first(name: str, status: str) -> CloudError:
    """The error for an endpoint that somebody else deploys at this moment."""
    return CloudError(
        f"endpoint {name}: another deployment is under way, and goes on ({status}). This one "
        "changed nothing: run it again when that one has ended, or take another endpoint=NAME."
    )


def wait_until_settled(account: Account, name: str) -> Endpoint | None:
    """Wait until an endpoint has come up or failed; None if it was deleted meanwhile.

    Raises:
        CloudError: AWS refuses, or can't be reached for long.
    """
    client = account.client("sagemaker")
    with translate_errors(f"waiting for endpoint {name}"):
        for now in looks(lambda: describe(client, name)):
            if now is None or now.settled:
                return now
    raise AssertionError("looks never ends by itself")


def model_of(client: Any, config_name: str) -> tuple[str, dict[str, Any]]:
    """The model of an endpoint configuration, and its variant; errors are botocore's."""
    (variant,) = client.describe_endpoint_config(EndpointConfigName=config_name)[
        "ProductionVariants"
    ][:1]
    return str(variant["ModelName"]), variant
