"""HTTP as uvicorn reads it, with limits to what precedes a body, which it has none for."""

import asyncio
import json
import re
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dogbreed.serving.invocations import JSON_TYPE, RequestError

MAX_HEAD_BYTES = 64 * 1024
# Half of the files that a process may have open on most systems.
MAX_CONNECTIONS = 512

# Clients ask for HTTP/2 by it, Java's by default. The parser would take what follows for that
# other protocol, and a photo would be lost.
UPGRADE = re.compile(rb"(?<=\r\n)upgrade:", re.IGNORECASE)


def limited_protocol(head_s: float) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, each connection of which has so many seconds for a request's head.

    Whoever sends a byte a minute, or nothing, would keep a connection for ever; whoever sends
    headers without end would fill the memory.
    """

    class LimitedProtocol(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None
        _parts = 0  # heads that began, and pieces of bodies
        _head_bytes = 0
        _in_head = True
        _in_body = False

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)  # type: ignore[arg-type]
            if len(self.connections) > MAX_CONNECTIONS:
                self._refuse(RequestError(429, "busy", "Too many connections are open."))
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._relax()
            super().connection_lost(exc)

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
            self._in_head, self._head_bytes = True, 0
            self._parts += 1
            super().on_message_begin()

        def on_body(self, body: bytes) -> None:
            self._head_bytes = 0
            self._parts += 1
            super().on_body(body)

        def on_headers_complete(self) -> None:
            self._in_head, self._in_body = False, True
            self._relax()
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._in_body = False
            self._relax()
            super().on_message_complete()

        def send_400_response(self, msg: str) -> None:
            self._refuse(RequestError(400, "not_http", msg))

        def _watch(self) -> None:
            if self._deadline is None and not self.transport.is_closing():
                self._deadline = self.loop.call_later(head_s, self.timeout_keep_alive_handler)

        def _relax(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _refuse(self, error: RequestError) -> None:
            body = json.dumps(error.as_dict())
            again = "retry-after: 1\r\n" if error.status == 429 else ""
            self.transport.write(
                f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
                f"content-type: {JSON_TYPE}\r\ncontent-length: {len(body)}\r\n"
                f"{again}connection: close\r\n\r\n{body}".encode()
            )
            self.transport.close()

    return LimitedProtocol
