"""uvicorn with our protocol and limits, and a shutdown that loses no request."""

import asyncio
import math
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from dogbreed.serving.http.limits import BACKLOG, KEEP_ALIVE_S, connection_limits
from dogbreed.serving.http.protocol import limited_protocol
from dogbreed.serving.http.security_headers import SECURITY_HEADERS

# Waited after a signal: closing the listening socket resets the connections in its queue, and a
# connection that is closed with unread data is reset too.
LINGER_S = 0.25


class Server(uvicorn.Server):
    """A server that calls `started` once it accepts connections and handles signals."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._call_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; signals are handled already."""
        await super().startup(sockets)
        self._call_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, once what was sent before the signal has been received."""
        await asyncio.sleep(LINGER_S)
        await super().shutdown(sockets)


def build_server(app: Any, timeout_s: float, started: Callable[[], None]) -> Server:
    """The server of an app; a request's head and its body have `timeout_s` each to arrive."""
    config = uvicorn.Config(
        app,
        http=limited_protocol(timeout_s, connection_limits()),
        ws="none",
        lifespan="off",
        log_config=None,  # logged like other libraries: see terminal.py
        log_level="warning",
        access_log=False,
        server_header=False,
        headers=list(SECURITY_HEADERS.items()),
        proxy_headers=False,  # clients could forge their addresses with them
        timeout_keep_alive=KEEP_ALIVE_S,
        backlog=BACKLOG,
        timeout_graceful_shutdown=math.ceil(timeout_s) + 1,
    )
    return Server(config, started)
