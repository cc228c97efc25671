"""A request to an endpoint and its response, the same for every server.

Neither torch nor a web framework is imported: this module is packed into every container.
"""

import base64
import io
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from dogbreed.data.decoding import formats
from dogbreed.data.decoding.structure.tiff import is_tiff
from dogbreed.errors import EngineError, PhotoError
from dogbreed.serving.prediction import Prediction
from dogbreed.serving.predictor import Predictor
from dogbreed.serving.requests.bodies import MAX_PHOTOS as MAX_PHOTOS
from dogbreed.serving.requests.bodies import PARAMETERS, from_text, read_body, unknown_key
from dogbreed.serving.requests.errors import SEND_A_PHOTO
from dogbreed.serving.requests.errors import RequestError as RequestError
from dogbreed.serving.web.compressed import inflated

# Several photos as phones take them. SageMaker accepts less: 6 MiB to an endpoint on instances
# (the longest Body in botocore's model of InvokeEndpoint), 4 MB to a serverless one.
MAX_BYTES = 25 * 2**20
MAX_TOP_K = 1000
TOP_K = 5
JSON_TYPE = "application/json"
# The header with InvokeEndpoint's CustomAttributes.
ATTRIBUTES_HEADER = "x-amzn-sagemaker-custom-attributes"
ENCODING_HEADER = "content-encoding"
_STATUS_OF = {
    "too_large": 413,
    "too_complex": 413,
    "too_slow": 413,
    "not_an_image": 415,
    "encoded": 415,
    "unsupported_format": 415,
    "busy": 429,
}
_OVERLAY_QUALITY = 85
# deploy.tiff sets it to 1 in a container that accepts TIFFs.
TIFF_VARIABLE = "DOGBREED_TIFF"


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """A request: its photos' bytes, how many classes per photo, whether to add Grad-CAM overlays.

    `hint` says what to change in the body if none of its photos can be used.
    """

    photos: tuple[bytes, ...]
    top_k: int = TOP_K
    explain: bool = False
    hint: str = ""


def read_invocation(body: bytes, parameters: Mapping[str, str], encoding: str = "") -> Invocation:
    """The request in a body: one photo's bytes, base64 of them, JSON, or a form with files.

    JSON is {"photos": ["<base64>", ...], "top_k": 5, "explain": false}; the last two are optional.

    Args:
        parameters: `top_k` and `explain` as texts, used where the body doesn't have them.
        encoding: the header Content-Encoding.

    Raises:
        RequestError: the body is none of these, too large or empty, or a parameter is invalid.
    """
    check_size(len(body))
    try:
        body = inflated(body, encoding, MAX_BYTES)
    except PhotoError as error:
        status = _STATUS_OF.get(error.reason, 400)
        message = f"The body can't be read: {error}. Send a photo uncompressed: {SEND_A_PHOTO}."
        raise RequestError(status, error.reason, message) from error
    if not body:
        raise RequestError(
            400, "empty", f"The body is empty: send a photo's bytes ({SEND_A_PHOTO}), or JSON."
        )
    found = read_body(body)
    outside = {name: from_text(text) for name, text in parameters.items()}
    for name in sorted(set(outside) - set(PARAMETERS)):
        raise unknown_key(name)
    top_k, explain = _top_k(outside.get("top_k", TOP_K)), _explain(outside.get("explain", False))
    return Invocation(
        photos=found.photos,
        top_k=_top_k(found.parameters.get("top_k", top_k)),
        explain=_explain(found.parameters.get("explain", explain)),
        hint=found.hint,
    )


def attributes(text: str) -> dict[str, str]:
    """The parameters in InvokeEndpoint's CustomAttributes: "top_k=3;explain=true".

    Other names are ignored: other software may use the same header.
    """
    pairs = (part.partition("=") for part in text.split(";"))
    found = {name.strip(): value.strip() for name, _, value in pairs}
    return {name: found[name] for name in PARAMETERS if name in found}


def check_size(size_bytes: int) -> None:
    """Check the size of a body.

    Raises:
        RequestError: 413, it has more than MAX_BYTES.
    """
    if size_bytes > MAX_BYTES:
        raise RequestError(
            413,
            "too_large",
            f"The request has more than {MAX_BYTES:,} bytes: send fewer photos, or smaller ones.",
        )


