"""URLs as people paste them: recognised, normalised for HTTP, and shown without secrets."""

import base64
import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urljoin, urlsplit

from dogbreed.errors import PhotoError

SCHEMES = ("http", "https")
# Any scheme with two slashes; known schemes also without, for a message about what is wrong.
_URL = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*://|(?:https?|ftp|file|data):)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?P<scheme>(?:[^/?#:]*:)?/*)(?P<authority>[^/?#]*)")
# The character that ends user and password, and Unicode's variants of it.
_AT = re.compile("[@\N{SMALL COMMERCIAL AT}\N{FULLWIDTH COMMERCIAL AT}]")
# Too short for a secret: a size, a number, a format's name.
_PLAIN = re.compile(r"[0-9]{0,10}|.{0,4}")
_SECRET = re.compile(
    r"amz|goog|tok|key|sig|sec|pass|pwd|pw|auth|cred|sess|sid|code|pin|otp|jwt|hash|mac|access|user",
    re.IGNORECASE,
)
# Of ten thousand URLs two have the same with a probability of 2e-7.
_DIGEST_CHARACTERS = 12
# Not escaped in a path or a query, as in browsers; % is escaped before.
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

    `authorization` is the header's value, from the user and the password in the URL.
    """

    url: str
    authorization: str | None = field(default=None, repr=False)

    def redirected(self, location: str) -> "Address":
        """The address of a Location header.

        The password is sent only to the server that it was given for; one in Location isn't used.

        Raises:
            PhotoError: as `parse_url`.
        """
        with suppress(UnicodeError):  # servers send UTF-8, which http.client reads as Latin-1
            location = location.encode("latin-1").decode("utf-8")
        target = parse_url(urljoin(self.url, location.strip()))
        same_server = urlsplit(target.url)[:2] == urlsplit(self.url)[:2]
        return Address(target.url, self.authorization if same_server else None)


def is_url(text: str) -> bool:
    """Whether it is written as a URL of any scheme."""
    return bool(_URL.match(text))


def shown_url(text: str) -> str:
    """A URL as it may be printed, logged and stored: without its secrets.

    *** replaces user and password, and parameters of the query that may be a signature or a token;
    a digest of the query follows, so that different URLs stay different. A fragment that may be a
    secret is left out.
    """
    text = text.strip()
    if text[:5].lower() == "data:":
        return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
    match = _authority(text)
    # %40 can't be in a host's name: it is the @ before it, or in a password.
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
    """The end of the text that may contain the @ after user and password.

    A /, ? or # in a password ends the authority too early: then the port isn't a number, or the
    host is a single word.
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
    """The parameters that can't be secrets, then a digest if others were removed."""
    given = query.split("&")
    harmless = [each for each in given if _is_harmless(each)]
    if harmless == given:
        return query
    digest = hashlib.sha256(query.encode("utf-8", "surrogateescape")).hexdigest()
    return "&".join([*harmless, f"***{digest[:_DIGEST_CHARACTERS]}"])


def _is_harmless(parameter: str) -> bool:
    """Whether a parameter's value is a number or too short for a secret, and its name isn't that
    of one."""
    name, equals, value = parameter.partition("=")
    return not _SECRET.search(name) and bool(_PLAIN.fullmatch(value if equals else name))


def without_scheme(text: str) -> bool:
    """Whether it looks like a URL without its scheme."""
    return bool(_WITHOUT_SCHEME.match(text))


def parse_url(text: str) -> Address:
    """A URL as it is requested.

    Host names beyond ASCII are encoded (IDNA, UTS 46), paths and queries are percent-encoded in
    UTF-8 (RFC 3987, 3.1); what is percent-encoded already is unchanged.

    Raises:
        PhotoError: it isn't a valid http or https URL; the message never contains its password.
    """
    text = text.strip()
    scheme = text.partition(":")[0].lower() if is_url(text) else ""
    if scheme not in SCHEMES:
        hint = f": {_INSTEAD[scheme]}" if scheme in _INSTEAD else ""
        raise not_fetched(f"{scheme or 'no scheme'}: only http and https are fetched{hint}")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise not_fetched("there is a control character in the URL")
    try:
        parts = urlsplit(text)
        host, port = _ascii_host(parts.hostname or ""), parts.port
        path, query = (_quoted(part) for part in (parts.path or "/", parts.query))
    except ValueError as error:  # their messages may contain the password
        raise not_fetched("the URL's host or port isn't valid") from error
    match = _authority(text)
    if _AT.search(text, match.end("authority")) and _end_of_user(text, match) == len(text):
        raise not_fetched(
            "is what follows the @ its host? In a user's name or password write / as %2F, ? as %3F "
            "and # as %23; an @ elsewhere as %40"
        )
    if not host:
        raise not_fetched(f"there is no host in the URL: write {scheme}://HOST/PATH")
    server = f"{scheme}://{host}" + (f":{port}" if port is not None else "")
    url = f"{server}{path}" + (f"?{query}" if query else "")
    return Address(url, _basic(parts.username, parts.password))


def not_fetched(why: str) -> PhotoError:
    """The error of a URL that can't be fetched."""
    return PhotoError("not_fetched", f"can't be fetched: {why}")


def _ascii_host(host: str) -> str:
    """A host's name as DNS knows it.

    Raises:
        ValueError: it isn't a valid name.
    """
    if ":" in host:
        return f"[{host}]"
    if not host.isascii():
        import idna  # takes a tenth of a second, which ASCII names don't need

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
