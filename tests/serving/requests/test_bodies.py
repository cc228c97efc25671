"""Bodies of requests in every form that clients send them in, to photos and parameters."""

import base64
import gzip
import io
import json
import random
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote_from_bytes, urlencode

import pytest
from helpers.local_server import as_text, photo, picture
from PIL import features

from dogbreed.serving.requests.invocations import (
    MAX_BYTES,
    Invocation,
    RequestError,
    read_invocation,
)
from dogbreed.serving.requests.multipart import form_parts

JPEG, PNG = photo(), photo("PNG")
TEXT = as_text(JPEG)
URI = f"data:image/jpeg;base64,{TEXT}"
LINES = base64.encodebytes(JPEG).decode()
FORMATS = ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"] + ["AVIF"] * bool(features.check("avif"))


def read(body: bytes, encoding: str = "", **parameters: str) -> Invocation:
    return read_invocation(body, parameters, encoding)


def refused(body: bytes, encoding: str = "") -> tuple[int, str, str]:
    with pytest.raises(RequestError) as caught:
        read(body, encoding)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    return caught.value.status, caught.value.code, str(caught.value)


def form(*fields: tuple[str, str | None, bytes], line: bytes = b"\r\n") -> bytes:
    """A form as browsers and curl write it; each field is its name, a file's name, its content."""
    body = b""
    for name, filename, content in fields:
        body += b"--xYz" + line + f'Content-Disposition: form-data; name="{name}"'.encode()
        if filename is not None:
            body += f'; filename="{filename}"'.encode() + line + b"Content-Type: image/jpeg"
        body += line * 2 + content + line
    return body + b"--xYz--" + line


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


SPELLINGS: dict[str, Callable[[bytes], str]] = {
    "plain": as_text,
    "line breaks": lambda data: base64.encodebytes(data).decode(),
    "Windows' line breaks": lambda data: base64.encodebytes(data).decode().replace("\n", "\r\n"),
    "spaces around": lambda data: f"  {as_text(data)}\t\n",
    "URL-safe": lambda data: base64.urlsafe_b64encode(data).decode(),
    "without padding": lambda data: as_text(data).rstrip("="),
    "URL-safe without padding": unpadded,
    "data URI": lambda data: f"data:image/jpeg;base64,{as_text(data)}",
    "data URI without a type": lambda data: f"DATA:;BASE64,{as_text(data)}",
    "data URI with parameters": lambda data: f"data:image/png;charset=x;base64,{unpadded(data)}",
    "data URI percent-encoded": lambda data: (
        "data:;base64," + as_text(data).replace("+", "%2B").replace("/", "%2f").replace("=", "%3D")
    ),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_base64_in_every_spelling(name: str) -> None:
    noise = random.Random(1)
    for cut in range(3):  # every length of the padding
        data = JPEG[: len(JPEG) - cut] + noise.randbytes(3)
        text = SPELLINGS[name](data)
        assert read(json.dumps({"photos": [text]}).encode()).photos == (data,)
        assert read(text.encode()).photos == (data,), "as the entire body"
        assert read(form(("x", None, text.encode()))).photos == (data,)
        raw = b'{"photos": ["' + text.encode() + b'"]}'  # as a shell pastes it
        assert read(raw).photos == (data,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://example.org/a.jpg", "the server fetches no URLs and reads no files"),
        ("/home/user/photo.jpg", "the server fetches no URLs and reads no files"),
        (f"b'{TEXT}'", r"photos\[1\] isn't base64"),
        ("AAAA=AAA", "isn't base64"),
        ("A", "its end is missing"),
        ("====", "padding"),
        ("data:image/png,abc", "a data URI must say ;base64"),
        ("data:image/png;base64,?", "isn't base64"),
        ("Größe", "characters beyond ASCII"),
    ],
)
def test_what_is_no_base64_is_said(text: str, why: str) -> None:
    body = json.dumps({"photos": [TEXT, text]}).encode()
    with pytest.raises(RequestError, match=why) as caught:
        read(body)
    assert (caught.value.status, caught.value.code) == (400, "not_base64")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_as_windows_writes_it(encoding: str) -> None:
    found = read(json.dumps({"photos": [TEXT], "top_k": 2}).encode(encoding))
    assert (found.photos, found.top_k) == ((JPEG,), 2)
    if encoding in ("utf-8", "utf-8-sig", "utf-16"):
        mark = b"\xfe\xff" * (encoding == "utf-16")
        assert read(mark + URI.encode(encoding.replace("16", "16-be"))).photos == (JPEG,)


