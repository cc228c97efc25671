"""Connections of one fetch: to addresses that were checked, all of them ended at its deadline."""

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

from dogbreed.serving.offline.addresses import Address, addresses_of, allowed


class Connections:
    """Opens http and https through the proxies of the environment, and follows nothing.

    Args:
        deadline: by time.monotonic; nothing is waited for any longer.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._ended = False
        # The addresses of the server that answered last; none of one behind a proxy.
        self._server: Sequence[Address] | None = None
        self._proxied = False
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            _Plain(self._connect),
            _Secure(self._connect),
            urllib.request.UnknownHandler(),
        ):
            self._opener.add_handler(handler)

    def request(self, url: str, headers: Mapping[str, str]) -> Any:
        """The response to a GET; after the first, of a server that may be redirected to.

        Raises:
            PhotoError: the server that answered last may not redirect there.
            OSError, http.client.HTTPException: there is no response, or not in time.
        """
        parts = urlsplit(url)
        self._proxied = _has_proxy(parts.scheme, parts.netloc)
        if self._proxied:  # it looks names up, and may be the only one that can
            self._server = allowed(_numeric(parts.hostname or ""), self._server)
        request = urllib.request.Request(url, headers=dict(headers))
        return self._opener.open(request, timeout=self._left_s())

    def end(self) -> None:
        """End what is open, and whatever will be opened: who waits for it gets an error."""
        with self._lock:
            self._ended = True
            for each in self._open:
                with suppress(OSError):  # it has ended by itself
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            self._open.clear()

    def _left_s(self) -> float:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s

    def _connect(self, place: tuple[str, int], *_: object) -> socket.socket:
        """A connection to a server or a proxy, as socket.create_connection makes it."""
        addresses = addresses_of(*place)
        if not self._proxied:
            addresses = allowed(addresses, self._server)
        connection, address = self._first_of(addresses, place[1])
        if not self._proxied:
            self._server = [address]
        with self._lock:
            if self._ended:
                connection.close()
                raise TimeoutError
            self._open.append(connection.dup())  # the first handle may become TLS's
        return connection

    def _first_of(self, addresses: Sequence[Address], port: int) -> tuple[socket.socket, Address]:
        """A connection to the first address that takes one."""
        for number, address in enumerate(addresses, 1):
            try:
                return socket.create_connection((str(address), port), self._left_s()), address
            except OSError:
                if number == len(addresses):
                    raise
        raise OSError("it has no address")


class _Plain(urllib.request.HTTPHandler):
    """http through connections that `connect` makes."""

    def __init__(self, connect: Callable[..., socket.socket]) -> None:
        super().__init__()
        self._make: Any = partial(_made, http.client.HTTPConnection, connect)

    def http_open(self, req: urllib.request.Request) -> Any:
        """Called by urllib."""
        return self.do_open(self._make, req)


class _Secure(urllib.request.HTTPSHandler):
    """https through them."""

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
    # http.client has no other place for it: what it connects to would be looked up again.
    connection._create_connection = connect  # type: ignore[attr-defined]
    return connection


def _has_proxy(scheme: str, host_and_port: str) -> bool:
    proxies = urllib.request.getproxies()
    return scheme in proxies and not urllib.request.proxy_bypass(host_and_port)


def _numeric(host: str) -> list[Address]:
    """The address that a host is written as, in whatever way; none of a name."""
    local = host == "localhost" or host.endswith(".localhost")
    try:
        return addresses_of("127.0.0.1" if local else host, 0, numeric=True)
    except (socket.gaierror, UnicodeError):
        return []
