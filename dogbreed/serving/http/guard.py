"""Who is let through to the server: by the host that is asked for, the page that asks, a token."""

import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

from fastapi import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dogbreed.serving.http.app import as_json
from dogbreed.serving.http.hosts import Authority, Hosts, authority
from dogbreed.serving.requests.errors import RequestError

_ORIGIN = re.compile(r"(https?)://(.+)")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_READ = (b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest",
         b"authorization", b"accept")  # fmt: skip
_Headers = Mapping[bytes, Sequence[str]]


class Guard:
    """The application behind three checks, made before a body is read.

    - Host must be one of the server's own, else 421: no other site's name leads here.
    - Origin and Sec-Fetch-Site, which browsers send and pages can't change, must not be those of
      another origin, else 403. A link to the page still opens it. Programs send neither.
    - With a token each request needs `Authorization: Bearer`, else 401. A browser that opens a
      page can't send it: its 401 has the form that asks a person for it.

    Args:
        token: None where none is needed.
        public: paths that need no token.
        sign_in: the HTML of that form.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Hosts,
        token: str | None,
        public: Collection[str],
        sign_in: bytes,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._token = None if token is None else token.encode()
        self._public = frozenset(public)
        self._sign_in = sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application's call."""
        headers: dict[bytes, list[str]] = {name: [] for name in _READ}
        for name, value in scope["headers"]:
            if name in headers:
                headers[name].append(value.decode("latin-1"))
        try:
            host = self._checked_host(scope, headers)
            self._check_site(scope, headers, host)
        except RequestError as error:
            await as_json(error.as_dict(), error.status)(scope, receive, send)
            return
        if self._lacks_token(scope, headers):
            await self._unauthorized(scope, headers)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _checked_host(self, scope: Scope, headers: _Headers) -> Authority:
        hosts = headers[b"host"]
        host = authority(hosts[0]) if len(hosts) == 1 else None
        if host is None:
            raise RequestError(400, "bad_host", "A request needs one Host header, a valid one.")
        target = scope.get("state", {}).get("target", "")  # http://HOST/PATH, as proxies are asked
        if target and authority(urlsplit(target).netloc) != host:
            raise RequestError(400, "bad_host", "The address asked for isn't that of the Host.")
        own_address = (scope.get("server") or ("",))[0]
        if not self._hosts.accept(host, own_address):
            raise RequestError(
                421,
                "wrong_host",
                f"This server isn't known as {host.host}. If it should be, it must be started with "
                f"hosts=[{host.host}].",
            )
        return host

    def _check_site(self, scope: Scope, headers: _Headers, host: Authority) -> None:
        sites = headers[b"sec-fetch-site"]
        vouched = bool(sites) and set(sites) == {"same-origin"}
        foreign = not all(self._is_own(each, host, vouched) for each in headers[b"origin"])
        if not set(sites) <= {"same-origin", "none"} and not _is_navigation(scope, headers):
            foreign = True
        if foreign:
            raise RequestError(
                403, "other_site", "Pages of other sites can't use this server: send it yourself."
            )

    def _is_own(self, origin: str, host: Authority, vouched: bool) -> bool:
        """Whether an Origin is the server's; `vouched`: the browser says so, as behind a proxy."""
        found = _ORIGIN.fullmatch(origin)
        other = authority(found[2]) if found else None
        if found is None or other is None:
            return False  # "null", an extension, a file
        port = _DEFAULT_PORTS[found[1]]
        same = (other.host, other.port or port) == (host.host, host.port or port)
        return (same and found[1] == "http") or (vouched and self._hosts.are_named(other))

    def _lacks_token(self, scope: Scope, headers: _Headers) -> bool:
        if self._token is None or scope["path"] in self._public:
            return False
        values = headers[b"authorization"]
        scheme, _, given = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        right = hmac.compare_digest(given.strip().encode("latin-1"), self._token)
        return not right or scheme.lower() != "bearer"

    def _unauthorized(self, scope: Scope, headers: _Headers) -> Response:
        challenge = {"WWW-Authenticate": 'Bearer realm="dogbreed"'}
        if scope["method"] == "GET" and "text/html" in ",".join(headers[b"accept"]):
            return Response(self._sign_in, 401, challenge, "text/html; charset=utf-8")
        error = RequestError(
            401, "no_token", "Send the server's token: the header Authorization: Bearer TOKEN."
        )
        return as_json(error.as_dict(), error.status, challenge)


def _is_navigation(scope: Scope, headers: _Headers) -> bool:
    """Whether a person goes to it, in a tab of its own: the page that led here sees nothing."""
    return (
        scope["method"] == "GET"
        and set(headers[b"sec-fetch-mode"]) == {"navigate"}
        and set(headers[b"sec-fetch-dest"]) == {"document"}
    )
