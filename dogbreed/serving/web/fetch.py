"""Photos from the web: http and https only, with limits on time, size and redirects."""

import http.client
import re
import socket
import ssl
import threading
import time
from http import HTTPStatus
from typing import Any
from urllib.error import URLError

from dogbreed.data.decoding.photos import MAX_BYTES
from dogbreed.errors import PhotoError
from dogbreed.serving.web.compressed import inflated
from dogbreed.serving.web.fetch_connections import FetchConnections
from dogbreed.serving.web.urls import not_fetched, parse_url
from dogbreed.utils.version import __version__

MAX_REDIRECTS = 5
_PHOTO = frozenset({200, 203})  # 203: changed by a proxy
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HINTS = {
    204: "there is nothing at this address",
    401: "it needs a password (https://USER:PASSWORD@HOST/...)",
    403: "it refuses this photo to programs, or to you; download it in a browser",
    404: "is the address complete?",
    407: "the proxy needs a password (the variables http_proxy and https_proxy)",
    410: "the photo was removed",
    429: "too many requests; try again later",
}
_CHUNK_BYTES = 64 * 1024
_LENGTH = re.compile(r"[0-9]{1,4000}")  # the longest that int() takes


def fetch(url: str, *, timeout_s: float = 30.0, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes at `url`.

    Args:
        timeout_s: from resolving the name to the last byte, redirects included.
        max_bytes: reading stops beyond it, whatever length the server announces.

    Raises:
        PhotoError: with the reason "not_fetched", "too_large", "not_an_image" (a web page), or as
            `inflated`.
    """
    deadline = time.monotonic() + timeout_s
    connections = FetchConnections(deadline)
    outcome: list[bytes | Exception] = []

    def work() -> None:
        try:
            outcome.append(_follow(url, connections, deadline, max_bytes))
        except Exception as error:
            outcome.append(error)
        finally:
            connections.end()

    # Resolving a name has no time limit, and a socket's limit restarts with every byte of a header:
    # only from outside can the total be limited. The thread ends with its connection.
    worker = threading.Thread(target=work, daemon=True, name="fetch")
    worker.start()
    try:
        worker.join(timeout_s)
        result = outcome[0] if outcome else TimeoutError()  # not the error of a closed connection
    finally:
        connections.end()
    if isinstance(result, Exception):
        raise _as_photo_error(result, timeout_s) from result
    return result


def _follow(url: str, connections: FetchConnections, deadline: float, max_bytes: int) -> bytes:
    """The photo at `url`, or where it redirects to."""
    address = parse_url(url)
    for _ in range(MAX_REDIRECTS + 1):
        headers = {"User-Agent": f"dogbreed/{__version__}", "Accept": "image/*"}
        if address.authorization is not None:
            headers["Authorization"] = address.authorization
        with connections.request(address.url, headers) as response:
            if response.status in _PHOTO:
                return _photo(response, deadline, max_bytes)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                raise not_fetched(_status_sentence(response.status))
            address = address.redirected(location)
    raise not_fetched(f"more than {MAX_REDIRECTS} redirects")


def _status_sentence(status: int) -> str:
    """A status as a sentence, with what to do; the server's own text isn't repeated."""
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    hint = _HINTS.get(status) or ("try again later" if status >= 500 else "")
    return f"the server answers {status}{phrase}" + (f": {hint}" if hint else "")


def _photo(response: Any, deadline: float, max_bytes: int) -> bytes:
    """A response's content, decompressed, unless it is a web page."""
    content = inflated(
        _body(response, deadline, max_bytes),
        ", ".join(response.headers.get_all("Content-Encoding", [])),
        max_bytes,
    )
    if _is_web_page(content, response.headers.get_content_type()):
        raise PhotoError(
            "not_an_image",
            "a web page, not a photo: open it in a browser, and copy the photo's own address",
        )
    return content


def _is_web_page(content: bytes, media_type: str) -> bool:
    begin = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return begin.startswith(b"<") and (
        media_type == "text/html" or b"<!doctype html" in begin or b"<html" in begin
    )


def _body(response: Any, deadline: float, max_bytes: int) -> bytes:
    """The response's body, at most `max_bytes` of it, read before the deadline."""
    header = response.headers.get("Content-Length", "")
    announced = int(header) if _LENGTH.fullmatch(header) else None
    if announced is not None and announced > max_bytes:
        raise _too_large(max_bytes)
    content = bytearray()  # a list of one-byte chunks would take forty times the memory
    while part := response.read1(_CHUNK_BYTES):
        content += part
        if len(content) > max_bytes:
            raise _too_large(max_bytes)
        if time.monotonic() > deadline:
            raise TimeoutError
    if announced is not None and len(content) < announced:
        raise not_fetched(f"the connection ended after {len(content):,} of {announced:,} bytes")
    return bytes(content)


def _as_photo_error(error: Exception, timeout_s: float) -> PhotoError:
    """Any error of a fetch as a sentence."""
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, PhotoError):
        return reason
    if isinstance(reason, TimeoutError):
        return _late(timeout_s)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return not_fetched(
            f"its certificate isn't trusted ({reason.verify_message}); SSL_CERT_FILE=FILE trusts "
            "an authority of your own"
        )
    if isinstance(reason, ssl.SSLError):
        return not_fetched("there is no TLS connection (https) with it: is it an http:// address?")
    if isinstance(reason, UnicodeError):  # of a label that is too long for DNS
        return not_fetched("its host isn't a valid name")
    if isinstance(reason, socket.gaierror):
        return not_fetched(f"its host isn't known ({reason.strerror})")
    if isinstance(reason, http.client.HTTPException):
        return not_fetched(f"the server's response isn't HTTP, or is incomplete ({_name(reason)})")
    # Not the error's own text, which may contain the URL.
    return not_fetched(" ".join((getattr(reason, "strerror", None) or _name(reason)).split()))


def _name(error: object) -> str:
    return type(error).__name__


def _late(timeout_s: float) -> PhotoError:
    return not_fetched(f"it took longer than {timeout_s:g} s (timeout_s)")


def _too_large(max_bytes: int) -> PhotoError:
    return PhotoError("too_large", f"more than {max_bytes:,} bytes (max_bytes)")
