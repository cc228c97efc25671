"""After a failed rollout: restore the previous version, delete what is new, name what is left."""

from dogbreed.cloud.aws.errors import NO_NETWORK, is_unknown, translate_errors
from dogbreed.cloud.endpoints import lifecycle
from dogbreed.cloud.endpoints.previous_version import (
    Previous,
    restore,
    restore_command,
    teardown_command,
)
from dogbreed.cloud.endpoints.rollout import Rollout
from dogbreed.errors import CloudError, DogbreedError, Stopped
from dogbreed.training.run_folder import log


def take_back(rollout: Rollout, error: BaseException) -> None:
    """Take a failed rollout back, as far as possible; return if `error` says everything.

    Raises:
        CloudError, Stopped: `error`, followed by what serves and what is left.
    """
    if not rollout.requested:
        _take_back_unrequested(rollout, error)
    elif rollout.previous is not None:
        _take_back_update(rollout, rollout.previous, error)
    else:
        _take_back_new(rollout, error)


def _take_back_unrequested(rollout: Rollout, error: BaseException) -> None:
    """Delete what was created; no endpoint was requested or changed."""
    if isinstance(error.__cause__, NO_NETWORK):
        _report(error, f"Meanwhile {_left(rollout)}")
    if not rollout.undo.run():
        _report(error, f"Meanwhile {_left(rollout)}")
    elif isinstance(error, Stopped):
        _report(error, "nothing was deployed, and nothing new is left.")


def _take_back_new(rollout: Rollout, error: BaseException) -> None:
    """Delete a new endpoint, which would be billed; while it is being created that is refused."""
    name, client = rollout.config.endpoint, rollout.client
    if not rollout.settled or is_unknown(error.__cause__):
        _report(error, f"Meanwhile {_left(rollout)}")
        return
    try:
        with translate_errors(f"endpoint {name}"):
            now = lifecycle.describe(client, name)
    except CloudError as failure:
        _report(error, f"Meanwhile {_left(rollout)} ({failure})")
        return
    # Somebody may have deleted it, and deployed another model under its name.
    others = now is not None and rollout.deployment.name not in (now.config, now.pending)
    if now is not None and not others:
        rollout.undo.add(lambda: client.delete_endpoint(EndpointName=name))
    if not rollout.undo.run():
        _report(error, f"Meanwhile {_left(rollout)}")
    elif others:
        _report(error, f"Endpoint {name} serves another deployment, which wasn't changed.")
    else:
        _report(error, f"Endpoint {name} was deleted again, and nothing is billed.")


def _take_back_update(rollout: Rollout, previous: Previous, error: BaseException) -> None:
    """Have the endpoint serve its previous version, then delete the new one."""
    account, config = rollout.account, rollout.config
    command = restore_command(account, config, previous)
    log.info(
        "endpoint %s is rolled back to its previous model, which takes minutes; if a second Ctrl-C "
        "ends this,\n  %s\nrestores it",
        *(config.endpoint, command),
    )
    try:
        with translate_errors(f"endpoint {config.endpoint}"):
            gone = lifecycle.describe(rollout.client, config.endpoint) is None
        if not gone:
            restore(account, config, previous, rollout.deployment.name)
    except (CloudError, Stopped) as failure:
        why = "stopped again" if isinstance(failure, Stopped) else str(failure).rstrip(".")
        _report(
            error,
            f"Endpoint {config.endpoint} wasn't restored ({why}) and may serve the new model: "
            f"`{command}` restores the previous one, {teardown_command(config, every=True)} lists "
            "what is left.",
        )
        return
    complete = rollout.undo.run()
    end = "." if complete else f"; {teardown_command(config, every=True)} lists what is left."
    if gone:
        _report(error, f"Endpoint {config.endpoint} was deleted by somebody meanwhile{end}")
    else:
        _report(error, f"It was rolled back: the previous one ({previous.config}) serves{end}")


def _left(rollout: Rollout) -> str:
    name = rollout.config.endpoint
    if rollout.previous is None:
        command = teardown_command(rollout.config)
        return f"what was created for endpoint {name} is left, and may cost: {command} deletes it."
    command = teardown_command(rollout.config, every=True)
    return f"endpoint {name} serves its previous model; {command} lists what is left."


def _report(error: BaseException, sentence: str) -> None:
    """Raise `error` with a sentence appended; log the sentence if it is no error of ours."""
    if isinstance(error, Stopped):
        start = sentence.removeprefix("Meanwhile ")
        raise Stopped(f"stopped: {start[0].lower()}{start[1:]}", error.exit_code - 128) from error
    if isinstance(error, DogbreedError):
        raise CloudError(f"{error} {sentence}") from error
    log.warning("warning: %s", sentence)
