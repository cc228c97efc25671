"""A model in AWS's PyTorch container: the four functions that TorchServe's toolkit calls.

The toolkit answers 500, with a traceback, to whatever these functions raise. So a wrong request
isn't raised: it is returned as a value, and `output_fn` sets the status and writes the same body as
every other server of this project. Some responses come from TorchServe itself, without a call of
these functions: 500 to a body that is declared a form (application/x-www-form-urlencoded) and isn't
one, 413 over TS_MAX_REQUEST_SIZE, 503 while 100 requests wait, 507 while a dead worker is replaced.
Its /ping is 200 before the model is loaded and while there is no worker.

Of a form with files (multipart/form-data) TorchServe passes on only the field `body`.

One request at a time: with SAGEMAKER_TS_BATCH_SIZE over 1 the toolkit gives all requests of a batch
the headers, and all responses the status, of the first.
"""

import json
import sys
from pathlib import Path
from typing import Any

# The packages of the archive come before the container's.
sys.path.insert(0, str(Path(__file__).resolve().parent / "packages"))

from sagemaker_inference import content_types

from dogbreed.serving.container import container_engine
from dogbreed.serving.decoding_budget import DecodingBudget
from dogbreed.serving.predictor import Predictor
from dogbreed.serving.requests.invocations import (
    ATTRIBUTES_HEADER,
    ENCODING_HEADER,
    JSON_TYPE,
    Invocation,
    RequestError,
    attributes,
    check_accept,
    read_invocation,
    respond,
)

# The toolkit decodes JSON and CSV to text itself, outside of these functions, so that a body that
# isn't UTF-8 would be a 500 (sagemaker-inference 1.10.1, Transformer.transform).
content_types.UTF8_TYPES = []

_FORM = (
    "Of a form this server passes on only the field body: curl -F body=@photo.jpg URL, or "
    "curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' URL."
)


def model_fn(model_dir: str) -> Predictor:
    """The predictor of the unpacked model.tar.gz."""
    budget = DecodingBudget()
    return Predictor.load(model_dir, engine=container_engine(), decoding_budget=budget)


def input_fn(body: bytes | None, content_type: str | None, context: Any) -> Any:
    """The request, or what is wrong with it; `body` is None in a form without that field."""
    try:
        headers = {k.lower(): v for k, v in context.get_all_request_header(0).items()}
        check_accept(headers.get("accept", ""))
        parameters = attributes(headers.get(ATTRIBUTES_HEADER, ""))
        if body is None:
            raise RequestError(400, "empty", _FORM)
        return read_invocation(bytes(body), parameters, headers.get(ENCODING_HEADER, ""))
    except RequestError as error:
        return error


def predict_fn(request: Invocation | RequestError, predictor: Predictor) -> Any:
    """The response's values, or what is wrong with the request."""
    if isinstance(request, RequestError):
        return request
    try:
        return respond(predictor, request)
    except RequestError as error:
        return error


def output_fn(result: Any, accept: str, context: Any) -> tuple[str, str]:
    """The body and its type; the status goes through the context."""
    if isinstance(result, RequestError):
        if result.sent_status != 200:  # as it is in a batch transform job
            context.set_response_status(code=result.sent_status, phrase=result.code)
        result = result.as_dict()
    return json.dumps(result), JSON_TYPE
