"""URLs as people paste them: recognised, made ready for HTTP, and shown without their secrets."""

import base64
import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urljoin, urlsplit

from dogbreed.errors import PhotoError

SCHEMES = ("http", "https")
# With two slashes whatever the scheme; the known ones without them too, to say what is wrong.
_URL = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*://|(?:https?|ftp|file|data):)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?P<scheme>(?:[^/?#:]*:)?/*)(?P<authority>[^/?#]*)")
# The sign that ends user and password, and those that Unicode has for it.
_AT = re.compile("[@\N{SMALL COMMERCIAL AT}\N{FULLWIDTH COMMERCIAL AT}]")
# A size, a number, the letters of a format.
_PLAIN = re.compile(r"[0-9]{0,10}|.{0,4}")
_SECRET = re.compile(
    r"amz|goog|tok|key|sig|sec|pass|pwd|pw|auth|cred|sess|sid|code|pin|otp|jwt|hash|mac|access|user",
    re.IGNORECASE,
)
# Of ten thousand URLs two have the same with a probability of 2e-7.
_DIGEST_CHARACTERS = 12
# What is left as it is in a path or a query, as browsers do; % was escaped before.
_SAFE = "%/:@!$&'()*+,;=~[]|?"
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"[a-z0-9._~-]+")
_WITHOUT_SCHEME = re.compile(
    r"\s*(?://\S|(?:[^\s/@]+@)?(?:(?:[\w-]+\.)+[a-z]{2,}|localhost|\d+(?:\.\d+){3}|\[[0-9a-f:.]+\])(?::\d+)?/\S)",
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
    """A URL as it may be printed, logged and stored: without its secrets.

    User and password are ***. So is what may be a signature or a token in the query; a digest of
    the query follows, so that two URLs stay two. So long a fragment, which no server gets, is left
    out.
    """
    text = text.strip()
    if text[:5].lower() == "data:":
        return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
    match = _authority(text)
    # What can be no host's name may be a password's.
    decoded = match["authority"].replace("%40", "@")
    text = f"{match['scheme']}{decoded}{text[match.end() :]}"
    match = _authority(text)
    ends = [at.start() for at in _AT.finditer(text, match.end("scheme"), _end_of_user(text, match))]
    if ends:
        text = f"{match['scheme']}***@{text[ends[-1] + 1 :]}"
    url, _, fragment = text.partition("#")
    place, _, query = url.partition("?")
    shown = f"{place}?{_shown_query(query)}" if query else place
    return f"{shown}#{fragment}" if fragment and _is_harmless(fragment) else shown


def _authority(text: str) -> re.Match[str]:
    match = _AUTHORITY.match(text)
    assert match is not None, "each of its parts may be empty"
    return match


def _end_of_user(text: str, match: re.Match[str]) -> int:
    """Before where the @ lies that ends user and password, if there are any.

    A /, ? or # in a password ends the host too early: what should be a port is none then, or what
    should be a host is a word.
    """
    host, port = _host_and_port(match["authority"])
    if (port and not port.isdecimal()) or _is_word(host):
        return len(text)
    return match.end("authority")


def _host_and_port(authority: str) -> tuple[str, str]:
    place = _AT.split(authority)[-1]
    host, bracket, port = place.rpartition("]") if "]" in place else place.partition(":")
    return (host + bracket, port.lstrip(":")) if bracket == "]" else (host, port)


def _is_word(host: str) -> bool:
    """Whether a host is a single word, such as a user's name; localhost is well known."""
    return "." not in host and not host.startswith("[") and host.lower() != "localhost"


def _shown_query(query: str) -> str:
    """The parameters that can be no secret; what stands for the rest, where there is any."""
    given = query.split("&")
    harmless = [each for each in given if _is_harmless(each)]
    if harmless == given:
        return query
    digest = hashlib.sha256(query.encode("utf-8", "surrogateescape")).hexdigest()
    return "&".join([*harmless, f"***{digest[:_DIGEST_CHARACTERS]}"])


def _is_harmless(parameter: str) -> bool:
    """Whether a parameter's value is a number or too short for a secret, and its name is no word
    for one."""
    name, equals, value = parameter.partition("=")
    return not _SECRET.search(name) and bool(_PLAIN.fullmatch(value if equals else name))


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
    match = _authority(text)
    if _AT.search(text, match.end("authority")) and _end_of_user(text, match) == len(text):
        raise not_fetched(
            "is what follows the @ its host? In a user's name or password write / as %2F, ? as %3F "
            "and # as %23; an @ elsewhere as %40"
        )
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