@pytest.mark.parametrize("line", [b"\r\n", b"\n"])
def test_forms_with_files(line: bytes) -> None:
    one = read(form(("file", "photo.jpg", JPEG), line=line), top_k="4", explain="true")
    assert one == Invocation(photos=(JPEG,), top_k=4, explain=True)
    several = form(
        ("a", 'x"; name="top_k.jpg', JPEG),
        ("top_k", None, b"2\n"),
        ("files[]", "", PNG),
        ("explain", None, b"True"),
        ("none chosen", "", b""),
        ("größe", "größe.jpg", LINES.encode()),
        ("binary", None, PNG),
        line=line,
    )
    found = read(several, top_k="4")
    assert found == Invocation(photos=(JPEG, PNG, JPEG, PNG), top_k=2, explain=True)


@pytest.mark.parametrize("end", [b"", b"\r", b"\n", b"\r\n", b"\r\n--", b"\r\n--xY", b"--xYz"])
def test_a_file_in_a_form_stays_as_it_is(end: bytes) -> None:
    data = JPEG + end
    (part,) = form_parts(form(("file", "a.jpg", data)))
    assert part.content == data


def test_forms_as_other_libraries_write_them() -> None:
    content = b"Content-Type: image/jpeg\r\nContent-Disposition: form-data; name=file; filename=a"
    body = b"\r\n--b \r\n" + content + b"\r\n\r\n" + JPEG + b"\r\n--b--"
    assert read(body).photos == (JPEG,)
    rfc5987 = b"content-disposition: form-data; name=f; filename*=UTF-8''%C3%A4.jpg\r\n\r\n"
    assert read(b"--b\r\n" + rfc5987 + JPEG + b"\r\n--b--\r\nepilogue").photos == (JPEG,)


@pytest.mark.parametrize("number", [1, 32])
def test_as_many_photos_as_are_allowed(number: int) -> None:
    photos = (JPEG,) * number
    assert read(json.dumps({"photos": [TEXT] * number}).encode()).photos == photos
    assert read(form(*[("file", "a.jpg", JPEG)] * number)).photos == photos


BAD_FORMS = {
    "cut off": (form(("file", "a.jpg", JPEG))[:-20], 400, "not_a_form"),
    "no file": (form(("top_k", None, b"3")), 400, "no_photos"),
    "none chosen": (form(("file", "", b"")), 400, "no_photos"),
    "no field": (b"--xYz--\r\n", 400, "no_photos"),
    "another field": (form(("file", "a", JPEG), ("submit", None, b"Upload")), 400, "unknown_key"),
    "top_k in words": (form(("file", "a", JPEG), ("top_k", None, b"many")), 400, "bad_top_k"),
    "33 files": (form(*[("file", "a.jpg", b"x")] * 33), 413, "too_many_photos"),
    "1,000 fields": (form(*[("top_k", None, b"1")] * 1000), 413, "too_many_photos"),
    "no empty line": (b"--xYz\r\nContent-Disposition: a\r\n--xYz--\r\n", 400, "not_a_form"),
    "endless headers": (b"--x\r\nA: " + b"a" * 99_999 + b"\r\n\r\n\r\n--x--", 400, "not_a_form"),
}


@pytest.mark.parametrize("name", BAD_FORMS)
def test_forms_that_are_refused(name: str) -> None:
    body, status, code = BAD_FORMS[name]
    found = refused(body)
    assert found[:2] == (status, code)
    if code in ("not_a_form", "no_photos", "unknown_key"):
        assert "curl -F file=@photo.jpg" in found[2]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_photo_that_curl_d_has_stripped(kind: str) -> None:
    sent = photo(kind, picture(size=(64, 64)))
    stripped = sent.translate(None, b"\0\r\n")  # what curl -d @photo does
    status, code, message = refused(stripped)
    assert (status, code) == (400, "stripped")
    assert "curl --data-binary @photo.jpg" in message
    assert read(sent).photos == (sent,)


