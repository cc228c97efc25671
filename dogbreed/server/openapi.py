"""What the server's OpenAPI says of /ping and /invocations."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dogbreed.serving.invocations import JSON_TYPE, MAX_PHOTOS, MAX_TOP_K, TOP_K

_PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
_TOP_K = {"type": "integer", "minimum": 1, "maximum": MAX_TOP_K, "default": TOP_K}
_EXPLAIN = {"type": "boolean", "default": False}


class Fault(BaseModel):
    """Why something can't be answered."""

    code: str = Field(description="a word for programs")
    message: str = Field(description="a sentence for people")


class Refusal(BaseModel):
    """The body of every answer but 200."""

    error: Fault


class BreedOut(BaseModel):
    """A breed, as the model's class."""

    breed: str
    class_: str = Field(alias="class", description="its folder's name in training")
    probability: float = Field(ge=0, le=1, description="calibrated")


class PhotoOut(BaseModel):
    """The answer for one photo: its breeds, or an error."""

    unknown: bool | None = Field(None, description="no breed reaches the model's threshold")
    breeds: list[BreedOut] | None = Field(None, description="the likeliest first")
    explanation: str | None = Field(None, description="the photo with its heat, a JPEG in base64")
    error: Fault | None = None


class Answers(BaseModel):
    """One answer per photo, in their order."""

    model_config = ConfigDict(title="Answers", protected_namespaces=())

    predictions: list[PhotoOut]
    model_ms: float = Field(
        description="milliseconds in the server, from the request's last byte to the answers"
    )


PING: dict[int | str, dict[str, Any]] = {
    200: {"description": "They are", "content": {}},
    503: {"description": "The model is being loaded"},
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": Answers, "description": "One answer per photo; one at least has breeds"},
    400: {"model": Refusal, "description": "The request, or every photo in it, can't be used"},
    406: {"model": Refusal, "description": "The caller doesn't accept JSON"},
    408: {"model": Refusal, "description": "The body took too long to arrive"},
    413: {"model": Refusal, "description": "Too many bytes, photos or pixels"},
    415: {"model": Refusal, "description": "It is no photo of a known format"},
    429: {"model": Refusal, "description": "Too many photos wait: try again after Retry-After"},
    503: {"model": Refusal, "description": "The model can't be loaded"},
}
INVOCATIONS: dict[str, Any] = {
    "parameters": [
        {"name": "top_k", "in": "query", "schema": _TOP_K},
        {"name": "explain", "in": "query", "schema": _EXPLAIN},
    ],
    "requestBody": {
        "required": True,
        "content": {
            **{name: {"schema": {"type": "string", "format": "binary"}} for name in _PHOTO_TYPES},
            JSON_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["photos"],
                    "additionalProperties": False,
                    "properties": {
                        "photos": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": MAX_PHOTOS,
                            "items": {"type": "string", "format": "photo"},
                            "description": "photos in base64",
                        },
                        "top_k": _TOP_K,
                        "explain": _EXPLAIN,
                    },
                }
            },
        },
    },
}
