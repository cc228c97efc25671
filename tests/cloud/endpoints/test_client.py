"""What an endpoint answers, and what becomes of it: classes, another try, or a sentence."""

import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from dogbreed.cloud.endpoints.client import Client
from dogbreed.errors import CloudError, PhotoError
from dogbreed.serving.requests.invocations import Invocation, read_invocation

AKITA = {"label": "Akita", "class": "n1-Akita", "probability": 0.75}
GOOD = {"predictions": [{"unknown": False, "classes": [AKITA]}], "model_ms": 12.5}


class Answering:
    """A session whose only client answers from a list."""

    def __init__(self, answers: Sequence[Any]) -> None:
        self.answers, self.requests = list(answers), list[dict[str, Any]]()

    def client(self, service: str, **more: object) -> "Answering":
        assert service == "sagemaker-runtime"
        return self

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"Body": io.BytesIO(json.dumps(answer).encode())}


class Account:
    def __init__(self, session: Answering) -> None:
        self.session = session


def refusal(code: str, **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "because"}, **more}, "InvokeEndpoint")


def model_error(status: int, message: str = "") -> ClientError:
    return refusal("ModelError", OriginalStatusCode=status, OriginalMessage=message)


def invoke(*answers: Any, retry_s: float = 30.0, **request: Any) -> tuple[Any, Answering]:
    session = Answering(answers)
    client = Client(Account(session), "dogs", retry_s=retry_s)  # type: ignore[arg-type]
    return client.invoke(b"\xff\xd8photo", top_k=2, **request), session


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def test_an_answer_has_classes_and_both_times() -> None:
    reply, session = invoke(GOOD, explain=True)
    assert reply.classes == [AKITA]
    assert reply.model_ms == 12.5
    assert reply.client_ms > 0
    (request,) = session.requests
    assert request["EndpointName"] == "dogs"
    assert request["ContentType"] == "application/json"
    invocation = read_invocation(request["Body"], {})
    assert invocation == Invocation(photos=(b"\xff\xd8photo",), top_k=2, explain=True)


@pytest.mark.parametrize(
    "passing",
    [
        refusal("ThrottlingException"),
        refusal("ModelNotReadyException"),
        refusal("ServiceUnavailable"),
        refusal("InternalDependencyException"),
        model_error(429),
        model_error(503, "loading"),
        EndpointConnectionError(endpoint_url="https://aws"),
    ],
)
def test_what_passes_is_waited_for(passing: Exception) -> None:
    reply, session = invoke(passing, passing, GOOD)
    assert reply.classes == [AKITA]
    assert len(session.requests) == 3


def test_a_photo_that_the_model_refuses_is_reported_and_not_retried() -> None:
    body = json.dumps({"error": {"code": "truncated", "message": "The file ends too early."}})
    with pytest.raises(PhotoError, match=r"The file ends too early\.") as caught:
        invoke(model_error(400, body))
    assert caught.value.reason == "truncated"
    with pytest.raises(PhotoError, match="refused with 413"):
        invoke(model_error(413))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (model_error(500, "worker died"), "didn't respond within 0 s .*worker died.*logs=true"),
        (
            refusal("ValidationError"),
            "invoking endpoint dogs: AWS answers ValidationError: because",
        ),
        (refusal("AccessDeniedException"), "AWS doesn't allow it"),
        ({"something": "else"}, "isn't in this project's format"),
    ],
)
def test_what_does_not_pass_is_one_sentence(answer: Any, sentence: str) -> None:
    with pytest.raises(CloudError, match=sentence):
        invoke(answer, retry_s=0)
