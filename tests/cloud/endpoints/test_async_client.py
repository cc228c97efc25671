"""What SageMaker writes for a request that failed, and an endpoint of another project."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dogbreed.cloud.endpoints.async_client import AsyncClient, connect, places_of
from dogbreed.cloud.endpoints.client import Client
from dogbreed.errors import CloudError, PhotoError

if TYPE_CHECKING:
    import boto3
    from helpers.s3_server import S3

pytest_plugins = ("helpers.s3_server",)

BUCKET = "photos-of-dogs"
PLACES = places_of(BUCKET, "dogbreed", "dogs")
REFUSED = (
    'Received client error (415) from primary with message "{"error": {"code": "not_an_image", '
    '"message": "It is no image."}}". See https://console.aws.amazon.com/ for more information.'
)


class Runtime:
    """InvokeEndpointAsync, whose answer is there at once."""

    def __init__(self, s3: "S3", *, output: str | None = None, failure: str | None = None) -> None:
        self.s3, self.output, self.failure = s3, output, failure
        self.requests: list[dict[str, Any]] = []

    def invoke_endpoint_async(self, **request: Any) -> dict[str, str]:
        self.requests.append(request)
        for name, body in (("1.out", self.output), ("1-error.out", self.failure)):
            if body is not None:
                self.s3.write(f"answers/{name}", body.encode())
        start = f"s3://{BUCKET}/answers"
        return {"OutputLocation": f"{start}/1.out", "FailureLocation": f"{start}/1-error.out"}


def client_of(runtime: Runtime, limit_s: float = 5) -> AsyncClient:
    clients = {"s3": runtime.s3.client, "sagemaker-runtime": runtime}
    account: Any = SimpleNamespace(client=clients.__getitem__)
    return AsyncClient(account, "dogs", PLACES, limit_s)


def test_a_photo_that_the_model_refuses_is_its_error(s3: "S3") -> None:
    with pytest.raises(PhotoError, match="It is no image") as raised:
        client_of(Runtime(s3, failure=REFUSED)).invoke(b"x", top_k=1)
    assert raised.value.reason == "not_an_image"


@pytest.mark.parametrize("text", ["Your invocation timed out {\x1b[2J}", "", "{}", '{"error": 1}'])
def test_another_failure_is_a_sentence(text: str, s3: "S3") -> None:
    with pytest.raises(CloudError, match=r"endpoint dogs failed: .*logs=true shows") as raised:
        client_of(Runtime(s3, failure=text)).invoke(b"x", top_k=1)
    assert "\x1b" not in str(raised.value)


def test_waiting_ends(s3: "S3") -> None:
    runtime = Runtime(s3)
    with pytest.raises(
        CloudError, match=r"within 0\.5 s: .* will be in s3://photos-of-dogs/answers/1"
    ):
        client_of(runtime, 0.5).invoke(b"x", top_k=1)
    (request,) = runtime.requests
    assert request["InputLocation"].startswith(PLACES.input)
    assert request["RequestTTLSeconds"] == 60  # the least that the service takes


def test_an_answer_of_another_model_is_a_sentence(s3: "S3") -> None:
    with pytest.raises(CloudError, match="isn't in this project's format"):
        client_of(Runtime(s3, output="[]")).invoke(b"x", top_k=1)


def test_the_kind_of_client_follows_the_endpoint(aws_session: "boto3.Session") -> None:
    description: dict[str, Any] = {}
    sagemaker = SimpleNamespace(describe_endpoint=lambda EndpointName: description)
    account: Any = SimpleNamespace(client=lambda service: sagemaker, session=aws_session)
    assert isinstance(connect(account, "dogs"), Client)
    output = {"S3OutputPath": PLACES.output, "KmsKeyId": "alias/results"}
    description["AsyncInferenceConfig"] = {"OutputConfig": output}
    found = connect(account, "dogs")
    assert isinstance(found, AsyncClient)
    output["S3OutputPath"] = "s3://elsewhere/x/"
    with pytest.raises(CloudError, match="isn't a folder of this project"):
        connect(account, "dogs")
