"""HTTP as uvicorn reads it, with limits to what precedes a body, which it has none for."""

import asyncio
import functools
import json
import math
import re
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dogbreed.serving.http.client_limits import client_of
from dogbreed.serving.http.connections import Connections
from dogbreed.serving.http.limits import ConnectionLimits
from dogbreed.serving.http.security_headers import SECURITY_HEADERS
from dogbreed.serving.requests.invocations import JSON_TYPE, RequestError

MAX_HEAD_BYTES = 64 * 1024
# Read before a connection too many is refused: a client that still sends doesn't read.
_MAX_IGNORED_BYTES = 32 * 2**20

# Who reads less of an answer, in the time that a request's head has, isn't waited for.
MIN_READ_BYTES = 64 * 1024

# Clients ask for HTTP/2 by it, Java's by default. The parser would take what follows for that
# other protocol, and a photo would be lost.
UPGRADE = re.compile(rb"(?<=\r\n)upgrade:", re.IGNORECASE)

# uvicorn adds them to all but what is refused before there is a request.
_SECURITY_HEADERS = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


def limited_protocol(head_s: float, limits: ConnectionLimits) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, each connection of which has so many seconds for a request's head.

    Whoever sends a byte a minute, or nothing, would keep a connection for ever; whoever sends
    headers without end would fill the memory; whoever doesn't read would have its answers kept.
    A connection beyond those that are answered gets 429 for its request: one that was closed at
    once would be reset by what it sends, and the client would see that instead.
    """
    connections = Connections(limits)
    refuse_busy = functools.partial(_refuse_busy, seconds=head_s)

    class LimitedProtocol(HttpToolsProtocol):
        client_name = ""
        _deadline: asyncio.TimerHandle | None = None
        _reading: asyncio.TimerHandle | None = None  # while its client should read
        _parts = 0  # heads that began, and pieces of bodies
        _head_bytes = 0
        _in_head = True
        _in_body = False
        _begun = False  # some of a head is there
        _stopping = False

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)  # type: ignore[arg-type]
            self.client_name = client_of(self.client[0]) if self.client else ""
            if not connections.opened(self):
                self._refuse(_too_many())
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            connections.closed(self)
            self._relax()
            self.resume_writing()
            super().connection_lost(exc)

        def let_go(self) -> None:
            self.transport.abort()

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if not self._in_body:
                head, end, rest = data.partition(b"\r\n\r\n")
                data = UPGRADE.sub(b"Not-Upgraded:", head) + end + rest
            before = self._parts
            super().data_received(data)
            if self._parts == before:  # on with a head, or with what follows a body's last piece
                self._head_bytes += len(data)
                if self._head_bytes > MAX_HEAD_BYTES:
                    self._refuse(
                        RequestError(
                            431, "too_large", f"The head has more than {MAX_HEAD_BYTES:,} bytes."
                        )
                    )
            if self._in_head or self.cycle is None or self.cycle.response_complete:
                self._watch()

        def on_message_begin(self) -> None:
            self._in_head, self._begun, self._head_bytes = True, True, 0
            self._parts += 1
            super().on_message_begin()

        def on_body(self, body: bytes) -> None:
            self._head_bytes = 0
            self._parts += 1
            super().on_body(body)

        def on_headers_complete(self) -> None:
            self._in_head, self._in_body, self._begun = False, True, False
            self._relax()
            # One application for each request: room comes and goes.
            answered = connections.requested(self)
            self.app = self.config.loaded_app if answered else refuse_busy
            if not self.url.startswith(b"/"):
                self.scope["state"]["target"] = self.url.decode("latin-1")
            super().on_headers_complete()
            if self._stopping:
                self.cycle.keep_alive = False

        def on_message_complete(self) -> None:
            self._in_body = False
            self._relax()
            super().on_message_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.cycle.response_complete:  # the last that it has requested
                connections.answered(self)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._await_reading()

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._reading is not None:
                self._reading.cancel()
                self._reading = None

        def shutdown(self) -> None:
            self._stopping = True
            if not self._begun:  # else its request is answered first
                super().shutdown()

        def send_400_response(self, msg: str) -> None:
            self._refuse(RequestError(400, "not_http", msg))

        def _watch(self) -> None:
            if self._deadline is None and not self.transport.is_closing():
                self._deadline = self.loop.call_later(head_s, self.timeout_keep_alive_handler)

        def _await_reading(self, before: float = math.inf) -> None:
            left = self.transport.get_write_buffer_size()
            if left > before - MIN_READ_BYTES:
                self.transport.abort()
            else:
                self._reading = self.loop.call_later(head_s, self._await_reading, left)

        def _relax(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _refuse(self, error: RequestError) -> None:
            headers, body = _closing(error)
            headers += _SECURITY_HEADERS
            head = b"".join(b"%b: %b\r\n" % header for header in headers)
            status = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n".encode()
            self.transport.write(status + head + b"\r\n" + body)
            self.transport.close()

    return LimitedProtocol


async def _refuse_busy(scope: Any, receive: Any, send: Any, *, seconds: float) -> None:
    """The ASGI application of a connection too many: 429 once its request has been read."""
    ignored = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while ignored < _MAX_IGNORED_BYTES:
                message = await receive()
                ignored += len(message.get("body", b""))
                if not message.get("more_body"):
                    break
    error = _too_many()
    headers, body = _closing(error)
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _too_many() -> RequestError:
    return RequestError(429, "busy", "Too many connections are open: try again shortly.")


def _closing(error: RequestError) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of a refusal after which the connection is closed."""
    body = json.dumps(error.as_dict()).encode()
    headers = [
        (b"content-type", JSON_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    return headers + [(b"retry-after", b"1")] * (error.status == 429), body
