"""Invoke an endpoint with one photo; retry while it is busy or starting."""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.aws.errors import NO_NETWORK, THROTTLED, code_of, translate_errors
from dogbreed.configuration.commands import typed
from dogbreed.errors import CloudError, PhotoError
from dogbreed.serving.requests.invocations import JSON_TYPE

# Retries are in `Client`, as botocore can't interpret a model's errors. A container may take 60 s;
# the read timeout adds 10 s for the network.
CLIENT = ClientConfig(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=70)
FIRST_PAUSE_S, MAX_PAUSE_S, GROWTH = 0.25, 5.0, 1.6
BUSY = (
    *(*THROTTLED, "ModelNotReadyException", "InternalDependencyException"),
    *("ServiceUnavailable", "InternalFailure", "500", "503"),
)
# Statuses of the container: too many requests at once, or no worker is ready; 0: no response within
# the 60 s that SageMaker waits.
BUSY_STATUSES = (0, 429, 500, 502, 503, 504, 507)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An endpoint's prediction for a photo, with its latency in milliseconds.

    `client_ms` is the round trip, `model_ms` the time in the model, None if it isn't returned.
    """

    classes: list[Mapping[str, Any]]
    unknown: bool
    explanation: str | None
    client_ms: float
    model_ms: float | None


class Client:
    """A client of one endpoint.

    A busy endpoint is retried for `retry_s` seconds. `arguments` are those of `account_arguments`,
    for the commands in error messages.
    """

    def __init__(
        self, account: Account, endpoint: str, *, retry_s: float, arguments: str = ""
    ) -> None:
        self._client = account.session.client("sagemaker-runtime", config=CLIENT)
        self._endpoint, self._retry_s, self._arguments = endpoint, retry_s, arguments

    def invoke(self, photo: bytes, *, top_k: int, explain: bool = False) -> Reply:
        """The prediction for one photo.

        Raises:
            PhotoError: the model can't read this photo.
            CloudError: the endpoint can't be invoked, or stays busy for longer than `retry_s`.
        """
        request = {
            "EndpointName": self._endpoint,
            "ContentType": JSON_TYPE,
            "Accept": JSON_TYPE,
            "Body": body_of(photo, top_k=top_k, explain=explain),
        }
        with translate_errors(f"invoking endpoint {self._endpoint}"):
            response, client_ms = self._send(request)
        return read_reply(self._endpoint, response, client_ms)

    def _send(self, request: Mapping[str, Any]) -> tuple[bytes, float]:
        """Send until there is a response, or `retry_s` is over."""
        pause, first = FIRST_PAUSE_S, time.monotonic()
        while True:
            started = time.perf_counter()
            try:
                body: bytes = self._client.invoke_endpoint(**request)["Body"].read()
                return body, 1000 * (time.perf_counter() - started)
            except ClientError as error:
                _check_photo(error)
                late = time.monotonic() + pause > first + self._retry_s
                if late or not _is_busy(error):
                    self._check_endpoint(error)
                    raise
            except NO_NETWORK:
                if time.monotonic() + pause > first + self._retry_s:
                    raise
            time.sleep(pause)
            pause = min(MAX_PAUSE_S, GROWTH * pause)

    def _check_endpoint(self, error: ClientError) -> None:
        """Raise a CloudError for an endpoint that doesn't exist, or stays busy."""
        name, arguments = self._endpoint, self._arguments
        if code_of(error) == "ValidationError" and "not found" in str(error).lower():
            raise CloudError(
                f"There is no endpoint {name} in this region, or it isn't in service: "
                f"{typed('teardown')}{arguments} lists this project's, "
                f"{typed('deploy')} creates one."
            ) from error
        if _is_busy(error):
            details = error_in(str(error.response.get("OriginalMessage", "")))
            why = details.get("message") or str(error.response["Error"].get("Message", ""))
            raise CloudError(
                f"endpoint {name} didn't respond within {self._retry_s:.12g} s ({code_of(error)}: "
                f"{why.rstrip('.')}): {typed('query')} endpoint={name}{arguments} "
                "logs=true shows its server's log."
            ) from error


def row(path: str, classes: Sequence[Mapping[str, Any]], unknown: bool) -> dict[str, Any]:
    """A prediction as a row of JSON lines, with the keys of `python -m dogbreed.predict`."""
    rounded = [{**each, "probability": round(each["probability"], 6)} for each in classes]
    return {"path": path, **rounded[0], "unknown": unknown, "classes": rounded, "error": None}


def body_of(photo: bytes, *, top_k: int, explain: bool) -> bytes:
    """A request's body: options are in it, as AWS's Ray Serve container forwards two headers."""
    photos = [base64.b64encode(photo).decode()]
    return json.dumps({"photos": photos, "top_k": top_k, "explain": explain}).encode()


def _is_busy(error: ClientError) -> bool:
    """Whether the error is temporary: throttled, starting, or all workers busy."""
    if code_of(error) == "ModelError":
        return error.response.get("OriginalStatusCode") in BUSY_STATUSES
    return code_of(error) in BUSY


def _check_photo(error: ClientError) -> None:
    """Raise a PhotoError if the model rejects the photo itself."""
    status = int(error.response.get("OriginalStatusCode") or 0)
    if code_of(error) != "ModelError" or not 400 <= status < 500 or status in BUSY_STATUSES:
        return
    details = error_in(str(error.response.get("OriginalMessage", "")))
    message = details.get("message", f"refused with {status}")
    raise PhotoError(details.get("code", "refused"), message)


def error_in(text: str) -> Mapping[str, str]:
    """Code and message of the model's error response; other text is a message."""
    try:
        details = json.loads(text)["error"]
        return {"code": str(details["code"]), "message": str(details["message"])}
    except (ValueError, TypeError, KeyError):
        return {"message": text[:200]} if text.strip() else {}


def read_reply(endpoint: str, body: bytes, client_ms: float) -> Reply:
    """The prediction in an endpoint's response.

    Raises:
        PhotoError: the response is the error of a photo.
        CloudError: it isn't in this project's format.
    """
    try:
        answer = json.loads(body)
        (entry,) = answer["predictions"]
        if "error" in entry:
            raise PhotoError(entry["error"]["code"], entry["error"]["message"])
        return Reply(
            classes=list(entry["classes"]),
            unknown=bool(entry["unknown"]),
            explanation=entry.get("explanation"),
            client_ms=client_ms,
            model_ms=answer.get("model_ms"),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise CloudError(
            f"the response of endpoint {endpoint} isn't in this project's format: was it created "
            f"by {typed('deploy')}?"
        ) from error
