"""After an update: delete the previous model and endpoint configuration, and earlier schedules."""

from typing import Any

from dogbreed.cloud.aws.account import Account, account_arguments
from dogbreed.cloud.aws.errors import translate_errors
from dogbreed.cloud.aws.tags import is_ours
from dogbreed.cloud.endpoints import lifecycle
from dogbreed.cloud.endpoints.expiry import delete_schedule, schedules
from dogbreed.configuration.commands import typed
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.errors import CloudError
from dogbreed.training.run_folder import log


def delete_previous(
    account: Account,
    config: DeployConfig,
    previous: lifecycle.Endpoint | None,
    deployment: str,
    *,
    keep_schedules: bool,
) -> None:
    """Delete what served the endpoint before `deployment`; a failure is a warning.

    `previous` is the endpoint before the update, None if it was created. `keep_schedules`: leave
    the schedules that an earlier deployment made to delete the endpoint, and log when they do.
    """
    try:
        with translate_errors("deleting the previous version"):
            keep = keep_schedules and previous is not None
            _delete_schedules(account.client("scheduler"), config.endpoint, deployment, keep=keep)
            if previous is not None:
                _delete_model(account.client("sagemaker"), previous.config)
    except CloudError as error:
        log.warning(
            "warning: %s The previous model of endpoint %s may be left, and a schedule that "
            "deletes the endpoint: %s%s lists them.",
            *(error, config.endpoint, typed("teardown"), account_arguments(config.launcher)),
        )


def _delete_schedules(client: Any, endpoint: str, deployment: str, *, keep: bool) -> None:
    """Delete earlier schedules of this endpoint, or log them."""
    for each in list(schedules(client)):
        if each.endpoint != endpoint or each.name == deployment:
            continue
        if keep:
            log.info("note: an earlier schedule deletes the endpoint at %s", each.when)
        else:
            delete_schedule(client, each.name)


def _delete_model(client: Any, config_name: str) -> None:
    """Delete an endpoint configuration of this project and its model."""
    description = client.describe_endpoint_config(EndpointConfigName=config_name)
    if not is_ours(client, str(description["EndpointConfigArn"])):
        return
    model, _ = lifecycle.model_of(client, config_name)
    client.delete_endpoint_config(EndpointConfigName=config_name)
    client.delete_model(ModelName=model)
