"""What the server's OpenAPI says of /ping and /invocations."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dogbreed.data.decoding.image_formats.base import IMAGE_FORMATS
from dogbreed.serving.requests.invocations import JSON_TYPE, MAX_BYTES, MAX_PHOTOS, MAX_TOP_K, TOP_K

_PHOTO_TYPES = (
    *(each.content_type for each in IMAGE_FORMATS.values()),
    "application/octet-stream",
)
FORM_TYPE, TEXT_TYPE = "multipart/form-data", "text/plain"
_PHOTO = {"type": "string", "format": "binary", "description": "a photo's bytes"}
_TOP_K = {
    "type": "integer",
    "minimum": 1,
    "maximum": MAX_TOP_K,
    "default": TOP_K,
    "description": "breeds of each photo, the likeliest first",
}
_EXPLAIN = {
    "type": "boolean",
    "default": False,
    "description": "add each photo with the heat of what speaks for its breed",
}
_ADDRESS = "http://127.0.0.1:8080/invocations"
# Redoc's extension, which other readers of OpenAPI know too.
_COMMANDS = {
    "A photo": f"curl --data-binary @photo.jpg '{_ADDRESS}?top_k=3'",
    "Several photos, as a form": f"curl -F file=@a.jpg -F file=@b.jpg -F top_k=3 {_ADDRESS}",
    "JSON": f"""echo '{{"photos": ["'$(base64 < photo.jpg)'"]}}' | curl -d @- {_ADDRESS}""",
}


_HEADER = '-H "Authorization: Bearer $DOGBREED_TOKEN"'


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
    200: {"description": "Photos are answered", "content": {}},
    503: {"description": "The model is being loaded"},
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": Answers, "description": "One answer per photo; one at least has breeds"},
    400: {"model": Refusal, "description": "The request, or every photo in it, can't be used"},
    403: {"model": Refusal, "description": "A page of another site has sent it"},
    406: {"model": Refusal, "description": "The caller doesn't accept JSON"},
    408: {"model": Refusal, "description": "The body took too long to arrive"},
    413: {
        "model": Refusal,
        "description": "Too many bytes, photos or pixels, or a photo of too many parts",
    },
    415: {"model": Refusal, "description": "It is no photo of a known format or encoding"},
    421: {"model": Refusal, "description": "The Host isn't one of the server's"},
    429: {"model": Refusal, "description": "Too many photos wait: try again after Retry-After"},
    503: {"model": Refusal, "description": "The model can't be loaded"},
}
INVOCATIONS: dict[str, Any] = {
    "x-codeSamples": [
        {"lang": "Shell", "label": label, "source": command} for label, command in _COMMANDS.items()
    ],
    "parameters": [
        {"name": "top_k", "in": "query", "schema": _TOP_K, "description": _TOP_K["description"]},
        {
            "name": "explain",
            "in": "query",
            "schema": _EXPLAIN,
            "description": _EXPLAIN["description"],
        },
    ],
    "requestBody": {
        "required": True,
        "description": (
            "The bytes decide what a body is, not its Content-Type. With Content-Encoding gzip or "
            "deflate it is decompressed. It has at most "
            f"{MAX_BYTES // 2**20} MiB and {MAX_PHOTOS} photos."
        ),
        "content": {
            **{name: {"schema": _PHOTO} for name in _PHOTO_TYPES},
            TEXT_TYPE: {
                "schema": {
                    "type": "string",
                    "format": "photo",
                    "description": "a photo in base64, or as a data URI",
                }
            },
            FORM_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": MAX_PHOTOS,
                            "items": _PHOTO,
                            "description": "photos as files; the field may have any name",
                        },
                        "top_k": _TOP_K,
                        "explain": _EXPLAIN,
                    },
                }
            },
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
                            "description": "photos in base64, or as data URIs",
                        },
                        "top_k": _TOP_K,
                        "explain": _EXPLAIN,
                    },
                }
            },
        },
    },
}


def with_token(openapi: dict[str, Any]) -> dict[str, Any]:
    """The document of a server that wants a token with every request but /ping."""
    scheme = {"type": "http", "scheme": "bearer", "description": "the server's token"}
    openapi["components"]["securitySchemes"] = {"token": scheme}
    openapi["security"] = [{"token": []}]
    openapi["paths"]["/ping"]["get"]["security"] = []
    invocations = openapi["paths"]["/invocations"]["post"]
    invocations["x-codeSamples"] = [
        {**sample, "source": sample["source"].replace("curl ", f"curl {_HEADER} ")}
        for sample in invocations["x-codeSamples"]
    ]
    refused = {**invocations["responses"]["403"], "description": "The token is missing or wrong"}
    invocations["responses"] = dict(sorted({**invocations["responses"], "401": refused}.items()))
    return openapi
