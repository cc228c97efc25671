"""One attempt to bring a model to an endpoint: step by step, and back where it doesn't come up."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from botocore.exceptions import BotoCoreError, ClientError

from dogbreed.cloud.aws.account import Account, same_place
from dogbreed.cloud.aws.errors import NO_NETWORK, is_unknown, translate_errors
from dogbreed.cloud.aws.tags import is_ours
from dogbreed.cloud.endpoints import endpoints, scaling
from dogbreed.cloud.endpoints.endpoint_requests import (
    Deployment,
    endpoint_config_request,
    endpoint_request,
    model_request,
    transform_request,
    update_request,
)
from dogbreed.cloud.endpoints.expiry import drop_schedule, schedule_expiry, schedules
from dogbreed.cloud.endpoints.log import log_lines
from dogbreed.configuration.commands import typed
from dogbreed.configuration.deploy import SERVERLESS, DeployConfig
from dogbreed.errors import CloudError, ConfigError, Stopped
from dogbreed.training.run_folder import log

LOG_LINES = 20


class Rollout:
    """What one command does to the account; `it` names all that it makes.

    Everything has its tags from the request that makes it, so that whatever is left of an attempt
    that was cut off is found by launch/teardown.py.
    """

    def __init__(self, account: Account, config: DeployConfig, it: Deployment) -> None:
        self.account, self.config, self.it = account, config, it
        self.client = account.client("sagemaker")
        self.before: endpoints.Endpoint | None = None
        self.asked = False  # whether what costs was asked for; it may be there then
        self._old_type: str | None = None
        self._scales: scaling.Scaling | None = None
        self._started = self._paused = False
        self._undo: list[Callable[[], object]] = []

    def look(self) -> None:
        """See what there is of this name, and refuse what can't be deployed over it.

        Raises:
            CloudError, ConfigError: it is somebody else's, busy, or of a kind that can't change.
        """
        name = self.config.endpoint
        with translate_errors(f"looking at endpoint {name}"):
            self.before = endpoints.describe(self.client, name)
            if self.before is None:
                return
            if not is_ours(self.client, self.before.arn):
                raise CloudError(
                    f"endpoint {name} is there and somebody else's: take another endpoint=NAME."
                )
            if not self.before.settled:
                raise endpoints.other_first(name, self.before.status)
            if self.before.status == endpoints.FAILED:
                self._clear_failed()
                return
            _, variant = endpoints.model_of(self.client, self.before.config)
            self._old_type = variant.get("InstanceType")
            self._scales = scaling.current(self.account.client(scaling.SERVICE), name)
        if self.config.deploy.kind == SERVERLESS and "ServerlessConfig" not in variant:
            raise ConfigError(
                f"deploy=serverless: endpoint {name} has instances, and SageMaker can't take them "
                f"from it: delete it first ({typed('teardown')} endpoint={name}"
                f"{same_place(self.config.launcher)}), or take "
                "another endpoint=NAME."
            )

    def _clear_failed(self) -> None:
        """Nothing else can be done with an endpoint that failed, and it holds the name."""
        name = self.config.endpoint
        log.info("endpoint %s failed earlier: it is deleted and made anew", name)
        self.client.delete_endpoint(EndpointName=name)
        self.before = None
        while endpoints.describe(self.client, name) is not None:
            time.sleep(1)

    def to_endpoint(self) -> None:
        """Make the endpoint, or bring the one that is there to the new model.

        Raises:
            CloudError: it didn't come up, in one sentence; what served before serves on.
            Stopped: Ctrl-C, with what is left and how to delete it.
        """
        config, name = self.config, self.config.endpoint
        with self._left():
            with self.undone():
                expires = schedule_expiry(self.account, config, self.it.name)
                if expires is not None:
                    client = self.account.client("scheduler")
                    self._undo.append(lambda: drop_schedule(client, self.it.name))
                    log.info("it will be deleted by itself at %s UTC", f"{expires:%Y-%m-%d %H:%M}")
                self.make_model()
                self.make_config()
                self._pause_scaling()
                self.start_endpoint()
            self._started, started = True, time.monotonic()
            log.info(
                "endpoint %s is %s; until it is up this takes minutes",
                *(name, "being made" if self.before is None else "updated, and answers meanwhile"),
            )
            self._judge(endpoints.wait_until_settled(self.account, name))
            log.info("endpoint %s is up after %.0f s", name, time.monotonic() - started)
            wanted = scaling.wanted(config)
            if wanted is not None:
                scaling.scale(self.account, config, wanted)
                log.info("it scales between %d and %d instances", wanted.fewest, wanted.most)
            self._drop_former(keep_schedules=expires is None)

    def make_model(self) -> None:
        """CreateModel."""
        with translate_errors(f"model {self.it.name}"):
            endpoints.once(lambda: self.client.create_model(**model_request(*self._three)))
        self._undo.append(lambda: self.client.delete_model(ModelName=self.it.name))

    def make_config(self) -> None:
        """CreateEndpointConfig."""
        with translate_errors(f"endpoint config {self.it.name}"):
            request = endpoint_config_request(*self._three, self._instances)
            endpoints.once(lambda: self.client.create_endpoint_config(**request))
            # CreateEndpoint may not know it yet; the service advises this against that.
            self.client.describe_endpoint_config(EndpointConfigName=self.it.name)
        drop = self.client.delete_endpoint_config
        self._undo.append(lambda: drop(EndpointConfigName=self.it.name))

    def start_endpoint(self) -> None:
        """CreateEndpoint or UpdateEndpoint."""
        self.asked = True
        if self.before is None:
            endpoints.create(self.client, endpoint_request(self.config, self.it))
        else:
            keep = self._scales is not None and not self._must_pause
            request = update_request(self.config, self.it, keep_count=keep)
            endpoints.update(self.client, request)

    def start_job(self, photos_uri: str) -> None:
        """CreateTransformJob."""
        request = transform_request(*self._three, photos_uri)
        self.asked = True
        with translate_errors(f"transform job {self.it.name}"):
            endpoints.once(lambda: self.client.create_transform_job(**request))

    @property
    def _three(self) -> tuple[Account, DeployConfig, Deployment]:
        return self.account, self.config, self.it

    @property
    def _must_pause(self) -> bool:
        """Whether an endpoint that scales has to stop that: its instances' type may not change."""
        same_type = self._old_type == self.config.deploy.instance_type
        goes_on = same_type and scaling.wanted(self.config) is not None
        return self._scales is not None and not goes_on

    @property
    def _instances(self) -> int | None:
        """How many to start with where scaling is paused: as many as run now; None: the fewest."""
        wanted = scaling.wanted(self.config)
        if self.before is None or wanted is None or not self._must_pause:
            return None
        return min(max(self.before.instances, wanted.fewest), wanted.most)

    def _pause_scaling(self) -> None:
        """Have the endpoint stop scaling if it has to; it will again if this comes to nothing."""
        before = self._scales
        if before is None or not self._must_pause:
            return
        with translate_errors(f"the scaling of endpoint {self.config.endpoint}"):
            scaling.stop_scaling(self.account.client(scaling.SERVICE), self.config.endpoint)
        self._paused = True
        self._undo.append(lambda: scaling.scale(self.account, self.config, before))

    def _judge(self, now: endpoints.Endpoint | None) -> None:
        """Raise a CloudError unless it is our configuration that serves now."""
        name = self.config.endpoint
        if now is None:
            self.take_back()
            raise CloudError(f"endpoint {name} was deleted by somebody while it was being made.")
        if now.status == endpoints.IN_SERVICE and now.config == self.it.name:
            return
        self._tell_log()
        reason = f" ({now.reason.rstrip('.')})" if now.reason else ""
        if now.status == endpoints.IN_SERVICE:
            self.take_back()
            raise CloudError(
                f"endpoint {name}: the new model didn't come up{reason}. It was rolled back: the "
                f"old one ({now.config}) still serves, and answered all the time."
            )
        if self.before is None and now.status == endpoints.FAILED:
            self._undo.append(lambda: self.client.delete_endpoint(EndpointName=name))
            self.take_back()
            raise CloudError(f"endpoint {name} didn't come up{reason}. It was deleted again.")
        raise CloudError(
            f"endpoint {name} is {now.status} now{reason}: {typed('teardown')} "
            f"endpoint={name}{same_place(self.config.launcher)} deletes it."
        )

    def _tell_log(self) -> None:
        """The server's last lines, which say more than the service does."""
        with suppress(ClientError, BotoCoreError):
            lines = log_lines(self.account.client("logs"), self.config.endpoint, 60)
            if lines:
                log.info("the last lines of its server:")
            for line in lines[-LOG_LINES:]:
                log.info("  %s", line)

    def _drop_former(self, *, keep_schedules: bool) -> None:
        """Delete what would delete the endpoint earlier, and what it was made of before."""
        name = self.config.endpoint
        try:
            with translate_errors("tidying up"):
                self._drop_schedules(keep=keep_schedules and self.before is not None)
                if self.before is not None and is_ours(self.client, self._config_arn()):
                    model, _ = endpoints.model_of(self.client, self.before.config)
                    self.client.delete_endpoint_config(EndpointConfigName=self.before.config)
                    self.client.delete_model(ModelName=model)
        except CloudError as error:
            log.warning(
                "warning: %s What was of endpoint %s before may be left, a schedule that deletes "
                "it too: %s%s lists it.",
                *(error, name, typed("teardown"), same_place(self.config.launcher)),
            )

    def _drop_schedules(self, *, keep: bool) -> None:
        """Drop earlier schedules of this endpoint's name, or tell of them."""
        scheduler = self.account.client("scheduler")
        for each in list(schedules(scheduler)):
            if each.endpoint != self.config.endpoint or each.name == self.it.name:
                continue
            if keep:
                log.info("note: as planned earlier, it is deleted by itself at %s", each.when)
            else:
                drop_schedule(scheduler, each.name)

    def _config_arn(self) -> str:
        assert self.before is not None
        told = self.client.describe_endpoint_config(EndpointConfigName=self.before.config)
        return str(told["EndpointConfigArn"])

    def take_back(self) -> None:
        """Delete what this attempt made, the latest first; a warning for what couldn't be."""
        while self._undo:
            try:
                self._undo.pop()()
            except (ClientError, BotoCoreError, CloudError) as error:
                log.warning("warning: couldn't be taken back: %s", " ".join(str(error).split()))

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Take back what was made if the block fails, but where what was asked for may be there."""
        try:
            yield
        except CloudError as error:
            cause = error.__cause__
            if not (isinstance(cause, NO_NETWORK) or (self.asked and is_unknown(cause))):
                self.take_back()
            raise

    @contextmanager
    def _left(self) -> Iterator[None]:
        """Name what may be left in the account in whatever ends the block early."""
        try:
            yield
        except Stopped as stopped:
            raise Stopped(f"stopped: {self._what_is_left()}", stopped.exit_code - 128) from stopped
        except CloudError as error:
            cause = error.__cause__  # none where all that is left has been told
            unknown = isinstance(cause, NO_NETWORK) or (self.asked and is_unknown(cause))
            if unknown or (self._started and cause is not None):
                raise CloudError(f"{error} Meanwhile {self._what_is_left()}") from error
            raise

    def _what_is_left(self) -> str:
        name = self.config.endpoint
        if self.before is None:
            return (
                f"what was made for endpoint {name} is left, and may cost: "
                f"{typed('teardown')} endpoint={name}{same_place(self.config.launcher)} deletes it."
            )
        paused = ""
        if self._paused and self._scales is not None:
            were = f"between {self._scales.fewest} and {self._scales.most} instances"
            paused = f", and no longer scales (it did, {were})"
        return (
            f"endpoint {name} still answers, with the old model or the new one{paused}: run this "
            "again when it is InService."
        )
