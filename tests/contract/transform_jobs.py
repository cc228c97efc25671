"""A transform job: every object below a place in S3 sent to a container, each response stored."""

import threading
from datetime import UTC, datetime
from typing import Any

from contract.container import Container, DidNotStart
from contract.storage import list_keys, read_manifest, split_uri

ENDED = ("Completed", "Failed", "Stopped")


def transform_variables(request: dict[str, Any]) -> dict[str, str]:
    """What SageMaker sets in the container of a job. Source: the developer guide, "Custom Inference
    Code with Batch Transform"."""
    return {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(request.get("MaxPayloadInMB", 6)),
        "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(request.get("MaxConcurrentTransforms", 1)),
    }


class TransformJob:
    """`tags` and `arn` have the names that moto looks for.

    `provisioning_s` is how long it waits for its instance, in which it can be stopped.
    """

    def __init__(
        self,
        request: dict[str, Any],
        arn: str,
        s3: Any,
        container: Container,
        provisioning_s: float = 0,
    ) -> None:
        self.request = {key: value for key, value in request.items() if key != "Tags"}
        self.tags: list[dict[str, str]] = list(request.get("Tags") or [])
        self.arn, self._s3, self._container = arn, s3, container
        self._provisioning_s = provisioning_s
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
            if self._stop.wait(self._provisioning_s):
                status = "Stopped"
            else:
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
        bucket, prefix, keys = self._inputs()
        output, start = split_uri(self.request["TransformOutput"]["S3OutputPath"])
        headers = {"Content-Type": self.request["TransformInput"]["ContentType"]}
        refused, max_bytes = 0, self.request.get("MaxPayloadInMB", 6) * 2**20
        for key in keys:
            if self._stop.is_set():
                return "Stopped", ""
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            if len(body) > max_bytes:  # isn't sent, and fails the job
                refused += 1
                continue
            status, answer = self._container.send(body, headers)
            if status != 200:
                refused += 1
                continue
            name = f"{start.rstrip('/')}/{key.removeprefix(prefix).lstrip('/')}.out"
            self._s3.put_object(Bucket=output, Key=name, Body=answer)
        if refused:
            return "Failed", "ClientError: See job logs for more information"
        return "Completed", ""

    def _inputs(self) -> tuple[str, str, list[str]]:
        """The bucket, what the outputs' keys leave out of the inputs' keys, and these.

        Where the outputs of a manifest's objects are isn't documented: below their complete keys,
        as training channels have them.
        """
        source = self.request["TransformInput"]["DataSource"]["S3DataSource"]
        if source["S3DataType"] == "ManifestFile":
            bucket, keys = read_manifest(self._s3, source["S3Uri"])
            return bucket, "", keys
        return *split_uri(source["S3Uri"]), list_keys(self._s3, source["S3Uri"])
