"""One photo sent to an endpoint and its answer, with patience for one that is busy or waking up."""

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

# Tried again here rather than by botocore, which doesn't know what a model's errors mean. A
# container may take 60 s; ten more for the way.
CLIENT = ClientConfig(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=70)
FIRST_PAUSE_S, LONGEST_PAUSE_S, GROWTH = 0.25, 5.0, 1.6
BUSY = (
    *(*THROTTLED, "ModelNotReadyException", "InternalDependencyException"),
    *("ServiceUnavailable", "InternalFailure", "500", "503"),
)
# The container's own: too many requests at once, or no worker that is up.
BUSY_STATUSES = (429, 500, 502, 503, 504, 507)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What an endpoint says of a photo, and the milliseconds that it took: seen from here, and in
    the model itself, None where it doesn't tell."""

    breeds: list[Mapping[str, Any]]
    unknown: bool
    explanation: str | None
    client_ms: float
    model_ms: float | None


class Client:
    """An endpoint to send photos to; `place` leads another command to its account."""

    def __init__(
        self, account: Account, endpoint: str, *, patience_s: float, place: str = ""
    ) -> None:
        self._client = account.session.client("sagemaker-runtime", config=CLIENT)
        self._endpoint, self._patience_s, self._place = endpoint, patience_s, place

    def ask(self, photo: bytes, *, top_k: int, explain: bool = False) -> Reply:
        """The answer to one photo.

        Raises:
            PhotoError: the model can't use this photo.
            CloudError: the endpoint can't be asked, or stays busy for longer than the patience.
        """
        # All in the body: AWS's Ray Serve container passes no header on but two.
        question = {
            "photos": [base64.b64encode(photo).decode()],
            "top_k": top_k,
            "explain": explain,
        }
        request = {
            "EndpointName": self._endpoint,
            "ContentType": JSON_TYPE,
            "Accept": JSON_TYPE,
            "Body": json.dumps(question).encode(),
        }
        with translate_errors(f"asking endpoint {self._endpoint}"):
            body, client_ms = self._send(request)
        return _reply(self._endpoint, body, client_ms)

    def _send(self, request: Mapping[str, Any]) -> tuple[bytes, float]:
        """Send until there is an answer or the patience is at its end."""
        pause, begun = FIRST_PAUSE_S, time.monotonic()
        while True:
            started = time.perf_counter()
            try:
                body: bytes = self._client.invoke_endpoint(**request)["Body"].read()
                return body, 1000 * (time.perf_counter() - started)
            except ClientError as error:
                _check_photo(error)
                late = time.monotonic() + pause > begun + self._patience_s
                if late or not _may_pass(error):
                    self._check_endpoint(error)
                    raise
            except NO_NETWORK:
                if time.monotonic() + pause > begun + self._patience_s:
                    raise
            time.sleep(pause)
            pause = min(LONGEST_PAUSE_S, GROWTH * pause)

    def _check_endpoint(self, error: ClientError) -> None:
        """Raise a CloudError for an endpoint that isn't there, or stays busy."""
        name, place = self._endpoint, self._place
        if code_of(error) == "ValidationError" and "not found" in str(error).lower():
            raise CloudError(
                f"There is no endpoint {name} in this region, or it isn't up: "
                f"{typed('teardown')}{place} lists this project's, {typed('deploy')} makes one."
            ) from error
        if _may_pass(error):
            said = _error_in(str(error.response.get("OriginalMessage", "")))
            why = said.get("message") or str(error.response["Error"].get("Message", ""))
            raise CloudError(
                f"endpoint {name} didn't answer within {self._patience_s:g} s ({code_of(error)}: "
                f"{why.rstrip('.')}): {typed('query')} endpoint={name}{place} "
                "logs=true shows what its server wrote."
            ) from error


def row(path: str, breeds: Sequence[Mapping[str, Any]], unknown: bool) -> dict[str, Any]:
    """An answer as programs read it, with the keys of `python -m dogbreed.predict`."""
    rounded = [{**each, "probability": round(each["probability"], 6)} for each in breeds]
    return {"path": path, **rounded[0], "unknown": unknown, "breeds": rounded, "error": None}


def _may_pass(error: ClientError) -> bool:
    """Whether it may answer a little later."""
    if code_of(error) == "ModelError":
        return error.response.get("OriginalStatusCode") in BUSY_STATUSES
    return code_of(error) in BUSY


def _check_photo(error: ClientError) -> None:
    """Raise a PhotoError if the model refuses the photo itself."""
    status = int(error.response.get("OriginalStatusCode") or 0)
    if code_of(error) != "ModelError" or not 400 <= status < 500 or status in BUSY_STATUSES:
        return
    said = _error_in(str(error.response.get("OriginalMessage", "")))
    raise PhotoError(said.get("code", "refused"), said.get("message", f"refused with {status}"))


def _error_in(text: str) -> Mapping[str, str]:
    """What the model says of its error; nothing where that isn't in our form."""
    try:
        said = json.loads(text)["error"]
        return {"code": str(said["code"]), "message": str(said["message"])}
    except (ValueError, TypeError, KeyError):
        return {"message": text[:200]} if text.strip() else {}


def _reply(endpoint: str, body: bytes, client_ms: float) -> Reply:
    try:
        answer = json.loads(body)
        (entry,) = answer["predictions"]
        if "error" in entry:
            raise PhotoError(entry["error"]["code"], entry["error"]["message"])
        return Reply(
            breeds=list(entry["breeds"]),
            unknown=bool(entry["unknown"]),
            explanation=entry.get("explanation"),
            client_ms=client_ms,
            model_ms=answer.get("model_ms"),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise CloudError(
            f"endpoint {endpoint} answers in a form that isn't this project's: was it made by "
            f"{typed('deploy')}?"
        ) from error
