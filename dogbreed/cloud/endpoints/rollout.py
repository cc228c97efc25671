"""Create or update an endpoint, or start a transform job, step by step; roll back on failure."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from botocore.exceptions import BotoCoreError, ClientError

from dogbreed.cloud.aws.account import Account, account_arguments
from dogbreed.cloud.aws.errors import NO_NETWORK, is_unknown, translate_errors
from dogbreed.cloud.aws.tags import is_ours
from dogbreed.cloud.endpoints import lifecycle, scaling
from dogbreed.cloud.endpoints.cloudwatch import log_lines
from dogbreed.cloud.endpoints.endpoint_requests import (
    Deployment,
    endpoint_config_request,
    endpoint_request,
    model_request,
    transform_request,
    update_request,
)
from dogbreed.cloud.endpoints.expiry import delete_schedule, schedule_expiry
from dogbreed.cloud.endpoints.previous_version import delete_previous
from dogbreed.configuration.commands import typed
from dogbreed.configuration.deploy import ASYNC, SERVERLESS, DeployConfig
from dogbreed.errors import CloudError, ConfigError, Stopped
from dogbreed.training.run_folder import log

LOG_LINES = 20


class Rollout:
    """The requests of one deployment; all resources that it creates are named after it.

    Each resource gets its tags in the request that creates it, so launch/teardown.py finds what an
    interrupted rollout left.
    """

    def __init__(self, account: Account, config: DeployConfig, deployment: Deployment) -> None:
        self.account, self.config, self.deployment = account, config, deployment
        self.client = account.client("sagemaker")
        self.previous: lifecycle.Endpoint | None = None
        self.requested = False  # whether the endpoint or job, which is billed, was requested
        self._previous_type: str | None = None
        self._previous_scaling: scaling.Scaling | None = None
        self._started = self._paused = False
        self._undo_steps: list[Callable[[], object]] = []

    def inspect_endpoint(self) -> None:
        """Describe the endpoint of this name, and check that it can be updated.

        Raises:
            CloudError, ConfigError: it isn't this project's, is being changed, or is of a kind
                that can't be updated.
        """
        name = self.config.endpoint
        with translate_errors(f"reading endpoint {name}"):
            self.previous = lifecycle.describe(self.client, name)
            if self.previous is None:
                return
            if not is_ours(self.client, self.previous.arn):
                raise CloudError(
                    f"endpoint {name} exists and isn't this project's: take another endpoint=NAME."
                )
            if not self.previous.settled:
                raise lifecycle.conflict_error(name, self.previous.status)
            if self.previous.status == lifecycle.FAILED:
                self._delete_failed()
                return
            _, variant = lifecycle.model_of(self.client, self.previous.config)
            self._previous_type = variant.get("InstanceType")
            client = self.account.client(scaling.SCALING_SERVICE)
            self._previous_scaling = scaling.current(client, name)
        if (self.config.deploy.kind == ASYNC) != self.previous.is_async:
            kind = "asynchronous" if self.previous.is_async else "not asynchronous"
            raise ConfigError(
                f"deploy={self.config.deploy.kind}: endpoint {name} is {kind}, which an update "
                f"doesn't change: delete it first ({self._teardown()}), or take another "
                "endpoint=NAME."
            )
        if self.config.deploy.kind == SERVERLESS and "ServerlessConfig" not in variant:
            raise ConfigError(
                f"deploy=serverless: endpoint {name} has instances, and SageMaker can't update it "
                f"to serverless: delete it first ({self._teardown()}), or take another "
                "endpoint=NAME."
            )

    def _teardown(self) -> str:
        """The command that deletes this endpoint."""
        arguments = account_arguments(self.config.launcher)
        return f"{typed('teardown')} endpoint={self.config.endpoint}{arguments}"

    def _delete_failed(self) -> None:
        """Delete an endpoint whose status is Failed: it can't be updated, and blocks the name."""
        name = self.config.endpoint
        log.info("endpoint %s failed earlier: it is deleted and created again", name)
        self.client.delete_endpoint(EndpointName=name)
        self.previous = None
        while lifecycle.describe(self.client, name) is not None:
            time.sleep(1)

    def deploy_endpoint(self) -> None:
        """Create the endpoint, or update the existing one to the new model; wait until it serves.

        Raises:
            CloudError: it failed; an existing endpoint continues to serve the previous model.
            Stopped: Ctrl-C; the message names what is left and how to delete it.
        """
        config, name = self.config, self.config.endpoint
        with self._name_leftovers():
            with self.undo_on_error():
                expires = schedule_expiry(self.account, config, self.deployment.name)
                if expires is not None:
                    client = self.account.client("scheduler")
                    self._undo_steps.append(lambda: delete_schedule(client, self.deployment.name))
                    log.info("a schedule deletes it at %s UTC", f"{expires:%Y-%m-%d %H:%M}")
                self.create_model()
                self.create_config()
                self._pause_scaling()
                self.start_endpoint()
            self._started, started = True, time.monotonic()
            action = "created" if self.previous is None else "updated, and continues to serve"
            log.info("endpoint %s is being %s; this takes minutes", name, action)
            self._check_outcome(lifecycle.wait_until_settled(self.account, name))
            log.info("endpoint %s is in service after %.0f s", name, time.monotonic() - started)
            target = scaling.configured(config)
            if target is not None:
                scaling.scale(self.account, config, target)
                log.info(
                    "it scales between %d and %d instances",
                    *(target.min_instances, target.max_instances),
                )
            delete_previous(
                *(self.account, config, self.previous, self.deployment.name),
                keep_schedules=expires is None,
            )

    def create_model(self) -> None:
        """CreateModel."""
        name, request = self.deployment.name, model_request(*self._context)
        with translate_errors(f"model {name}"):
            lifecycle.create_once(lambda: self.client.create_model(**request))
        self._undo_steps.append(lambda: self.client.delete_model(ModelName=name))

    def create_config(self) -> None:
        """CreateEndpointConfig."""
        name = self.deployment.name
        with translate_errors(f"endpoint config {name}"):
            request = endpoint_config_request(*self._context, self._instances)
            lifecycle.create_once(lambda: self.client.create_endpoint_config(**request))
            # CreateEndpoint may not find it yet; AWS recommends this request before it.
            self.client.describe_endpoint_config(EndpointConfigName=name)
        delete = self.client.delete_endpoint_config
        self._undo_steps.append(lambda: delete(EndpointConfigName=name))

    def start_endpoint(self) -> None:
        """CreateEndpoint or UpdateEndpoint."""
        self.requested = True
        if self.previous is None:
            lifecycle.create(self.client, endpoint_request(*self._context))
        else:
            keep = self._previous_scaling is not None and not self._must_pause
            # An asynchronous endpoint may have none, and the new model has to be tested.
            keep = keep and self.config.deploy.kind != ASYNC
            request = update_request(self.config, self.deployment, keep_count=keep)
            lifecycle.update(self.client, request)

    def start_job(self, photos_uri: str) -> None:
        """CreateTransformJob."""
        request = transform_request(*self._context, photos_uri)
        self.requested = True
        with translate_errors(f"transform job {self.deployment.name}"):
            lifecycle.create_once(lambda: self.client.create_transform_job(**request))

    @property
    def _context(self) -> tuple[Account, DeployConfig, Deployment]:
        return self.account, self.config, self.deployment

    @property
    def _must_pause(self) -> bool:
        """Whether scaling has to stop: the instance type of a scaled endpoint can't change."""
        same_type = self._previous_type == self.config.deploy.instance_type
        continues = same_type and scaling.configured(self.config) is not None
        return self._previous_scaling is not None and not continues

    @property
    def _instances(self) -> int | None:
        """The instances to start with while scaling is paused; None: the configured minimum."""
        target = scaling.configured(self.config)
        if self.previous is None or target is None or not self._must_pause:
            return None
        return min(max(self.previous.instances, target.min_instances), target.max_instances)

    def _pause_scaling(self) -> None:
        """Stop automatic scaling if necessary; a rollback starts it again."""
        before = self._previous_scaling
        if before is None or not self._must_pause:
            return
        with translate_errors(f"the scaling of endpoint {self.config.endpoint}"):
            client = self.account.client(scaling.SCALING_SERVICE)
            scaling.stop_scaling(client, self.config.endpoint)
        self._paused = True
        self._undo_steps.append(lambda: scaling.scale(self.account, self.config, before))

    def _check_outcome(self, now: lifecycle.Endpoint | None) -> None:
        """Raise a CloudError unless the endpoint serves the new configuration."""
        name = self.config.endpoint
        if now is None:
            self.undo()
            raise CloudError(f"endpoint {name} was deleted by somebody while it was created.")
        if now.status == lifecycle.IN_SERVICE and now.config == self.deployment.name:
            return
        self._log_server_lines()
        reason = f" ({now.reason.rstrip('.')})" if now.reason else ""
        if now.status == lifecycle.IN_SERVICE:
            self.undo()
            raise CloudError(
                f"endpoint {name}: the new model didn't start{reason}. It was rolled back: the "
                f"previous one ({now.config}) still serves, without interruption."
            )
        if self.previous is None and now.status == lifecycle.FAILED:
            self._undo_steps.append(lambda: self.client.delete_endpoint(EndpointName=name))
            self.undo()
            raise CloudError(f"endpoint {name} didn't start{reason}. It was deleted again.")
        raise CloudError(
            f"endpoint {name} is {now.status} now{reason}: {self._teardown()} deletes it."
        )

    def _log_server_lines(self) -> None:
        """Log the last lines of the server, which are more specific than the failure reason."""
        with suppress(ClientError, BotoCoreError):
            lines = log_lines(self.account.client("logs"), self.config.endpoint, 60)
            if lines:
                log.info("the last lines of its server:")
            for line in lines[-LOG_LINES:]:
                log.info("  %s", line)

    def undo(self) -> None:
        """Delete what this rollout created, the latest first; a failure is a warning."""
        while self._undo_steps:
            try:
                self._undo_steps.pop()()
            except (ClientError, BotoCoreError, CloudError) as error:
                log.warning("warning: couldn't be undone: %s", " ".join(str(error).split()))

    @contextmanager
    def undo_on_error(self) -> Iterator[None]:
        """Undo if the block fails, unless the requested endpoint or job may exist nevertheless."""
        try:
            yield
        except CloudError as error:
            cause = error.__cause__
            if not (isinstance(cause, NO_NETWORK) or (self.requested and is_unknown(cause))):
                self.undo()
            raise

    @contextmanager
    def _name_leftovers(self) -> Iterator[None]:
        """Name what may be left in the account in an exception that ends the block."""
        try:
            yield
        except Stopped as stopped:
            raise Stopped(f"stopped: {self._leftovers()}", stopped.exit_code - 128) from stopped
        except CloudError as error:
            cause = error.__cause__  # None if the message already names what is left
            unknown = isinstance(cause, NO_NETWORK) or (self.requested and is_unknown(cause))
            if unknown or (self._started and cause is not None):
                raise CloudError(f"{error} Meanwhile {self._leftovers()}") from error
            raise

    def _leftovers(self) -> str:
        name = self.config.endpoint
        if self.previous is None:
            return (
                f"what was created for endpoint {name} is left, and may cost: {self._teardown()} "
                "deletes it."
            )
        paused = ""
        if self._paused and self._previous_scaling is not None:
            old = self._previous_scaling
            limits = f"between {old.min_instances} and {old.max_instances} instances"
            paused = f", and no longer scales (it did, {limits})"
        return (
            f"endpoint {name} still serves the previous or the new model{paused}: run this again "
            "when it is InService."
        )
