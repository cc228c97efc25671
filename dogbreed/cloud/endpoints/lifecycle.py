"""The lifecycle of an endpoint: create, update, describe, wait until it is in service."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import is_existing, is_in_progress, is_missing, translate_errors
from dogbreed.cloud.aws.polling import poll
from dogbreed.errors import CloudError, ConfigError

# Source: SageMaker's API reference, EndpointName.
ENDPOINT_NAME = re.compile(r"(?=.{1,63}$)[a-zA-Z0-9](?:-*[a-zA-Z0-9])*")
IN_SERVICE, FAILED, DELETING = "InService", "Failed", "Deleting"
# Statuses in which an endpoint can't be changed.
IN_PROGRESS = ("Creating", "Updating", "SystemUpdating", "RollingBack", DELETING)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """The current state of an endpoint.

    `config` is the endpoint configuration that serves, `pending` the one it is updated to.
    """

    name: str
    arn: str
    status: str
    config: str
    pending: str | None
    reason: str
    instances: int
    is_async: bool = False

    @property
    def settled(self) -> bool:
        """Whether no change is in progress."""
        return self.status not in IN_PROGRESS


def check_endpoint_name(name: str) -> None:
    """Check the name of an endpoint.

    Raises:
        ConfigError: it isn't valid.
    """
    if not ENDPOINT_NAME.fullmatch(name):
        raise ConfigError(
            f"endpoint={name}: an endpoint's name has at most 63 letters, digits and hyphens "
            "between them."
        )


def describe(client: Any, name: str) -> Endpoint | None:
    """The current state of an endpoint; None if it doesn't exist. Errors are botocore's."""
    try:
        response = client.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    variants = response.get("ProductionVariants", [])  # missing until they are created
    return Endpoint(
        name=name,
        arn=response["EndpointArn"],
        status=response["EndpointStatus"],
        config=response.get("EndpointConfigName", ""),
        pending=response.get("PendingDeploymentSummary", {}).get("EndpointConfigName"),
        reason=str(response.get("FailureReason") or "").strip(),
        instances=variants[0].get("CurrentInstanceCount") or 0 if variants else 0,
        is_async="AsyncInferenceConfig" in response,
    )


def create(client: Any, request: dict[str, Any]) -> None:
    """Create an endpoint; a retry after a lost response creates no second one.

    Raises:
        CloudError: an endpoint of this name exists already, or AWS refuses.
    """
    _send_exclusively(client, lambda: client.create_endpoint(**request), request)


def update(client: Any, request: dict[str, Any]) -> None:
    """Update an endpoint to another configuration; it continues to serve.

    Raises:
        CloudError: another update is in progress, or AWS refuses.
    """
    # The default deployment policy is blue/green, all at once: a new fleet takes over when it
    # answers /ping, which proves little; otherwise the old fleet continues to serve.
    _send_exclusively(client, lambda: client.update_endpoint(**request), request)


def create_once(create: Callable[[], Any]) -> None:
    """Create a resource with a unique name: if it exists, an earlier response was lost."""
    try:
        create()
    except ClientError as error:
        if not is_existing(error):
            raise


def _send_exclusively(client: Any, send: Any, request: dict[str, Any]) -> None:
    """Send a request that SageMaker rejects while another deployment is in progress."""
    name, config_name = request["EndpointName"], request["EndpointConfigName"]
    with translate_errors(f"endpoint {name}"):
        try:
            send()
        except ClientError as error:
            if not is_in_progress(error):
                raise
            # If a response was lost, the deployment in progress is this one.
            now = describe(client, name)
            if now is not None and config_name in (now.config, now.pending):
                return
            raise conflict_error(name, now.status if now else "just started") from error


def conflict_error(name: str, status: str) -> CloudError:
    """The error for an endpoint that another deployment is changing."""
    return CloudError(
        f"endpoint {name}: another deployment is in progress ({status}). This one changed "
        "nothing: run it again when that one has ended, or take another endpoint=NAME."
    )


def wait_until_settled(account: Account, name: str) -> Endpoint | None:
    """Wait until an endpoint is in service or failed; None if it was deleted meanwhile.

    Raises:
        CloudError: AWS refuses, or the network is down for long.
    """
    client = account.client("sagemaker")
    with translate_errors(f"waiting for endpoint {name}"):
        for now in poll(lambda: describe(client, name)):
            if now is None or now.settled:
                return now
    raise AssertionError("poll doesn't end")


def model_of(client: Any, config_name: str) -> tuple[str, dict[str, Any]]:
    """The model of an endpoint configuration, and its variant; errors are botocore's."""
    (variant,) = client.describe_endpoint_config(EndpointConfigName=config_name)[
        "ProductionVariants"
    ][:1]
    return str(variant["ModelName"]), variant
