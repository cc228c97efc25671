"""A model in AWS's Ray Serve container: the deployment that config.yaml names.

Ray Serve answers at 8000; the container's own adapter takes /invocations at 8080 and passes on the
body, Content-Type and Accept, and back the status and the body. What CustomAttributes say is lost
on the way: in this container `top_k` and `explain` are parameters of JSON alone. (Source: aws/
deep-learning-containers, scripts/ray/sagemaker_serve.py, in November 2026.)

A wrong request is a 4xx with the body that every server of this project answers with. Ray's own
are two: 503 with a line of text where its queue is full, and 500 where the process dies meanwhile.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

sys.path.insert(0, str(Path(__file__).resolve().parent / "code"))

from dogbreed.serving.decoding_budget import Room
from dogbreed.serving.predictor import Predictor
from dogbreed.serving.requests.invocations import (
    ATTRIBUTES_HEADER,
    ENCODING_HEADER,
    RequestError,
    answer,
    attributes,
    check_accept,
    read_invocation,
)

MODEL = Path(__file__).resolve().parent


class Endpoint:
    """Answers one request at a time, as the predictor does; config.yaml has the others wait."""

    def __init__(self) -> None:
        # Ray allows its processes one core, where torch computes; OpenVINO takes all as it is.
        os.environ.pop("OMP_NUM_THREADS", None)
        self._predictor = Predictor.load(MODEL, room=Room())

    async def __call__(self, request: Request) -> JSONResponse:
        """The answer to a request, whatever its path."""
        body = await request.body()
        try:
            # In a thread of its own, or Ray would think of a long answer that the process is ill.
            return JSONResponse(await asyncio.to_thread(self._answer, body, request))
        except RequestError as error:
            return JSONResponse(error.as_dict(), error.status)

    def _answer(self, body: bytes, request: Request) -> dict[str, Any]:
        check_accept(request.headers.get("accept", ""))
        parameters = attributes(request.headers.get(ATTRIBUTES_HEADER, ""))
        encoding = request.headers.get(ENCODING_HEADER, "")
        invocation = read_invocation(body, parameters, encoding)
        return answer(self._predictor, invocation)


app = serve.deployment(Endpoint).bind()
