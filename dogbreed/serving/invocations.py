"""A request to an endpoint and its answer, the same for every server that takes them.

Neither torch nor a web framework is imported: what stands here travels into every container.
"""

import base64
import binascii
import io
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from dogbreed.errors import DogbreedError, EngineError, PhotoError
from dogbreed.serving.prediction import Prediction
from dogbreed.serving.predictor import Predictor

# Several photos as phones take them. SageMaker passes on less: 6 MiB to an endpoint on instances
# (the longest Body in botocore's model of InvokeEndpoint), 4 MB to a serverless one.
MAX_BYTES = 25 * 2**20
MAX_PHOTOS = 32
MAX_TOP_K = 1000
TOP_K = 5
JSON_TYPE = "application/json"
# Where InvokeEndpoint's CustomAttributes arrive.
ATTRIBUTES_HEADER = "x-amzn-sagemaker-custom-attributes"
# The photos and two more keys need fewer; a body that is all brackets would be gigabytes of lists.
_MAX_JSON_SIGNS = 4 * MAX_PHOTOS
_JSON_BEGINS = re.compile(rb"\s*[\[{]")  # as no photo does
_STATUS_OF = {"too_large": 413, "not_an_image": 415, "unsupported_format": 415}
_EXPLAINED_QUALITY = 85


class RequestError(DogbreedError):
    """A request that can't be answered: an HTTP status, a word for programs, a sentence for people.

    The status is 4xx where the request is wrong.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def as_dict(self) -> dict[str, Any]:
        """The answer's body."""
        return {"error": {"code": self.code, "message": str(self)}}


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """A request: the bytes of its photos, how many breeds of each, and whether to explain them."""

    photos: tuple[bytes, ...]
    top_k: int = TOP_K
    explain: bool = False


def read_invocation(body: bytes, parameters: Mapping[str, str]) -> Invocation:
    """The request in a body: one photo's bytes, or JSON. The bytes decide, not a header.

    JSON is {"photos": ["<base64>", ...], "top_k": 5, "explain": false}, the last two as wanted.
    `parameters` are `top_k` and `explain` as texts, for a photo's bytes; JSON's own go first.

    Raises:
        RequestError: the body is neither, too large or empty, or a parameter isn't right.
    """
    check_size(len(body))
    if not body:
        raise RequestError(400, "empty", "The body is empty: send a photo's bytes, or JSON.")
    given: dict[str, Any] = {name: _from_text(text) for name, text in parameters.items()}
    photos: tuple[bytes, ...] = (body,)
    if _JSON_BEGINS.match(body):
        values = _json_object(body)
        photos = _photos(values.pop("photos", None))
        given |= values
    unknown = sorted(set(given) - {"top_k", "explain"})
    if unknown:
        raise RequestError(
            400,
            "unknown_key",
            f"There is no {unknown[0][:100]!r}: photos, top_k and explain are known.",
        )
    return Invocation(
        photos=photos,
        top_k=_top_k(given.get("top_k", TOP_K)),
        explain=_explain(given.get("explain", False)),
    )


def attributes(text: str) -> dict[str, str]:
    """The parameters in InvokeEndpoint's CustomAttributes: "top_k=3;explain=true".

    Names that aren't ours are left out: others may send theirs through the same header.
    """
    pairs = (part.partition("=") for part in text.split(";"))
    found = {name.strip(): value.strip() for name, _, value in pairs}
    return {name: found[name] for name in ("top_k", "explain") if name in found}


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
    """What an answer has for one photo: its breeds, or why it can't be used."""
    if isinstance(prediction, PhotoError):
        return {"error": {"code": prediction.reason, "message": _sentence(prediction)}}
    return prediction.as_dict()


def explanation_of(picture: bytes) -> str:
    """A photo with its heat, a JPEG, as an entry has it."""
    return base64.b64encode(picture).decode()


def answer_of(entries: Sequence[Mapping[str, Any]], started: float) -> dict[str, Any]:
    """The whole answer; `started` is when the request was there, as time.perf_counter gave it.

    Raises:
        RequestError: not one of the photos can be used; the first one's reason.
    """
    if all("error" in entry for entry in entries):
        error = entries[0]["error"]
        raise RequestError(_STATUS_OF.get(error["code"], 400), error["code"], error["message"])
    milliseconds = round(1000 * (time.perf_counter() - started), 2)
    return {"predictions": list(entries), "model_ms": milliseconds}


def answer(predictor: Predictor, invocation: Invocation) -> dict[str, Any]:
    """The answer to a request, computed here.

    Raises:
        RequestError: as `answer_of`; it is to be explained, and this network can't be.
    """
    started = time.perf_counter()
    entries = []
    results = predictor.predict_many(invocation.photos, invocation.top_k)
    for photo, result in zip(invocation.photos, results, strict=True):
        entry = entry_of(result)
        if invocation.explain and isinstance(result, Prediction):
            try:
                picture = predictor.explain(photo, result.breeds[0].class_name)
            except EngineError as error:
                raise not_explained(error) from error
            entry["explanation"] = explanation_of(as_jpeg(picture))
        entries.append(entry)
    return answer_of(entries, started)


def not_explained(why: Exception) -> RequestError:
    """The refusal to explain what this network's pictures can't be had of."""
    return RequestError(400, "not_explained", str(why))


def as_jpeg(picture: Image.Image) -> bytes:
    """A picture to look at, as it travels."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_EXPLAINED_QUALITY)
    return file.getvalue()


def _json_object(body: bytes) -> dict[str, Any]:
    if sum(map(body.count, (b"[", b"{", b","))) > _MAX_JSON_SIGNS:
        raise RequestError(
            413, "too_many_photos", f"A request has {MAX_PHOTOS} photos at most: send several."
        )
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "not_json", f"The body isn't JSON: {error}.") from error
    if not isinstance(values, dict):
        raise RequestError(400, "not_an_object", 'The JSON must be {"photos": ["<base64>", ...]}.')
    return values


def _photos(values: Any) -> tuple[bytes, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise RequestError(400, "no_photos", '"photos" must be a list of photos in base64.')
    if not 0 < len(values) <= MAX_PHOTOS:
        status, code = (413, "too_many_photos") if values else (400, "no_photos")
        raise RequestError(
            status, code, f'"photos" has {len(values):,} photos: 1 to {MAX_PHOTOS} may be sent.'
        )
    try:
        return tuple(binascii.a2b_base64(value, strict_mode=True) for value in values)
    except ValueError as error:
        raise RequestError(400, "not_base64", f'"photos" isn\'t base64: {error}.') from error


def _from_text(text: str) -> Any:
    """A parameter's text as the value that JSON would have; what is neither stays a text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if text.isdecimal() and len(text) < 10 else text


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
