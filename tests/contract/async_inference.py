"""Asynchronous endpoints: requests wait in a queue until an instance takes them, answers go to S3.

As the service does it: without an instance nothing is answered, unless an alarm on the metric
HasBacklogWithoutCapacity calls a step scaling policy of the endpoint, within its limits.
"""

import json
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped, unused-ignore]
from contract.endpoints import Endpoint
from contract.faults import Answer
from contract.storage import split_uri
from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.models import DEFAULT_ACCOUNT_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LOOK_S = 0.05
MAX_INPUT_BYTES = 2**30
HEADER = "HTTP_X_AMZN_SAGEMAKER_"


class AsyncQueue:
    """The requests of all asynchronous endpoints; `s3` is a client under the serving role."""

    def __init__(self, region: str, s3: Any) -> None:
        self._region, self._s3 = region, s3
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []

    def take(
        self, endpoint: Endpoint, output: dict[str, Any], environ: "WSGIEnvironment"
    ) -> Answer:
        """InvokeEndpointAsync: 202 with where the answer or the failure will be."""
        location = environ.get(f"{HEADER}INPUTLOCATION", "")
        if not location.startswith("s3://"):
            return refusal("InputLocation must be an S3 URI.")
        number = str(uuid.uuid4())
        places = {
            "OutputLocation": f"{output['S3OutputPath'].rstrip('/')}/{number}.out",
            "FailureLocation": f"{output['S3FailurePath'].rstrip('/')}/{number}-error.out",
        }
        ttl_s = float(environ.get(f"{HEADER}REQUESTTTLSECONDS", 21600))
        kind = environ.get(f"{HEADER}CONTENT_TYPE", "application/octet-stream")
        work = threading.Thread(
            target=self._work, args=(endpoint, location, places, kind, ttl_s), daemon=True
        )
        self._threads.append(work)
        work.start()
        headers = {f"X-Amzn-SageMaker-{name}": place for name, place in places.items()}
        body = json.dumps({"InferenceId": number}).encode()
        return 202, {"Content-Type": "application/json", **headers}, body

    def _work(
        self, endpoint: Endpoint, location: str, places: dict[str, str], kind: str, ttl_s: float
    ) -> None:
        deadline = time.monotonic() + ttl_s
        while not endpoint.instances or endpoint.container is None:
            if self._closing.wait(LOOK_S) or time.monotonic() > deadline:
                return
            self._wake(endpoint)
        bucket, key = split_uri(location)
        try:
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            self._put(places["FailureLocation"], f"Unable to read the input: {error}")
            return
        status, answer = endpoint.container.send(body, {"Content-Type": kind})
        if status == 200:
            self._put(places["OutputLocation"], answer)
            return
        who = "client" if status < 500 else "server"
        text = answer.decode(errors="replace")
        self._put(
            places["FailureLocation"],
            f'Received {who} error ({status}) from primary with message "{text}". See '
            "https://console.aws.amazon.com/cloudwatch/ for more information.",
        )

    def _put(self, uri: str, body: str | bytes) -> None:
        bucket, key = split_uri(uri)
        self._s3.put_object(Bucket=bucket, Key=key, Body=body)

    def _wake(self, endpoint: Endpoint) -> None:
        """Call the policy of the alarm on HasBacklogWithoutCapacity of this endpoint, if any."""
        name = endpoint.endpoint_name
        scaling = applicationautoscaling_backends[DEFAULT_ACCOUNT_ID][self._region]
        place = f"endpoint/{name}/variant/AllTraffic"
        policies = {
            policy.policy_arn
            for policy in scaling.policies.values()
            if policy.resource_id == place and policy.policy_type == "StepScaling"
        }
        limits = [each[place] for each in scaling.targets.values() if place in each]
        for alarm in list(cloudwatch_backends[DEFAULT_ACCOUNT_ID][self._region].alarms.values()):
            watches = alarm.metric_name == "HasBacklogWithoutCapacity" and any(
                (each.name, each.value) == ("EndpointName", name) for each in alarm.dimensions
            )
            if watches and limits and policies & set(alarm.alarm_actions):
                endpoint.instances = min(1, limits[0].max_capacity or 0)

    def close(self) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join(timeout=10)


def refusal(message: str) -> Answer:
    """A ValidationError of the runtime."""
    body = json.dumps({"Message": message}).encode()
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": "ValidationError"}
    return 400, headers, body
