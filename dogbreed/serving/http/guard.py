"""Access control in front of the application: the Host, the requesting site, the token."""

import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

from fastapi import Response
from prometheus_client import Counter
from starlette.types import ASGIApp, Receive, Scope, Send

from dogbreed.serving.http.app import as_json
from dogbreed.serving.http.hosts import Authority, Hosts, authority
from dogbreed.serving.requests.errors import RequestError

_ORIGIN = re.compile(r"(https?)://(.+)")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_READ = (b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest",
         b"authorization", b"accept")  # fmt: skip
_NO_TOKEN = RequestError(
    401, "no_token", "Send the server's token: the header Authorization: Bearer TOKEN."
)
_Headers = Mapping[bytes, Sequence[str]]


class Guard:
    """The application behind three checks, made before a body is read.

    - Host must be one of the server's own, else 421: another site's name must not lead here.
    - Origin and Sec-Fetch-Site, which browsers send and pages can't change, must not be those of
      another origin, else 403. A link to the page still opens it. Programs send neither.
    - With a token each request needs `Authorization: Bearer`, else 401. A browser that opens a
      page can't send it: its 401 response is a form that asks a person for the token.

    Args:
        token: None if none is needed.
        public: paths that need no token.
        sign_in: the HTML of that form.
        refused: counts the refused requests, with the label `code`.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Hosts,
        token: str | None,
        public: Collection[str],
        sign_in: bytes,
        refused: Counter,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._refused = refused
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
            self._refused.labels(error.code).inc()
            await as_json(error.as_dict(), error.status)(scope, receive, send)
            return
        if self._lacks_token(scope, headers):
            self._refused.labels(_NO_TOKEN.code).inc()
            await self._unauthorized(scope, headers)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _checked_host(self, scope: Scope, headers: _Headers) -> Authority:
        hosts = headers[b"host"]
        host = authority(hosts[0]) if len(hosts) == 1 else None
        if host is None:
            raise RequestError(400, "bad_host", "A request needs exactly one valid Host header.")
        target = scope.get("state", {}).get(
            "target", ""
        )  # http://HOST/PATH, as in requests to proxies
        if target and authority(urlsplit(target).netloc) != host:
            raise RequestError(
                400, "bad_host", "The request's URL and its Host header name different hosts."
            )
        server_address = (scope.get("server") or ("",))[0]
        if not self._hosts.accept(host, server_address):
            raise RequestError(
                421,
                "wrong_host",
                f"This server doesn't accept the host {host.host}. To accept it, start the server "
                f"with hosts=[{host.host}].",
            )
        return host

    def _check_site(self, scope: Scope, headers: _Headers, host: Authority) -> None:
        sites = headers[b"sec-fetch-site"]
        same_origin = bool(sites) and set(sites) == {"same-origin"}
        foreign = not all(self._is_own(each, host, same_origin) for each in headers[b"origin"])
        if not set(sites) <= {"same-origin", "none"} and not _is_navigation(scope, headers):
            foreign = True
        if foreign:
            raise RequestError(
                403, "other_site", "Pages of other sites can't use this server: open its own page."
            )

    def _is_own(self, origin: str, host: Authority, same_origin: bool) -> bool:
        """Whether an Origin is the server's; `same_origin`: by the browser's Sec-Fetch-Site."""
        found = _ORIGIN.fullmatch(origin)
        other = authority(found[2]) if found else None
        if found is None or other is None:
            return False  # "null", an extension, a file
        port = _DEFAULT_PORTS[found[1]]
        equal = (other.host, other.port or port) == (host.host, host.port or port)
        # Behind a proxy the Origin is https and named in hosts=[...].
        return (equal and found[1] == "http") or (same_origin and self._hosts.are_named(other))

    def _lacks_token(self, scope: Scope, headers: _Headers) -> bool:
        if self._token is None or scope["path"] in self._public:
            return False
        values = headers[b"authorization"]
        scheme, _, given = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        correct = hmac.compare_digest(given.strip().encode("latin-1"), self._token)
        return not correct or scheme.lower() != "bearer"

    def _unauthorized(self, scope: Scope, headers: _Headers) -> Response:
        challenge = {"WWW-Authenticate": 'Bearer realm="dogbreed"'}
        if scope["method"] == "GET" and "text/html" in ",".join(headers[b"accept"]):
            return Response(self._sign_in, 401, challenge, "text/html; charset=utf-8")
        return as_json(_NO_TOKEN.as_dict(), _NO_TOKEN.status, challenge)


def _is_navigation(scope: Scope, headers: _Headers) -> bool:
    """Whether a person opens it as a page: the page with the link can't read the response."""
    return (
        scope["method"] == "GET"
        and set(headers[b"sec-fetch-mode"]) == {"navigate"}
        and set(headers[b"sec-fetch-dest"]) == {"document"}
    )
