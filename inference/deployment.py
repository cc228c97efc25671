"""A model in AWS's Ray Serve container: the deployment that config.yaml names.

Ray Serve listens on port 8000; the container's adapter takes /invocations on port 8080, passes on
the body, Content-Type, Accept and (since image 1.2) all headers X-Amzn-SageMaker-*, of which
CustomAttributes is one, and returns the status, the body and such headers. In older images `top_k`
and `explain` can only be given in JSON. Its /ping is 200 before the model is loaded. (Source: aws/
deep-learning-containers, scripts/docker/ray/, in August 2026; tests/inference/aws_ray/.)

A wrong request gets a 4xx with the same body as from every other server of this project, in a batch
transform job a 200. Ray itself
sends two responses: 503 with a line of text if its queue is full, and 500 if the process dies.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

# The packages of the archive come before the container's, and its code before both.
sys.path.insert(0, str(Path(__file__).resolve().parent / "code" / "packages"))
sys.path.insert(0, str(Path(__file__).resolve().parent / "code"))

from dogbreed.serving.container import container_engine, container_gpus
from dogbreed.serving.decoding_budget import DecodingBudget
from dogbreed.serving.predictor import Predictor
from dogbreed.serving.requests.invocations import (
    ATTRIBUTES_HEADER,
    ENCODING_HEADER,
    RequestError,
    attributes,
    check_accept,
    read_invocation,
    respond,
)

MODEL = Path(__file__).resolve().parent


class Endpoint:
    """Handles one request at a time, as the predictor does; the others wait (config.yaml)."""

    def __init__(self) -> None:
        # Ray limits torch to one core by this variable; OpenVINO ignores it and uses all cores.
        os.environ.pop("OMP_NUM_THREADS", None)
        budget = DecodingBudget()
        self._predictor = Predictor.load(MODEL, engine=container_engine(), decoding_budget=budget)

    async def __call__(self, request: Request) -> JSONResponse:
        """The response to a request to any path."""
        body = await request.body()
        try:
            # In a thread: a long call in the event loop would make Ray take the process for dead.
            return JSONResponse(await asyncio.to_thread(self._respond, body, request))
        except RequestError as error:
            return JSONResponse(error.as_dict(), error.sent_status)

    def _respond(self, body: bytes, request: Request) -> dict[str, Any]:
        check_accept(request.headers.get("accept", ""))
        parameters = attributes(request.headers.get(ATTRIBUTES_HEADER, ""))
        encoding = request.headers.get(ENCODING_HEADER, "")
        invocation = read_invocation(body, parameters, encoding)
        return respond(self._predictor, invocation)


app = serve.deployment(Endpoint, ray_actor_options={"num_gpus": container_gpus()}).bind()