def check_accept(accept: str) -> None:
    """Check that the client accepts JSON.

    Raises:
        RequestError: 406, it doesn't.
    """
    ranges = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if accept.strip() and not ranges & {JSON_TYPE, "application/*", "*/*"}:
        raise RequestError(406, "not_acceptable", f"Responses are {JSON_TYPE}: accept that.")


def entry_of(result: Prediction | PhotoError) -> dict[str, Any]:
    """A response's entry for one photo: its classes, or why it can't be used."""
    if isinstance(result, PhotoError):
        return {"error": {"code": result.reason, "message": _sentence(result)}}
    return result.as_dict()


def explanation_of(overlay: bytes) -> str:
    """A Grad-CAM overlay, a JPEG, as an entry contains it."""
    return base64.b64encode(overlay).decode()


def response_of(
    entries: Sequence[Mapping[str, Any]], started: float, hint: str = ""
) -> dict[str, Any]:
    """The response's values.

    Args:
        started: when the request was complete, by time.perf_counter.
        hint: the invocation's.

    Raises:
        RequestError: none of the photos can be used; the first one's reason.
    """
    if all("error" in entry for entry in entries):
        error = entries[0]["error"]
        message = f"{error['message']} {hint}".strip()
        raise RequestError(_STATUS_OF.get(error["code"], 400), error["code"], message)
    model_ms = round(1000 * (time.perf_counter() - started), 2)
    return {"predictions": list(entries), "model_ms": model_ms}


def refusal_of(photo: bytes, *, tiff: bool) -> PhotoError | None:
    """Why a server refuses to open a photo; None if it opens it.

    TIFF has more kinds of compression and layout than all other formats, its decoders have the most
    vulnerabilities, and browsers and phones don't send it: it is off unless `tiff`.
    """
    if tiff or not is_tiff(photo) or formats.unsupported(photo[: formats.HEAD_BYTES]):
        return None
    return PhotoError(
        formats.UNSUPPORTED,
        "TIFF isn't accepted by this server: convert it to JPEG or PNG (magick photo.tif "
        "photo.png), or start the server with tiff=true, an endpoint with deploy.tiff=true",
    )


def respond(predictor: Predictor, invocation: Invocation) -> dict[str, Any]:
    """The response to a request, computed in this process; TIFF_VARIABLE=1 accepts TIFFs.

    Raises:
        RequestError: as `response_of`; or overlays are requested and the network has no Grad-CAM.
    """
    started = time.perf_counter()
    entries = []
    tiff = os.environ.get(TIFF_VARIABLE) == "1"
    refusals = [refusal_of(photo, tiff=tiff) for photo in invocation.photos]
    accepted = [
        photo for photo, refusal in zip(invocation.photos, refusals, strict=True) if refusal is None
    ]
    results = predictor.predict_many(accepted, invocation.top_k)
    for photo, refusal in zip(invocation.photos, refusals, strict=True):
        result = refusal or next(results)
        entry = entry_of(result)
        if invocation.explain and isinstance(result, Prediction):
            try:
                overlay = predictor.explain(photo, result.classes[0].class_name)
            except EngineError as error:
                raise not_explained(error) from error
            entry["explanation"] = explanation_of(as_jpeg(overlay))
        entries.append(entry)
    return response_of(entries, started, invocation.hint)


def not_explained(why: Exception) -> RequestError:
    """The error for a network that has no Grad-CAM."""
    return RequestError(400, "not_explained", str(why))


def as_jpeg(overlay: Image.Image) -> bytes:
    """An overlay as the bytes of a JPEG."""
    file = io.BytesIO()
    overlay.save(file, "JPEG", quality=_OVERLAY_QUALITY)
    return file.getvalue()


def _top_k(value: Any) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)  # 1.0 is an integer to JSON Schema
    if type(value) is not int or not 1 <= value <= MAX_TOP_K:
        raise RequestError(400, "bad_top_k", f"top_k must be a whole number, 1 to {MAX_TOP_K}.")
    return value


def _explain(value: Any) -> bool:
    if type(value) is not bool:
        raise RequestError(400, "bad_explain", "explain must be true or false.")
    return value


def _sentence(error: PhotoError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
