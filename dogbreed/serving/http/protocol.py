"""uvicorn's HTTP protocol, with the limits on time and size that it lacks."""

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
# Discarded before a request over the limit is refused: clients don't read while they send.
_MAX_IGNORED_BYTES = 32 * 2**20

# A client that reads less of a response, in the time that a request's head has, is disconnected.
MIN_READ_BYTES = 64 * 1024

# Clients request HTTP/2 with it, Java's by default. The parser would take the body for the other
# protocol, and the photo would be lost.
UPGRADE = re.compile(rb"(?<=\r\n)upgrade:", re.IGNORECASE)

# uvicorn adds them to all responses except those before a complete request.
_SECURITY_HEADERS = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


def limited_protocol(head_s: float, limits: ConnectionLimits) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, in which a request's head must arrive within `head_s` seconds.

    Without limits, a client that sends nothing would hold its connection for ever, endless headers
    would fill the memory, and responses that a client doesn't read would stay in memory. A
    connection over the limit gets 429 for its request: if it was closed at once, the client would
    see a reset connection instead.
    """
    connections = Connections(limits)
    refuse_busy = functools.partial(_refuse_busy, seconds=head_s)

    class LimitedProtocol(HttpToolsProtocol):
        client_name = ""
        _head_timer: asyncio.TimerHandle | None = None
        _read_timer: asyncio.TimerHandle | None = None  # while the client should read
        _parts = 0  # heads begun, and chunks of bodies
        _head_bytes = 0
        _in_head = True
        _in_body = False
        _begun = False  # a part of a head has arrived
        _stopping = False

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)  # type: ignore[arg-type]
            self.client_name = client_of(self.client[0]) if self.client else ""
            if not connections.opened(self):
                self._refuse(_too_many())
            self._start_timer()

        def connection_lost(self, exc: Exception | None) -> None:
            connections.closed(self)
            self._stop_timer()
            self.resume_writing()
            super().connection_lost(exc)

        def abort(self) -> None:
            self.transport.abort()

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if not self._in_body:
                head, end, rest = data.partition(b"\r\n\r\n")
                data = UPGRADE.sub(b"Not-Upgraded:", head) + end + rest
            before = self._parts
            super().data_received(data)
            if self._parts == before:  # more of a head, or after a body's last chunk
                self._head_bytes += len(data)
                if self._head_bytes > MAX_HEAD_BYTES:
                    self._refuse(
                        RequestError(
                            431, "too_large", f"The head has more than {MAX_HEAD_BYTES:,} bytes."
                        )
                    )
            if self._in_head or self.cycle is None or self.cycle.response_complete:
                self._start_timer()

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
            self._stop_timer()
            # Decided for each request: the number of connections changes.
            served = connections.requested(self)
            self.app = self.config.loaded_app if served else refuse_busy
            if not self.url.startswith(b"/"):
                self.scope["state"]["target"] = self.url.decode("latin-1")
            super().on_headers_complete()
            if self._stopping:
                self.cycle.keep_alive = False

        def on_message_complete(self) -> None:
            self._in_body = False
            self._stop_timer()
            super().on_message_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.cycle.response_complete:  # no pipelined request is left
                connections.answered(self)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._await_read()

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._read_timer is not None:
                self._read_timer.cancel()
                self._read_timer = None

        def shutdown(self) -> None:
            self._stopping = True
            if not self._begun:  # otherwise its request is answered first
                super().shutdown()

        def send_400_response(self, msg: str) -> None:
            self._refuse(RequestError(400, "not_http", msg))

        def _start_timer(self) -> None:
            if self._head_timer is None and not self.transport.is_closing():
                self._head_timer = self.loop.call_later(head_s, self.timeout_keep_alive_handler)

        def _await_read(self, before: float = math.inf) -> None:
            unread = self.transport.get_write_buffer_size()
            if unread > before - MIN_READ_BYTES:
                self.transport.abort()
            else:
                self._read_timer = self.loop.call_later(head_s, self._await_read, unread)

        def _stop_timer(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _refuse(self, error: RequestError) -> None:
            headers, body = _closing(error)
            headers += _SECURITY_HEADERS
            head = b"".join(b"%b: %b\r\n" % header for header in headers)
            status = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n".encode()
            self.transport.write(status + head + b"\r\n" + body)
            self.transport.close()

    return LimitedProtocol


async def _refuse_busy(scope: Any, receive: Any, send: Any, *, seconds: float) -> None:
    """The ASGI application of a connection over the limit: 429 once its request has been read."""
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
    """The headers and the body of an error response after which the connection is closed."""
    body = json.dumps(error.as_dict()).encode()
    headers = [
        (b"content-type", JSON_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    return headers + [(b"retry-after", b"1")] * (error.status == 429), body
