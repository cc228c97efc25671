"""A request's body, in every encoding that clients use, as photos and parameters.

The encoding is recognised by the bytes, not by a header: clients send photos with any Content-Type
(curl's default is that of a form). No image format begins like JSON, a form or base64.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dogbreed.serving.requests.base64_text import decode_base64, is_base64
from dogbreed.serving.requests.errors import SEND_A_FORM, SEND_A_PHOTO, RequestError
from dogbreed.serving.requests.multipart import Part, form_parts, is_form
from dogbreed.utils.nouns import counted

MAX_PHOTOS = 32
PARAMETERS = ("top_k", "explain")
# Photos and parameters need fewer brackets and commas; a body of brackets alone would become
# gigabytes of lists.
_MAX_JSON_MARKS = 4 * MAX_PHOTOS
_TEXT_HINT = f"The body is text, not a photo: {SEND_A_PHOTO} (with the @)."
_JSON_BEGINS = re.compile(rb'\s*[\[{"]')
_JSON_FORM = '{"photos": ["<base64>", ...], "top_k": 5, "explain": false}'
_URL_ENCODED = re.compile(rb"[\w.\[\]%+-]{1,100}=[^=\s]|(?:%[0-9A-Fa-f]{2}){4}")
_UTF8_BOM, _UTF16_BOMS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_UTF16_BEGINS = re.compile(rb"([\[{\"]\0)|\0[\[{\"]")
_IMAGE_BEGINS = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|BM|II[*+]\0|MM\0[*+]|RIFF....WEBP|....ftyp", re.DOTALL
)
_STRIPPED = (b"\0", b"\r", b"\n")
_MIN_BINARY_BYTES = 100  # shorter photos may lack these bytes by chance


@dataclass(frozen=True)
class Body:
    """A body's content; `hint` says what to change if none of its photos can be used."""

    photos: tuple[bytes, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    hint: str = ""


def read_body(body: bytes) -> Body:
    """The photos and parameters in a body, which is neither empty nor compressed.

    It is one photo's bytes, base64 of them, JSON, or a form with files.

    Raises:
        RequestError: it is none of these.
    """
    text = _as_utf8(body)
    if _JSON_BEGINS.match(text):
        return _json(text)
    if is_form(text):
        return _form(form_parts(text))
    _check_not_url_encoded(text)
    _check_not_stripped(text)
    photo = _photo(text)
    hint = "" if photo is not text or not _is_text(text[:1000]) else _TEXT_HINT
    return Body((photo,), hint=hint)


def from_text(text: str) -> Any:
    """A parameter's text as a boolean or an integer, as in JSON; else the text itself."""
    text = text.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if text.isdecimal() and len(text) < 10 else text


def unknown_key(name: str) -> RequestError:
    """The error for an unknown parameter, JSON key or form field."""
    return RequestError(
        400,
        "unknown_key",
        f"Unknown key {name[:100]!r}: photos, top_k and explain are known, in JSON {_JSON_FORM}; "
        f"a form has photos as files ({SEND_A_FORM}).",
    )


def _as_utf8(body: bytes) -> bytes:
    """The body without a byte order mark; UTF-16, which Windows writes, as UTF-8."""
    if body.startswith(_UTF8_BOM):
        return body.removeprefix(_UTF8_BOM)
    begin = _UTF16_BEGINS.match(body)
    if begin or body.startswith(_UTF16_BOMS):
        encoding = ("utf-16-le" if begin[1] else "utf-16-be") if begin else "utf-16"
        try:
            return body.decode(encoding).encode()
        except UnicodeError:
            return body
    return body


def _json(text: bytes) -> Body:
    """{"photos": ["<base64>", ...]} and parameters."""
    if sum(map(text.count, (b"[", b"{", b","))) > _MAX_JSON_MARKS:
        raise RequestError(
            413, "too_many_photos", f"A request has at most {MAX_PHOTOS} photos: send several."
        )
    try:
        values = json.loads(text, strict=False)  # base64 may contain line breaks
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "not_json", f"The body isn't JSON: {error}.") from error
    if not isinstance(values, dict):
        raise RequestError(400, "not_an_object", f"The JSON must be {_JSON_FORM}.")
    for name in sorted(set(values) - {"photos", *PARAMETERS}):
        raise unknown_key(name)
    photos = _photos_of_json(values.pop("photos", None))
    return Body(photos, values)


def _photos_of_json(values: Any) -> tuple[bytes, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise RequestError(
            400, "no_photos", f'"photos" must be a list of photos in base64: {_JSON_FORM}.'
        )
    _check_count(len(values))
    photos = []
    for index, value in enumerate(values):
        try:
            photos.append(decode_base64(value.encode("ascii")))
        except ValueError as error:
            why = "it has characters beyond ASCII" if isinstance(error, UnicodeError) else error
            raise RequestError(
                400,
                "not_base64",
                f"photos[{index}] isn't base64 ({why}); it must be the photo itself: the server "
                "fetches no URLs and reads no files.",
            ) from error
    return tuple(photos)


def _form(parts: list[Part]) -> Body:
    """A form's files under any name, and its fields top_k and explain."""
    photos: list[bytes] = []
    parameters: dict[str, Any] = {}
    for part in parts:
        if part.filename is None and part.name in PARAMETERS:
            parameters[part.name] = from_text(part.content.decode(errors="replace"))
        elif part.filename == "" and not part.content:  # a browser's, if none is chosen
            continue
        elif part.filename is not None or _IMAGE_BEGINS.match(_photo(part.content)):
            photos.append(_photo(part.content))
        else:
            raise unknown_key(part.name)
    if not photos:
        raise RequestError(400, "no_photos", f"The form has no file: {SEND_A_FORM}.")
    _check_count(len(photos))
    return Body(tuple(photos), parameters)


def _check_count(photos: int) -> None:
    if not 0 < photos <= MAX_PHOTOS:
        status, code = (413, "too_many_photos") if photos else (400, "no_photos")
        raise RequestError(
            status, code, f"The request has {counted(photos, 'photo')}: send 1 to {MAX_PHOTOS}."
        )


def _photo(content: bytes) -> bytes:
    """A photo's bytes, decoded if they are base64 of an image."""
    if not is_base64(content):
        return content
    try:
        decoded = decode_base64(content)
    except ValueError:
        return content
    return decoded if _IMAGE_BEGINS.match(decoded) else content


def _check_not_url_encoded(text: bytes) -> None:
    if _URL_ENCODED.match(text) and text.isascii() and b"\0" not in text:
        raise RequestError(
            415,
            "url_encoded",
            f"The body is a URL-encoded form, from which no photo is read: {SEND_A_PHOTO}, or "
            f"{SEND_A_FORM}.",
        )


def _check_not_stripped(body: bytes) -> None:
    """Refuse a photo without line ends and zero bytes, which `curl -d @photo.jpg` removes.

    The header of each supported format contains some of them.
    """
    if len(body) < _MIN_BINARY_BYTES or any(each in body for each in _STRIPPED) or _is_text(body):
        return
    raise RequestError(
        400,
        "stripped",
        f"The photo's line ends and zero bytes are missing, as after curl -d: {SEND_A_PHOTO}.",
    )


def _is_text(begin: bytes) -> bool:
    """Whether it is UTF-8 text, whose last character may be truncated."""
    try:
        return b"\0" not in begin and bool(begin.decode() or True)
    except UnicodeDecodeError as error:
        return error.start > len(begin) - 4 and error.reason == "unexpected end of data"
