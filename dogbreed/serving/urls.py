"""URLs as people paste them: recognised, made ready for HTTP, and shown without their passwords."""

import base64
import re
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urljoin, urlsplit

from dogbreed.errors import PhotoError

SCHEMES = ("http", "https")
# With two slashes whatever the scheme; the known ones without them too, to say what is wrong.
_URL = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*://|(?:https?|ftp|file|data):)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?P<scheme>[^/?#]*:/*)(?P<authority>[^/?#]*)")
# What is left as it is in a path or a query, as browsers do; % was escaped before.
_SAFE = "%/:@!$&'()*+,;=~[]|?"
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"[a-z0-9._~-]+")
_WITHOUT_SCHEME = re.compile(
    r"\s*(?://\S|(?:(?:[\w-]+\.)+[a-z]{2,}|localhost|\d+(?:\.\d+){3}|\[[0-9a-f:.]+\])(?::\d+)?/\S)",
    re.IGNORECASE,
)
_MAX_SHOWN = 60  # of a data URI
_INSTEAD = {
    "file": "give the file's path itself",
    "ftp": "download it first (curl -O URL), then give the file",
    "data": "decode it first (base64 -d photo.b64 > photo.jpg), then give the file",
}


@dataclass(frozen=True)
class Address:
    """A URL as it is requested: ASCII, without user, password and fragment.

    `authorization` is the header's value, from the user and the password that the URL named.
    """

    url: str
    authorization: str | None = field(default=None, repr=False)

    def redirected(self, location: str) -> "Address":
        """Where a Location header leads.

        The password goes to the server that it was given for and to no other, and one that
        Location names isn't used.

        Raises:
            PhotoError: as `parse_url`.
        """
        with suppress(UnicodeError):  # servers send UTF-8, which http.client reads as Latin-1
            location = location.encode("latin-1").decode("utf-8")
        place = parse_url(urljoin(self.url, location.strip()))
        same_server = urlsplit(place.url)[:2] == urlsplit(self.url)[:2]
        return Address(place.url, self.authorization if same_server else None)


def is_url(text: str) -> bool:
    """Whether it is written as a URL of any scheme."""
    return bool(_URL.match(text))


def shown_url(text: str) -> str:
    """A URL as it may be printed, logged and stored: without user and password, which are ***."""
    text = text.strip()
    if text[:5].lower() == "data:":
        return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
    match = _AUTHORITY.match(text)
    if match is None:
        return text
    host = match["authority"].rpartition("@")[2]
    port = host.rpartition("]")[2].partition(":")[2]
    # A / or a # in a password ends the host too early: what should be a port is none then.
    complete = not port or port.isdecimal()
    end = match.end("authority") if complete else len(text)
    at = text.rfind("@", match.start("authority"), end)
    return text if at < 0 else f"{match['scheme']}***{text[at:]}"


def without_scheme(text: str) -> bool:
    """Whether a name that is no file's looks like a URL that lacks its scheme."""
    return bool(_WITHOUT_SCHEME.match(text))


def parse_url(text: str) -> Address:
    """A URL of any spelling as it is requested.

    Names beyond ASCII become what DNS has for them (IDNA, UTS 46), paths and queries are
    percent-encoded in UTF-8 (RFC 3987, 3.1); what is percent-encoded already is left.

    Raises:
        PhotoError: it is none of http or https; the message never has its password.
    """
    text = text.strip()
    scheme = text.partition(":")[0].lower() if is_url(text) else ""
    if scheme not in SCHEMES:
        hint = f": {_INSTEAD[scheme]}" if scheme in _INSTEAD else ""
        raise not_fetched(f"{scheme or 'no scheme'}: only http and https are fetched{hint}")
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
        raise not_fetched("there is a control character in the URL")
    try:
        parts = urlsplit(text)
        host, port = _ascii_host(parts.hostname or ""), parts.port
        path, query = (_quoted(part) for part in (parts.path or "/", parts.query))
    except ValueError as error:  # their messages may hold the password
        raise not_fetched("the URL's host or port isn't valid") from error
    if not host:
        raise not_fetched(f"there is no host in the URL: write {scheme}://HOST/PATH")
    place = f"{scheme}://{host}" + (f":{port}" if port is not None else "")
    url = f"{place}{path}" + (f"?{query}" if query else "")
    return Address(url, _basic(parts.username, parts.password))


def not_fetched(why: str) -> PhotoError:
    """The error of a URL that can't be fetched."""
    return PhotoError("not_fetched", f"can't be fetched: {why}")


def _ascii_host(host: str) -> str:
    """A host's name as DNS has it.

    Raises:
        ValueError: it can be none.
    """
    if ":" in host:
        return f"[{host}]"
    if not host.isascii():
        import idna  # a tenth of a second that ASCII names needn't wait for

        host = idna.encode(host, uts46=True).decode("ascii")  # its errors are ValueErrors
    if host and not _HOST.fullmatch(host):
        raise ValueError
    return host


def _quoted(text: str) -> str:
    return quote(_STRAY_PERCENT.sub("%25", text), safe=_SAFE, errors="surrogateescape")


def _basic(user: str | None, password: str | None) -> str | None:
    """RFC 7617, in UTF-8."""
    if user is None and password is None:
        return None
    pair = f"{unquote(user or '')}:{unquote(password or '')}"
    return "Basic " + base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()
