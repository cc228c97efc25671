"""The version that an endpoint served before an update: inspect it, restore it, delete it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account, account_arguments
from dogbreed.cloud.aws.errors import is_missing, translate_errors
from dogbreed.cloud.aws.tags import is_ours
from dogbreed.cloud.endpoints import lifecycle, scaling
from dogbreed.cloud.endpoints.endpoint_requests import update_request
from dogbreed.cloud.endpoints.expiry import delete_schedule
from dogbreed.configuration.commands import typed
from dogbreed.configuration.deploy import ASYNC, SERVERLESS, DeployConfig
from dogbreed.errors import CloudError, ConfigError
from dogbreed.training.run_folder import log


@dataclass(frozen=True, kw_only=True)
class Previous:
    """An endpoint before an update: its state, its scaling, None without, and its variant."""

    endpoint: lifecycle.Endpoint
    scaling: scaling.Scaling | None
    instance_type: str | None  # None: serverless

    @property
    def config(self) -> str:
        """The name of its endpoint configuration."""
        return self.endpoint.config


def inspect_previous(
    account: Account, config: DeployConfig, endpoint: lifecycle.Endpoint
) -> Previous:
    """What an endpoint serves now; errors are botocore's.

    Raises:
        CloudError, ConfigError: it couldn't be restored if the new version fails.
    """
    name, client = config.endpoint, account.client("sagemaker")
    remedy = f"delete it first ({teardown_command(config)}), or take another endpoint=NAME."
    try:
        model, variant = lifecycle.model_of(client, endpoint.config)
        client.describe_model(ModelName=model)
    except ClientError as error:
        # SageMaker deletes a configuration or model in use, and the endpoint continues to serve.
        if not is_missing(error):
            raise
        raise CloudError(
            f"endpoint {name}: its configuration {endpoint.config} or its model was deleted, so "
            f"it couldn't be restored if the new model fails: {remedy}"
        ) from error
    if (config.deploy.kind == ASYNC) != endpoint.is_async:
        kind = "asynchronous" if endpoint.is_async else "not asynchronous"
        raise ConfigError(
            f"deploy={config.deploy.kind}: endpoint {name} is {kind}, which an update doesn't "
            f"change: {remedy}"
        )
    serverless = "ServerlessConfig" in variant
    if serverless != (config.deploy.kind == SERVERLESS):
        # Source: SageMaker's developer guide, serverless-endpoints-update.html: no update from
        # instances to serverless, so the other direction couldn't be undone.
        kind = "is serverless, and could" if serverless else "has instances, and can"
        raise ConfigError(
            f"deploy={config.deploy.kind}: endpoint {name} {kind}n't be changed"
            f"{' back' if serverless else ''} to serverless by an update: {remedy}"
        )
    return Previous(
        endpoint=endpoint,
        scaling=scaling.current(account.client(scaling.SCALING_SERVICE), name),
        instance_type=variant.get("InstanceType"),
    )


def restore(account: Account, config: DeployConfig, previous: Previous, deployment: str) -> None:
    """Update the endpoint back to its previous configuration, unless it serves that one.

    Waits for an update in progress, and until the endpoint serves again. Scaling isn't restored,
    and stops if the instance type changes.

    Raises:
        CloudError: the endpoint was deleted, another deployment than `deployment` changed it, or
            AWS refuses.
    """
    name, client = config.endpoint, account.client("sagemaker")
    now = lifecycle.wait_until_settled(account, name)
    if _serves(now, previous.config):
        return
    if now is None:
        raise CloudError(f"endpoint {name} was deleted meanwhile.")
    if now.config not in (deployment, previous.config):
        raise CloudError(f"endpoint {name}: another deployment has changed it meanwhile.")
    if scaling.configured(config) and previous.instance_type != config.deploy.instance_type:
        # Scaling that this deployment started: the instance type of a scaled endpoint can't change.
        with translate_errors(f"the scaling of endpoint {name}"):
            scaling.stop_scaling(account.client(scaling.SCALING_SERVICE), name)
    keep = previous.scaling is not None and not previous.endpoint.is_async
    lifecycle.update(client, update_request(config, previous.config, keep_count=keep))
    now = lifecycle.wait_until_settled(account, name)
    if not _serves(now, previous.config):
        status = "deleted" if now is None else f"{now.status}, with {now.config}"
        raise CloudError(f"endpoint {name} is {status} after the attempt to restore it.")


def _serves(now: lifecycle.Endpoint | None, config_name: str) -> bool:
    return now is not None and now.status == lifecycle.IN_SERVICE and now.config == config_name


def restore_command(account: Account, config: DeployConfig, previous: Previous) -> str:
    """The command that restores the previous version."""
    return (
        f"aws sagemaker update-endpoint --endpoint-name {config.endpoint} "
        f"--endpoint-config-name {previous.config} --region {account.region}"
    )


def teardown_command(config: DeployConfig, *, every: bool = False) -> str:
    """The command that deletes the endpoint and its resources; `every`: lists all of them."""
    chosen = "" if every else f" endpoint={config.endpoint}"
    return f"{typed('teardown')}{chosen}{account_arguments(config.launcher)}"


def delete_previous(
    account: Account, config: DeployConfig, previous: Previous | None, earlier: Sequence[str]
) -> None:
    """Delete what served the endpoint before; a failure is a warning.

    `previous` is the endpoint before the update, None if it was created. `earlier` are the
    schedules that were to delete it: now deploy.ttl_hours decides.
    """
    try:
        with translate_errors("deleting the previous version"):
            for name in earlier:
                _delete_schedule(account.client("scheduler"), name)
            if previous is not None:
                _delete_model(account.client("sagemaker"), previous.config)
    except CloudError as error:
        log.warning(
            "warning: %s The previous model of endpoint %s may be left, and a schedule that "
            "deletes the endpoint: %s lists them.",
            *(error, config.endpoint, teardown_command(config, every=True)),
        )


def _delete_schedule(client: Any, name: str) -> None:
    try:
        delete_schedule(client, name)
    except ClientError as error:
        if not is_missing(error):  # somebody has deleted it meanwhile
            raise


def _delete_model(client: Any, config_name: str) -> None:
    """Delete an endpoint configuration of this project and its model."""
    description = client.describe_endpoint_config(EndpointConfigName=config_name)
    if not is_ours(client, str(description["EndpointConfigArn"])):
        return
    model, _ = lifecycle.model_of(client, config_name)
    client.delete_endpoint_config(EndpointConfigName=config_name)
    client.delete_model(ModelName=model)
