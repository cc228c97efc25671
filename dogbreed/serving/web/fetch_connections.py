"""The connections of one fetch: to checked addresses only, and closed at its deadline."""

import http.client
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from dogbreed.serving.web.addresses import Address, addresses_of, allowed


class FetchConnections:
    """Opens http and https through the proxies of the environment, and follows no redirect.

    Args:
        deadline: by time.monotonic; every wait ends then.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._ended = False
        # The addresses of the last server; empty behind a proxy, None before the first request.
        self._server: Sequence[Address] | None = None
        self._proxied = False
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            _HTTPHandler(self._connect),
            _HTTPSHandler(self._connect),
            urllib.request.UnknownHandler(),
        ):
            self._opener.add_handler(handler)

    def request(self, url: str, headers: Mapping[str, str]) -> Any:
        """The response to a GET; every call after the first is a redirect by the last server.

        Raises:
            PhotoError: the last server may not redirect there.
            OSError, http.client.HTTPException: there is no response, or not in time.
        """
        parts = urlsplit(url)
        self._proxied = _has_proxy(parts.scheme, parts.netloc)
        if self._proxied:  # it resolves names, and may be the only one that can
            self._server = allowed(_numeric(parts.hostname or ""), self._server)
        request = urllib.request.Request(url, headers=dict(headers))
        return self._opener.open(request, timeout=self._left_s())

    def end(self) -> None:
        """Close all connections, later ones too; whoever waits for them gets an error."""
        with self._lock:
            self._ended = True
            for each in self._open:
                with suppress(OSError):  # it is closed already
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            self._open.clear()

    def _left_s(self) -> float:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s

    def _connect(self, host_and_port: tuple[str, int], *_: object) -> socket.socket:
        """A connection to a server or a proxy, as socket.create_connection makes it."""
        addresses = addresses_of(*host_and_port)
        if not self._proxied:
            addresses = allowed(addresses, self._server)
        connection, address = self._first_of(addresses, host_and_port[1])
        if not self._proxied:
            self._server = [address]
        with self._lock:
            if self._ended:
                connection.close()
                raise TimeoutError
            self._open.append(connection.dup())  # TLS may take over the first handle
        return connection

    def _first_of(self, addresses: Sequence[Address], port: int) -> tuple[socket.socket, Address]:
        """A connection to the first address that accepts one."""
        for number, address in enumerate(addresses, 1):
            try:
                return socket.create_connection((str(address), port), self._left_s()), address
            except OSError:
                if number == len(addresses):
                    raise
        raise OSError("it has no address")


class _HTTPHandler(urllib.request.HTTPHandler):
    """http through connections that `connect` makes."""

    def __init__(self, connect: Callable[..., socket.socket]) -> None:
        super().__init__()
        self._make: Any = partial(_made, http.client.HTTPConnection, connect)

    def http_open(self, req: urllib.request.Request) -> Any:
        """Called by urllib."""
        return self.do_open(self._make, req)


class _HTTPSHandler(urllib.request.HTTPSHandler):
    """https through connections that `connect` makes."""

    def __init__(self, connect: Callable[..., socket.socket]) -> None:
        super().__init__()
        self._make: Any = partial(_made, http.client.HTTPSConnection, connect)

    def https_open(self, req: urllib.request.Request) -> Any:
        """Called by urllib."""
        return self.do_open(self._make, req)


def _made(
    kind: type[http.client.HTTPConnection],
    connect: Callable[..., socket.socket],
    host: str,
    **options: Any,
) -> http.client.HTTPConnection:
    connection = kind(host, **options)
    # http.client has no public way to set it; its own would resolve the name a second time.
    connection._create_connection = connect  # type: ignore[attr-defined]
    return connection


def _has_proxy(scheme: str, host_and_port: str) -> bool:
    proxies = urllib.request.getproxies()
    return scheme in proxies and not urllib.request.proxy_bypass(host_and_port)


def _numeric(host: str) -> list[Address]:
    """The address of a host that is written as one, in any notation; empty for a name."""
    local = host == "localhost" or host.endswith(".localhost")
    try:
        return addresses_of("127.0.0.1" if local else host, 0, numeric=True)
    except (socket.gaierror, UnicodeError):
        return []
