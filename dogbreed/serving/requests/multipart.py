"""Forms with files (multipart/form-data, RFC 7578), recognised by their bytes, read within limits.

No library is used: the serving containers have none for it.
"""

import email
import re
from dataclasses import dataclass
from email.utils import collapse_rfc2231_value

from dogbreed.serving.requests.errors import SEND_A_FORM, RequestError

_MAX_PARTS = 64
_MAX_HEAD_BYTES = 8 * 1024
# RFC 2046, 5.1.1 allows 70 characters; some libraries write more.
_BEGINS = re.compile(
    rb"(?:\r?\n)?--(?P<boundary>[^\r\n]{1,200}?)"
    rb"(?:--(?:\r?\n)?\Z|[ \t]{0,9}(?P<newline>\r?\n)[!-9;-~]+:)"
)


@dataclass(frozen=True)
class Part:
    """A field of a form; a file has a filename, which may be empty."""

    name: str
    filename: str | None
    content: bytes


def is_form(body: bytes) -> bool:
    """Whether it begins like such a form, which no image does."""
    return bool(_BEGINS.match(body))


def form_parts(body: bytes) -> list[Part]:
    """The fields of a form.

    Raises:
        RequestError: it is truncated or malformed, or has too many fields.
    """
    begin = _BEGINS.match(body)
    assert begin is not None, "is_form comes first"
    newline = begin["newline"]
    delimiter = (newline or b"") + b"--" + begin["boundary"]
    position, parts = begin.end("boundary"), list[Part]()
    while not body.startswith(b"--", position):
        if len(parts) == _MAX_PARTS:
            raise RequestError(413, "too_many_photos", f"The form has over {_MAX_PARTS} fields.")
        end = body.find(delimiter, position)
        if end < 0:
            raise _malformed("its end is missing")
        parts.append(_part(body[position:end], newline))
        position = end + len(delimiter)
    return parts


def _part(text: bytes, newline: bytes) -> Part:
    """The field between two delimiters: a line break, headers, an empty line, content."""
    end = text.find(newline * 2, 0, _MAX_HEAD_BYTES)
    if end < 0:
        raise _malformed(f"a field's headers don't end within {_MAX_HEAD_BYTES:,} bytes")
    headers = email.message_from_bytes(text[:end].strip(b"\r\n"))
    name = headers.get_param("name", "", header="content-disposition")
    filename = headers.get_param("filename", None, header="content-disposition")
    return Part(
        collapse_rfc2231_value(name),
        None if filename is None else collapse_rfc2231_value(filename),
        text[end + 2 * len(newline) :],
    )


def _malformed(why: str) -> RequestError:
    return RequestError(400, "not_a_form", f"The form can't be read ({why}): {SEND_A_FORM}.")
