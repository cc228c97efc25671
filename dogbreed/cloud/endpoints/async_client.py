"""Invoke an asynchronous endpoint: the photo goes through S3, and so does the answer."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.downloads import read_object
from dogbreed.cloud.aws.errors import code_of, is_missing, translate_errors
from dogbreed.cloud.aws.objects import put, split_uri
from dogbreed.cloud.endpoints.client import Client, Reply, body_of, error_in, read_reply
from dogbreed.configuration.commands import typed
from dogbreed.configuration.schema import AUTO
from dogbreed.errors import CloudError, PhotoError
from dogbreed.serving.requests.invocations import JSON_TYPE
from dogbreed.utils.printable import printable

# An instance that has to be started for the first photo takes minutes.
PATIENCE_S = {False: 120.0, True: 900.0}  # of a synchronous and an asynchronous endpoint
FIRST_PAUSE_S, MAX_PAUSE_S, GROWTH = 0.25, 5.0, 1.3
# Source: botocore's model of InvokeEndpointAsync, RequestTTLSeconds.
MIN_TTL_S, MAX_TTL_S = 60, 21_600
MAX_ANSWER_BYTES = 32 * 2**20  # an overlay is in it
MAX_REASON = 300  # characters of a failure
INPUT, OUTPUT, FAILURE = "questions/async", "answers/async", "answers/async-failed"
NO_OBJECT = ("404", "NoSuchKey")


@dataclass(frozen=True, kw_only=True)
class Places:
    """The S3 folders of an asynchronous endpoint, each with a slash at its end, and the KMS key."""

    input: str
    output: str
    failure: str
    kms_key: str | None = None


def places_of(bucket: str, prefix: str, endpoint: str, kms_key: str | None = None) -> Places:
    """Where photos, answers and failures of an endpoint are."""
    start = f"s3://{bucket}/{prefix}"
    return Places(
        input=f"{start}/{INPUT}/{endpoint}/",
        output=f"{start}/{OUTPUT}/{endpoint}/",
        failure=f"{start}/{FAILURE}/{endpoint}/",
        kms_key=kms_key,
    )


def connect(
    account: Account, endpoint: str, *, patience_s: float | str = AUTO, arguments: str = ""
) -> "Client | AsyncClient":
    """A client of an endpoint, of the kind that it needs.

    `patience_s` and `arguments` are those of `Client`; auto: 120 s, 900 s if it is asynchronous.

    Raises:
        CloudError: AWS refuses to describe it; one that doesn't exist is reported by the client.
    """
    with translate_errors(f"reading endpoint {endpoint}"):
        output = _output_of(account.client("sagemaker"), endpoint)
    limit_s = PATIENCE_S[output is not None] if isinstance(patience_s, str) else patience_s
    if output is None:
        return Client(account, endpoint, retry_s=limit_s, arguments=arguments)
    bucket, key = split_uri(str(output["S3OutputPath"]))
    prefix, found, _ = key.partition(f"/{OUTPUT}/")
    if not found:
        raise CloudError(
            f"endpoint {endpoint} writes its answers to s3://{bucket}/{key}, which isn't a folder "
            f"of this project: was it created by {typed('deploy')}?"
        )
    places = places_of(bucket, prefix, endpoint, output.get("KmsKeyId"))
    return AsyncClient(account, endpoint, places, limit_s)


def _output_of(client: Any, endpoint: str) -> dict[str, Any] | None:
    """The OutputConfig of an asynchronous endpoint; None for another one, or none at all."""
    try:
        found = client.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    output: dict[str, Any] = found.get("AsyncInferenceConfig", {}).get("OutputConfig", {})
    return output if "S3OutputPath" in output else None


class AsyncClient:
    """A client of one asynchronous endpoint, which waits `limit_s` seconds for each answer."""

    def __init__(self, account: Account, endpoint: str, places: Places, limit_s: float) -> None:
        self._runtime, self._s3 = account.client("sagemaker-runtime"), account.client("s3")
        self._endpoint, self._places, self._limit_s = endpoint, places, limit_s

    def invoke(self, photo: bytes, *, top_k: int, explain: bool = False) -> Reply:
        """The prediction for one photo.

        Raises:
            PhotoError: the model can't read this photo.
            CloudError: the endpoint can't be invoked, failed, or didn't answer in time; the message
                names where the answer will be.
        """
        bucket, prefix = split_uri(self._places.input)
        key = f"{prefix}{uuid.uuid4()}.json"
        started = time.perf_counter()
        with translate_errors(f"invoking endpoint {self._endpoint}"):
            body = body_of(photo, top_k=top_k, explain=explain)
            put(self._s3, bucket, key, body, self._places.kms_key)
            response = self._runtime.invoke_endpoint_async(
                EndpointName=self._endpoint,
                ContentType=JSON_TYPE,
                Accept=JSON_TYPE,
                InputLocation=f"s3://{bucket}/{key}",
                RequestTTLSeconds=round(min(max(self._limit_s, MIN_TTL_S), MAX_TTL_S)),
            )
            answer = self._wait(response)
            # The endpoint has read it. The answer stays: it is a few hundred bytes.
            self._s3.delete_object(Bucket=bucket, Key=key)
        return read_reply(self._endpoint, answer, 1000 * (time.perf_counter() - started))

    def _wait(self, response: Mapping[str, Any]) -> bytes:
        """The answer, as soon as it is in S3; botocore's errors, and those of `invoke`."""
        output, failure = str(response["OutputLocation"]), response.get("FailureLocation")
        pause, deadline = FIRST_PAUSE_S, time.monotonic() + self._limit_s
        while True:
            answer = self._read(output)
            if answer is not None:
                return answer
            failed = self._read(str(failure)) if failure else None
            if failed is not None:
                raise self._failed(failed.decode("utf-8", "replace"))
            if time.monotonic() + pause > deadline:
                raise CloudError(
                    f"endpoint {self._endpoint} didn't answer within {self._limit_s:.12g} s: it "
                    "may be starting its first instance, which takes minutes: set a longer "
                    f"patience_s. Its answer will be in {output}."
                )
            time.sleep(pause)
            pause = min(MAX_PAUSE_S, GROWTH * pause)

    def _read(self, uri: str) -> bytes | None:
        try:
            return read_object(self._s3, *split_uri(uri), MAX_ANSWER_BYTES)
        except ClientError as error:
            if code_of(error) in NO_OBJECT:
                return None
            raise

    def _failed(self, text: str) -> CloudError | PhotoError:
        """The error for what SageMaker wrote to the failure location.

        It is a sentence with the model's response in it: Received client error (415) from primary
        with message "{...}".
        """
        details = error_in(text[text.find("{") : text.rfind("}") + 1])
        if "code" in details:
            return PhotoError(details["code"], details["message"])
        return CloudError(
            f"endpoint {self._endpoint} failed: {printable(text)[:MAX_REASON].rstrip('.')}: "
            f"{typed('query')} endpoint={self._endpoint} logs=true shows its server's log."
        )