@pytest.mark.parametrize(
    "body",
    [
        urlencode({"photo": TEXT, "top_k": 3}).encode(),
        f"file={TEXT}".encode(),
        b"photo=@photo.jpg",
        b"photo=" + quote_from_bytes(JPEG).encode(),
        quote_from_bytes(b"\xff\xd8\xff\xe0" + JPEG).encode(),
        b"photos[]=a&photos[]=b",
    ],
)
def test_url_encoded_forms_are_refused_with_the_command_that_works(body: bytes) -> None:
    status, code, message = refused(body)
    assert (status, code) == (415, "url_encoded")
    assert "curl --data-binary @photo.jpg" in message
    assert "curl -F file=@photo.jpg" in message


def test_a_parameter_outside_the_body_is_checked_though_the_body_overrides_it() -> None:
    for body in (
        json.dumps({"photos": [TEXT], "top_k": 2}).encode(),
        form(("file", "a.jpg", JPEG), ("top_k", None, b"2")),
    ):
        assert read(body, top_k="3").top_k == 2
        with pytest.raises(RequestError, match="top_k must be a whole number"):
            read(body, top_k="true")


def test_other_texts_are_photos_with_a_hint() -> None:
    for body in (b"photo.jpg", b"a dog", b"<html>", "größe".encode() * 300, b"QUJD" * 30):
        found = read(body)
        assert found.photos == (body,)
        assert "curl --data-binary @photo.jpg" in found.hint
    assert read(JPEG).hint == ""
    assert read(b"\xff\xd8\0").hint == ""
    assert "curl --data-binary @photo.jpg" in refused(b"")[2]


@pytest.mark.parametrize(
    "values", [{"photo": TEXT}, {"image": TEXT}, {"instances": [{"b64": TEXT}]}]
)
def test_other_json_is_refused_with_the_json_that_works(values: dict[str, object]) -> None:
    status, code, message = refused(json.dumps(values).encode())
    assert (status, code) == (400, "unknown_key")
    assert '{"photos": ["<base64>", ...]' in message
    for other in ([TEXT], TEXT):
        assert '{"photos": ["<base64>", ...]' in refused(json.dumps(other).encode())[2]


def test_compressed_bodies() -> None:
    body = json.dumps({"photos": [TEXT]}).encode()
    for encoding in ("gzip", "x-gzip", "GZIP", "", "identity, gzip"):
        assert read(gzip.compress(body), encoding).photos == (JPEG,)
    for packed in (zlib.compress(JPEG), zlib.compress(JPEG)[2:-4]):
        assert read(packed, "deflate").photos == (JPEG,)
    assert read(JPEG, "gzip").photos == (JPEG,), "announced, and not done"
    for encoding in ("br", "zstd", "gzip, gzip, br"):
        status, code, message = refused(b"\x28\xb5\x2f\xfd", encoding)
        assert (status, code) == (415, "encoded")
        assert "curl --data-binary @photo.jpg" in message
    assert refused(gzip.compress(JPEG)[:-9], "gzip")[:2] == (400, "damaged")
    assert refused(b"?" * 9, "deflate")[:2] == (400, "damaged")
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb", compresslevel=1) as file:
        file.write(bytes(MAX_BYTES + 1))
    assert refused(bomb.getvalue(), "gzip")[:2] == (413, "too_large")
    assert refused(gzip.compress(b""), "gzip")[:2] == (400, "empty")
    assert read(gzip.compress(gzip.compress(JPEG))).photos == (gzip.compress(JPEG),), "once alone"


@pytest.mark.parametrize(
    "body",
    [
        b"--" + b"-" * (MAX_BYTES - 2),
        b"--" + b" " * (MAX_BYTES - 2),
        (b"--x\r\nA:\r\n\r\n" + b"\r\n--y" * MAX_BYTES)[:MAX_BYTES],
        b"--x\r\nA:" + b"\r\n" * ((MAX_BYTES - 7) // 2),
        b"%41" * (MAX_BYTES // 3),
        b"a=" + b"+" * (MAX_BYTES - 2),
        b"A " * (MAX_BYTES // 2),
        b"data:;base64," + b"%2B" * ((MAX_BYTES - 13) // 3),
        b"\n" * MAX_BYTES,
        b"\xff\xfe" + b"{\0" * (MAX_BYTES // 2 - 1),
        b"\xc3" * MAX_BYTES,
    ],
    ids=range(11),
)
def test_no_body_takes_long(body: bytes) -> None:
    started = time.process_time()
    with suppress(RequestError):
        read(body)
    assert time.process_time() - started < 20, "of some tenths"
