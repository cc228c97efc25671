"""Create or update an endpoint: the steps in their order; the previous version goes last."""

import time
from collections.abc import Callable
from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError

from dogbreed.cloud.endpoints import lifecycle, scaling
from dogbreed.cloud.endpoints.cloudwatch import log_lines
from dogbreed.cloud.endpoints.failed_rollout import take_back
from dogbreed.cloud.endpoints.previous_version import delete_previous, teardown_command
from dogbreed.cloud.endpoints.rollout import Rollout
from dogbreed.errors import CloudError, Stopped
from dogbreed.training.run_folder import log

LOG_LINES = 20


def deploy_endpoint(rollout: Rollout, test: Callable[[], object]) -> None:
    """Create the endpoint, or update the existing one; delete the previous version at the end.

    `test` invokes the endpoint when it is in service, and raises an exception if the answer is
    wrong. After any failure an existing endpoint serves its previous version again, and a new one,
    which would be billed, is deleted.

    Raises:
        CloudError: it failed; the message says what serves now.
        Stopped: Ctrl-C; the message says what serves, and names what is left.
    """
    config = rollout.config
    try:
        _start(rollout)
        _await_service(rollout)
        test()
        _finish(rollout)
    except BaseException as error:
        take_back(rollout, error)
        raise
    try:
        delete_previous(rollout.account, config, rollout.previous, rollout.earlier_schedules)
    except Stopped as stopped:
        raise Stopped(
            f"stopped: endpoint {config.endpoint} serves the new model, which passed its test; "
            f"{teardown_command(config, every=True)} lists what is left of the previous one.",
            stopped.exit_code - 128,
        ) from stopped


def _start(rollout: Rollout) -> None:
    """Create everything that the endpoint needs, and request it."""
    rollout.schedule_expiry()
    rollout.create_model()
    rollout.create_config()
    if rollout.previous is not None:
        rollout.put_alarms()
        rollout.pause_scaling()
    rollout.start_endpoint()


def _await_service(rollout: Rollout) -> None:
    """Wait until the endpoint serves the new configuration.

    Raises:
        CloudError: it doesn't.
    """
    name, started = rollout.config.endpoint, time.monotonic()
    action = "created" if rollout.previous is None else "updated, and continues to serve"
    log.info("endpoint %s is being %s; this takes minutes", name, action)
    now = lifecycle.wait_until_settled(rollout.account, name)
    rollout.settled = True
    if now is None:
        raise CloudError(f"endpoint {name} was deleted by somebody while it was deployed.")
    if now.status == lifecycle.IN_SERVICE and now.config == rollout.deployment.name:
        log.info("endpoint %s is in service after %.0f s", name, time.monotonic() - started)
        return
    _log_server_lines(rollout)
    reason = f" ({now.reason.rstrip('.')})" if now.reason else ""
    if now.status == lifecycle.IN_SERVICE:
        raise CloudError(f"endpoint {name}: the new model didn't start{reason}.")
    raise CloudError(f"endpoint {name} didn't start{reason}: it is {now.status}.")


def _log_server_lines(rollout: Rollout) -> None:
    """Log the last lines of the server, which are more specific than the failure reason."""
    with suppress(ClientError, BotoCoreError):
        lines = log_lines(rollout.account.client("logs"), rollout.config.endpoint, 60)
        if lines:
            log.info("the last lines of its server:")
        for line in lines[-LOG_LINES:]:
            log.info("  %s", line)


def _finish(rollout: Rollout) -> None:
    """Start what needs an endpoint that serves: alarms of a new one, and scaling."""
    account, config, previous = rollout.account, rollout.config, rollout.previous
    if previous is None:
        rollout.put_alarms()
    target = scaling.configured(config)
    if target is None:
        return
    before = previous.scaling if previous else None
    rollout.undo.add(lambda: scaling.replace(account, config, before))
    scaling.scale(account, config, target)
    log.info("it scales between %d and %d instances", *(target.min_instances, target.max_instances))
