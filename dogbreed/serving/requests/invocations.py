"""A request to an endpoint and its answer, the same for every server that takes them.

Neither torch nor a web framework is imported: what stands here travels into every container.
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
from dogbreed.serving.requests.compressed import inflated
from dogbreed.serving.requests.errors import SEND_A_PHOTO
from dogbreed.serving.requests.errors import RequestError as RequestError

# Several photos as phones take them. SageMaker passes on less: 6 MiB to an endpoint on instances
# (the longest Body in botocore's model of InvokeEndpoint), 4 MB to a serverless one.
MAX_BYTES = 25 * 2**20
MAX_TOP_K = 1000
TOP_K = 5
JSON_TYPE = "application/json"
# Where InvokeEndpoint's CustomAttributes arrive.
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
_EXPLAINED_QUALITY = 85
# Set to 1 in a container that takes TIFFs, by deploy.tiff.
TIFF_VARIABLE = "DOGBREED_TIFF"


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """A request: the bytes of its photos, how many classes of each, and whether to explain them.

    `hint` is what to do about the body if none of its photos can be used.
    """

    photos: tuple[bytes, ...]
    top_k: int = TOP_K
    explain: bool = False
    hint: str = ""


def read_invocation(body: bytes, parameters: Mapping[str, str], encoding: str = "") -> Invocation:
    """The request in a body: one photo's bytes, base64 of them, JSON, or a form with files.

    JSON is {"photos": ["<base64>", ...], "top_k": 5, "explain": false}, the last two as wanted.

    Args:
        parameters: `top_k` and `explain` as texts, from outside the body; its own go first.
        encoding: the header Content-Encoding.

    Raises:
        RequestError: the body is none of these, too large or empty, or a parameter isn't right.
    """
    check_size(len(body))
    try:
        body = inflated(body, encoding, MAX_BYTES)
    except PhotoError as error:
        status = _STATUS_OF.get(error.reason, 400)
        message = f"The body can't be read: {error}. Send a photo as it is: {SEND_A_PHOTO}."
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

    Names that aren't ours are left out: others may send theirs through the same header.
    """
    pairs = (part.partition("=") for part in text.split(";"))
    found = {name.strip(): value.strip() for name, _, value in pairs}
    return {name: found[name] for name in PARAMETERS if name in found}


def check_size(size_bytes: int) -> None:
    """Refuse a body that is larger than any may be.

    Raises:
        RequestError: 413.
    """
    if size_bytes > MAX_BYTES:
        raise RequestError(
            413,
            "too_large",
            f"The request has more than {MAX_BYTES:,} bytes: send fewer photos, or smaller ones.",
        )


def check_accept(accept: str) -> None:
    """Refuse a caller who doesn't take JSON.

    Raises:
        RequestError: 406.
    """
    ranges = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if accept.strip() and not ranges & {JSON_TYPE, "application/*", "*/*"}:
        raise RequestError(406, "not_acceptable", f"Answers are {JSON_TYPE}: accept that.")


def entry_of(prediction: Prediction | PhotoError) -> dict[str, Any]:
    """What an answer has for one photo: its classes, or why it can't be used."""
    if isinstance(prediction, PhotoError):
        return {"error": {"code": prediction.reason, "message": _sentence(prediction)}}
    return prediction.as_dict()


def explanation_of(picture: bytes) -> str:
    """A photo with its heat, a JPEG, as an entry has it."""
    return base64.b64encode(picture).decode()


def answer_of(
    entries: Sequence[Mapping[str, Any]], started: float, hint: str = ""
) -> dict[str, Any]:
    """The whole answer; `started` is when the request was there, as time.perf_counter gave it.

    `hint` is the invocation's.

    Raises:
        RequestError: not one of the photos can be used; the first one's reason.
    """
    if all("error" in entry for entry in entries):
        error = entries[0]["error"]
        message = f"{error['message']} {hint}".strip()
        raise RequestError(_STATUS_OF.get(error["code"], 400), error["code"], message)
    milliseconds = round(1000 * (time.perf_counter() - started), 2)
    return {"predictions": list(entries), "model_ms": milliseconds}


def refusal_of(photo: bytes, *, tiff: bool) -> PhotoError | None:
    """Why a server doesn't open a photo; None where it does.

    A TIFF has more kinds of compression and of layout than all other formats, in the decoders with
    the most faults, and browsers and phones send none: who needs it says `tiff`.
    """
    if tiff or not is_tiff(photo) or formats.unsupported(photo[: formats.HEAD_BYTES]):
        return None
    return PhotoError(
        formats.UNSUPPORTED,
        "TIFF files aren't accepted here: convert it to JPEG or PNG (for example: magick photo.tif "
        "photo.png), or allow them where the server is started: tiff=true, or deploy.tiff=true of "
        "an endpoint",
    )


def answer(predictor: Predictor, invocation: Invocation) -> dict[str, Any]:
    """The answer to a request, computed here; TIFFs are taken where TIFF_VARIABLE says so.

    Raises:
        RequestError: as `answer_of`; it is to be explained, and this network can't be.
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
                picture = predictor.explain(photo, result.classes[0].class_name)
            except EngineError as error:
                raise not_explained(error) from error
            entry["explanation"] = explanation_of(as_jpeg(picture))
        entries.append(entry)
    return answer_of(entries, started, invocation.hint)


def not_explained(why: Exception) -> RequestError:
    """The refusal to explain what this network's pictures can't be had of."""
    return RequestError(400, "not_explained", str(why))


def as_jpeg(picture: Image.Image) -> bytes:
    """A picture to look at, as it travels."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_EXPLAINED_QUALITY)
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
