"""A transform job: every object below a place in S3 sent to a container, each response stored."""

import threading
from datetime import UTC, datetime
from typing import Any

from contract.container import Container, DidNotStart
from contract.storage import list_keys, split_uri

ENDED = ("Completed", "Failed", "Stopped")


class TransformJob:
    """`tags` and `arn` have the names that moto looks for."""

    def __init__(self, request: dict[str, Any], arn: str, s3: Any, container: Container) -> None:
        self.request = {key: value for key, value in request.items() if key != "Tags"}
        self.tags: list[dict[str, str]] = list(request.get("Tags") or [])
        self.arn, self._s3, self._container = arn, s3, container
        self.status, self.failure = "InProgress", ""
        self.created = self.modified = datetime.now(UTC)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self.status == "InProgress":
            self.status = "Stopping"
        self._stop.set()

    def join(self) -> None:
        self._thread.join(timeout=60)

    def describe(self) -> dict[str, Any]:
        failure = {"FailureReason": self.failure} if self.failure else {}
        return {**self.request, **self.summary(), **failure}

    def summary(self) -> dict[str, Any]:
        return {
            "TransformJobName": self.request["TransformJobName"],
            "TransformJobArn": self.arn,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "TransformJobStatus": self.status,
        }

    def _run(self) -> None:
        try:
            self._container.start()
            status, self.failure = self._transform()
        except DidNotStart as error:
            status, self.failure = "Failed", f"ClientError: {error}"
        finally:
            self._container.stop()
        self.modified = datetime.now(UTC)
        self.status = status

    def _transform(self) -> tuple[str, str]:
        """Every object once; the answers to the others stay where the model refuses one."""
        source = self.request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        bucket, prefix = split_uri(source)
        output, start = split_uri(self.request["TransformOutput"]["S3OutputPath"])
        headers = {"Content-Type": self.request["TransformInput"]["ContentType"]}
        refused = 0
        for key in list_keys(self._s3, source):
            if self._stop.is_set():
                return "Stopped", ""
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            status, answer = self._container.send(body, headers)
            if status != 200:
                refused += 1
                continue
            name = f"{start.rstrip('/')}/{key.removeprefix(prefix).lstrip('/')}.out"
            self._s3.put_object(Bucket=output, Key=name, Body=answer)
        if refused:
            return "Failed", "ClientError: See job logs for more information"
        return "Completed", ""
