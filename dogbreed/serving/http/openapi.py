"""The OpenAPI description of /ping and /invocations."""

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
    "description": "classes per photo, the most likely first",
}
_EXPLAIN = {
    "type": "boolean",
    "default": False,
    "description": "add a Grad-CAM overlay of each photo's most likely class",
}
_ADDRESS = "http://127.0.0.1:8080/invocations"
# Redoc's extension, which other OpenAPI tools support too.
_COMMANDS = {
    "A photo": f"curl --data-binary @photo.jpg '{_ADDRESS}?top_k=3'",
    "Several photos, as a form": f"curl -F file=@a.jpg -F file=@b.jpg -F top_k=3 {_ADDRESS}",
    "JSON": f"""echo '{{"photos": ["'$(base64 < photo.jpg)'"]}}' | curl -d @- {_ADDRESS}""",
}


_HEADER = '-H "Authorization: Bearer $DOGBREED_TOKEN"'


class Fault(BaseModel):
    """Why a photo or a request is refused."""

    code: str = Field(description="an identifier for programs")
    message: str = Field(description="a sentence for people")


class Refusal(BaseModel):
    """The body of every response except 200."""

    error: Fault


class ClassOut(BaseModel):
    """A class of the model."""

    label: str = Field(description="its name for people")
    class_: str = Field(alias="class", description="its folder's name in training")
    probability: float = Field(ge=0, le=1, description="calibrated")


class PhotoOut(BaseModel):
    """The response's entry for one photo: its classes, or an error."""

    unknown: bool | None = Field(None, description="no class reaches the model's threshold")
    classes: list[ClassOut] | None = Field(None, description="the most likely first")
    explanation: str | None = Field(None, description="the Grad-CAM overlay, a JPEG in base64")
    error: Fault | None = None


class Predictions(BaseModel):
    """One entry per photo, in their order."""

    model_config = ConfigDict(title="Predictions", protected_namespaces=())

    predictions: list[PhotoOut]
    model_ms: float = Field(
        description="milliseconds in the server, from the request's last byte to the predictions"
    )


PING: dict[int | str, dict[str, Any]] = {
    200: {"description": "The model is ready", "content": {}},
    503: {"description": "The model is loading"},
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": Predictions, "description": "One entry per photo; at least one has classes"},
    400: {"model": Refusal, "description": "The request, or every photo in it, is invalid"},
    403: {"model": Refusal, "description": "It was sent by a page of another site"},
    406: {"model": Refusal, "description": "The client doesn't accept JSON"},
    408: {"model": Refusal, "description": "The body took too long to arrive"},
    413: {
        "model": Refusal,
        "description": "Too many bytes, photos or pixels, or a photo with too many parts",
    },
    415: {"model": Refusal, "description": "Not a photo of a supported format or encoding"},
    421: {"model": Refusal, "description": "The server doesn't accept the Host"},
    429: {
        "model": Refusal,
        "description": "Too many photos are pending: try again after Retry-After",
    },
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
            "The format is recognised by the bytes, not by Content-Type. With Content-Encoding "
            "gzip or deflate it is decompressed. At most "
            f"{MAX_BYTES // 2**20} MiB and {MAX_PHOTOS} photos are accepted."
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
    """The document of a server that needs a token with every request but /ping."""
    scheme = {"type": "http", "scheme": "bearer", "description": "the server's token"}
    openapi["components"]["securitySchemes"] = {"token": scheme}
    openapi["security"] = [{"token": []}]
    openapi["paths"]["/ping"]["get"]["security"] = []
    invocations = openapi["paths"]["/invocations"]["post"]
    invocations["x-codeSamples"] = [
        {**sample, "source": sample["source"].replace("curl ", f"curl {_HEADER} ")}
        for sample in invocations["x-codeSamples"]
    ]
    unauthorized = {
        **invocations["responses"]["403"],
        "description": "The token is missing or wrong",
    }
    invocations["responses"] = dict(
        sorted({**invocations["responses"], "401": unauthorized}.items())
    )
    return openapi
