"""The requests of one deployment of an endpoint or a transform job, and what undoes them."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import WaiterError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import NO_NETWORK, is_unknown, translate_errors
from dogbreed.cloud.aws.tags import is_ours
from dogbreed.cloud.endpoints import alarms, lifecycle, scaling
from dogbreed.cloud.endpoints.endpoint_requests import (
    ServedModel,
    endpoint_config_request,
    endpoint_request,
    model_request,
    rollback_policy,
    transform_request,
    update_request,
)
from dogbreed.cloud.endpoints.expiry import delete_schedule, schedule_expiry, schedules_of
from dogbreed.cloud.endpoints.lifetime import lifetime_of
from dogbreed.cloud.endpoints.previous_version import Previous, inspect_previous
from dogbreed.cloud.endpoints.undo import UndoSteps
from dogbreed.cloud.jobs.channels import Channel
from dogbreed.configuration.deploy import ASYNC, SERVERLESS, DeployConfig
from dogbreed.errors import CloudError, Stopped
from dogbreed.training.run_folder import log

# Polls of an endpoint that is being deleted: for half an hour at most.
DELETED = {"Delay": 5, "MaxAttempts": 360}


class Rollout:
    """The requests of one deployment; all resources that it creates are named after it.

    Each resource gets its tags in the request that creates it, so launch/teardown.py finds what an
    interrupted rollout left. `previous` is what an existing endpoint served before,
    `earlier_schedules` are those that delete an endpoint of this name. `requested`: whether the
    endpoint or job, which is billed, was requested. `settled`: whether the new endpoint is in
    service or failed, and can be deleted.
    """

    def __init__(self, account: Account, config: DeployConfig, deployment: ServedModel) -> None:
        self.account, self.config, self.deployment = account, config, deployment
        self.client = account.client("sagemaker")
        self.previous: Previous | None = None
        self.earlier_schedules: tuple[str, ...] = ()
        self.requested = self.settled = False
        self.undo = UndoSteps()

    def inspect_endpoint(self) -> None:
        """Describe the endpoint of this name, and check that it can be updated and restored.

        Raises:
            CloudError, ConfigError: it isn't this project's, is being changed, or is of a kind
                that can't be updated.
        """
        name = self.config.endpoint
        self.earlier_schedules = schedules_of(self.account, name)
        with translate_errors(f"reading endpoint {name}"):
            found = lifecycle.describe(self.client, name)
            if found is None:
                return
            if not is_ours(self.client, found.arn):
                raise CloudError(
                    f"endpoint {name} exists and isn't this project's: take another endpoint=NAME."
                )
            if not found.settled:
                raise lifecycle.conflict_error(name, found.status)
            if found.status == lifecycle.FAILED:
                self._delete_failed()
                return
            self.previous = inspect_previous(self.account, self.config, found)

    def _delete_failed(self) -> None:
        """Delete an endpoint whose status is Failed: it can't be updated, and blocks the name."""
        name = self.config.endpoint
        log.info("endpoint %s failed earlier: it is deleted and created again", name)
        self.client.delete_endpoint(EndpointName=name)
        try:
            waiter = self.client.get_waiter("endpoint_deleted")
            waiter.wait(EndpointName=name, WaiterConfig=DELETED)
        except WaiterError as error:
            raise CloudError(
                f"endpoint {name} failed earlier and is still being deleted: run this again in a "
                "few minutes."
            ) from error

    def schedule_expiry(self) -> None:
        """CreateSchedule, if the endpoint is to be deleted after a time."""
        config, name = self.config, self.deployment.name
        if lifetime_of(config.deploy) is None:
            return
        client = self.account.client("scheduler")
        with self.undo.creating(lambda: delete_schedule(client, name)):
            expires = schedule_expiry(self.account, config, name)
        log.info("a schedule deletes it at %s UTC", f"{expires:%Y-%m-%d %H:%M}")

    def create_model(self) -> None:
        """CreateModel."""
        name, request = self.deployment.name, model_request(*self._context)
        delete = self.client.delete_model
        with (
            self.undo.creating(lambda: delete(ModelName=name)),
            translate_errors(f"model {name}"),
        ):
            lifecycle.create_once(lambda: self.client.create_model(**request))

    def create_config(self) -> None:
        """CreateEndpointConfig."""
        name = self.deployment.name
        request = endpoint_config_request(*self._context, self._instances)
        delete = self.client.delete_endpoint_config
        with (
            self.undo.creating(lambda: delete(EndpointConfigName=name)),
            translate_errors(f"endpoint config {name}"),
        ):
            lifecycle.create_once(lambda: self.client.create_endpoint_config(**request))
        with translate_errors(f"endpoint config {name}"):
            # CreateEndpoint may not find it yet; AWS recommends this request before it.
            self.client.describe_endpoint_config(EndpointConfigName=name)

    def start_endpoint(self) -> None:
        """CreateEndpoint or UpdateEndpoint."""
        if self.previous is None:
            send, request = lifecycle.create, endpoint_request(*self._context)
        else:
            send, request = lifecycle.update, self._update_request(self.previous)
        self.requested = True
        try:
            send(self.client, request)
        except CloudError as error:
            self.requested = is_unknown(error.__cause__)
            raise

    def start_job(self, photos: Channel) -> None:
        """CreateTransformJob."""
        request = transform_request(*self._context, photos)
        self.requested = True
        with translate_errors(f"transform job {self.deployment.name}"):
            lifecycle.create_once(lambda: self.client.create_transform_job(**request))

    def _update_request(self, previous: Previous) -> dict[str, object]:
        config, policy = self.config, None
        keep = previous.scaling is not None and not self._must_pause
        # An asynchronous endpoint may have no instance, and the new model has to be tested.
        keep = keep and config.deploy.kind != ASYNC
        if config.deploy.kind not in (ASYNC, SERVERLESS):
            with translate_errors("reading the alarms"):
                client = self.account.client(alarms.ALARM_SERVICE)
                found = alarms.current_alarms(client, config.endpoint)
            names, note = alarms.rollback_alarms(found, config.endpoint)
            if note:
                log.warning("warning: alarm %s", note)
            count = self._instances or config.deploy.instance_count
            if names:
                policy = rollback_policy(names, previous.endpoint.instances if keep else count)
        return update_request(config, self.deployment.name, keep_count=keep, policy=policy)

    def put_alarms(self) -> None:
        """PutMetricAlarm for each configured alarm.

        Raises:
            CloudError: AWS refuses.
        """
        account, config = self.account, self.config
        if not config.deploy.alarms:
            return
        with translate_errors("deploy.alarms"):
            client = account.client(alarms.ALARM_SERVICE)
            before = alarms.current_alarms(client, config.endpoint)
        self.undo.add(lambda: alarms.restore_alarms(account, config, before))
        alarms.put_alarms(account, config)

    @property
    def _context(self) -> tuple[Account, DeployConfig, ServedModel]:
        return self.account, self.config, self.deployment

    @property
    def _must_pause(self) -> bool:
        """Whether scaling has to stop: the instance type of a scaled endpoint can't change."""
        if self.previous is None or self.previous.scaling is None:
            return False
        same_type = self.previous.instance_type == self.config.deploy.instance_type
        return not (same_type and scaling.configured(self.config) is not None)

    @property
    def _instances(self) -> int | None:
        """The instances to start with while scaling is paused; None: the configured minimum."""
        target = scaling.configured(self.config)
        if self.previous is None or target is None or not self._must_pause:
            return None
        running = self.previous.endpoint.instances
        return min(max(running, target.min_instances), target.max_instances)

    def pause_scaling(self) -> None:
        """Stop automatic scaling if the update needs that; undoing starts it again."""
        if self.previous is None or not self._must_pause:
            return
        before = self.previous.scaling
        self.undo.add(lambda: scaling.replace(self.account, self.config, before))
        with translate_errors(f"the scaling of endpoint {self.config.endpoint}"):
            client = self.account.client(scaling.SCALING_SERVICE)
            scaling.stop_scaling(client, self.config.endpoint)

    @contextmanager
    def undo_on_error(self) -> Iterator[None]:
        """Undo if the block fails, unless the requested job may exist nevertheless."""
        try:
            yield
        except CloudError as error:
            cause = error.__cause__
            if not (isinstance(cause, NO_NETWORK) or (self.requested and is_unknown(cause))):
                self.undo.run()
            raise
        except Stopped:
            if not self.requested:
                self.undo.run()
            raise
