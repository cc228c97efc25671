"""Photos from the web: http and https alone, within a time, a size and five redirects."""

import http.client
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.error import URLError
from urllib.parse import urljoin, urlsplit

from dogbreed import __version__
from dogbreed.data.photos import MAX_BYTES
from dogbreed.errors import PhotoError

SCHEMES = ("http", "https")
MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 64 * 1024


def fetch(url: str, *, timeout_s: float = 30.0, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes that lie at `url`.

    Args:
        timeout_s: for everything together: the name, the connection, redirects, the last byte.
        max_bytes: reading stops beyond it, whatever length the server announced.

    Raises:
        PhotoError: of the reason "not_fetched" or "too_large".
    """
    deadline = time.monotonic() + timeout_s
    outcome: list[bytes | Exception] = []

    def work() -> None:
        try:
            outcome.append(_follow(url, deadline, max_bytes))
        except Exception as error:
            outcome.append(error)

    # Looking up a name has no time limit, and a socket's starts anew with every byte of a header:
    # only from outside is the whole limited. A thread that was given up holds nothing but itself.
    worker = threading.Thread(target=work, daemon=True, name="fetch")
    worker.start()
    worker.join(timeout_s)
    if not outcome:
        raise _late(timeout_s)
    if isinstance(outcome[0], Exception):
        raise _as_photo_error(outcome[0], timeout_s) from outcome[0]
    return outcome[0]


def _follow(url: str, deadline: float, max_bytes: int) -> bytes:
    """The body at `url`, or where it redirects to."""
    opener = _opener()
    for _ in range(MAX_REDIRECTS + 1):
        request = urllib.request.Request(
            _allowed(url), headers={"User-Agent": f"dogbreed/{__version__}", "Accept": "image/*"}
        )
        with opener.open(request, timeout=max(0.001, deadline - time.monotonic())) as response:
            if response.status == http.client.OK:
                return _body(response, deadline, max_bytes)
            place = response.headers.get("Location")
            if response.status not in _REDIRECTS or not place:
                raise _not_fetched(f"the server answers {response.status} {response.reason}")
            url = urljoin(url, place)
    raise _not_fetched(f"more than {MAX_REDIRECTS} redirects")


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https through the proxies of the environment, and follows nothing."""
    opener = urllib.request.OpenerDirector()
    handlers: tuple[Callable[[], Any], ...] = (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.UnknownHandler,
    )
    for handler in handlers:
        opener.add_handler(handler())
    return opener


def _allowed(url: str) -> str:
    scheme = urlsplit(url).scheme.lower()
    if scheme not in SCHEMES:
        raise _not_fetched(f"{scheme or 'no scheme'}: only http and https are fetched")
    return url


def _body(response: Any, deadline: float, max_bytes: int) -> bytes:
    """What the server sends, as far as it may."""
    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise _too_large(max_bytes)
    parts, size = [], 0
    while part := response.read1(_CHUNK_BYTES):
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes)
        if time.monotonic() > deadline:
            raise TimeoutError
    if announced.isdigit() and size < int(announced):
        raise _not_fetched(f"the connection ended after {size:,} of {int(announced):,} bytes")
    return b"".join(parts)


def _as_photo_error(error: Exception, timeout_s: float) -> PhotoError:
    """Whatever came of a URL, as a sentence; servers and URLs may be wrong in any way."""
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, PhotoError):
        return reason
    if isinstance(reason, TimeoutError):
        return _late(timeout_s)
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return _not_fetched(" ".join(text.split()))


def _late(timeout_s: float) -> PhotoError:
    return _not_fetched(f"it took longer than {timeout_s:g} s (timeout_s)")


def _too_large(max_bytes: int) -> PhotoError:
    return PhotoError("too_large", f"more than {max_bytes:,} bytes (max_bytes)")


def _not_fetched(why: str) -> PhotoError:
    return PhotoError("not_fetched", f"can't be fetched: {why}")
