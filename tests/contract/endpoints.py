"""An endpoint as the service knows it: its states, and the containers behind it."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from contract.container import Container, DidNotStart

IN_PROGRESS = ("Creating", "Updating", "Deleting")


class Endpoint:
    """`tags`, `arn`, `summary` and others have the names that moto looks for.

    `start` makes the containers of a configuration. Each change of state happens in a thread, as in
    the service it happens by itself; `work` waits for the last one.
    """

    def __init__(
        self, request: dict[str, Any], arn: str, start: Callable[[str], Container]
    ) -> None:
        self.endpoint_name: str = request["EndpointName"]
        self.tags: list[dict[str, str]] = list(request.get("Tags") or [])
        self.arn, self._start = arn, start
        self.config: str = request["EndpointConfigName"]
        # The service deletes a configuration or model in use; a running endpoint has its own copy.
        self.variant: dict[str, Any] = {}
        self.pending: str | None = None
        self.instances = 0
        self.endpoint_status = "Creating"
        self.reason = ""
        self.container: Container | None = None
        self.creation_time = self.last_modified_time = datetime.now(UTC)
        self.work: threading.Thread | None = None

    def create(self, instances: int) -> None:
        """`instances` are those of its configuration."""
        self.instances = instances

        container = self._start(self.config)

        def work() -> None:
            try:
                self.container = self._started(container)
            except DidNotStart as error:
                self._enter("Failed", str(error))
            else:
                self._enter("InService")

        self._go(work)

    def update(
        self, config: str, instances: int | None, alarmed: Callable[[], str] = lambda: ""
    ) -> None:
        """To another configuration: the old container answers until the new one does, or for ever
        if that one never does. `instances` are those of the configuration, None to keep them.
        `alarmed` gives the alarms that are on while the new one is watched, after which the old
        one is back."""
        self.pending = config
        self._enter("Updating")
        container = self._start(config)

        def work() -> None:
            old = self.container
            try:
                self.container = self._started(container)
            except DidNotStart as error:
                self.pending = None
                self._enter("InService", str(error))
                return
            if on := alarmed():
                self.container.stop()
                self.container, self.pending = old, None
                self._enter("InService", f"The alarms {on} are in ALARM state.")
                return
            self.config, self.pending = config, None
            if instances is not None:
                self.instances = instances
            self._enter("InService")
            if old is not None:
                old.stop()

        self._go(work)

    def delete(self, gone: Callable[[], object]) -> None:
        self._enter("Deleting")

        def work() -> None:
            self.close()
            gone()

        self._go(work)

    def close(self) -> None:
        if self.container is not None:
            self.container.stop()

    def describe(self) -> dict[str, Any]:
        """The answer of DescribeEndpoint."""
        answer: dict[str, Any] = {**self.summary(), "EndpointConfigName": self.config}
        variant = {"VariantName": "AllTraffic", "CurrentInstanceCount": self.instances}
        if self.container is not None:
            answer["ProductionVariants"] = [variant]
        if self.pending is not None:
            answer["PendingDeploymentSummary"] = {"EndpointConfigName": self.pending}
        if self.reason:
            answer["FailureReason"] = self.reason
        return answer

    def summary(self) -> dict[str, Any]:
        """The endpoint in a list of endpoints."""
        return {
            "EndpointName": self.endpoint_name,
            "EndpointArn": self.arn,
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
            "EndpointStatus": self.endpoint_status,
        }

    def _started(self, container: Container) -> Container:
        try:
            container.start()
        except DidNotStart:
            container.stop()
            raise
        return container

    def _enter(self, status: str, reason: str = "") -> None:
        self.last_modified_time = datetime.now(UTC)
        self.reason, self.endpoint_status = reason, status

    def _go(self, work: Callable[[], None]) -> None:
        self.work = threading.Thread(target=work, name=self.endpoint_name, daemon=True)
        self.work.start()
