"""The server's front with a small app behind it: its end by a signal, and its connections."""

import http.client
import resource
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from conftest import wait_for_line
from local_server import PATIENCE_S, answer_on, wait_until

from dogbreed.server.limits import MAX_ANSWERED, MAX_REFUSED, RESERVED_FILES, limits_for

_, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
FRONT = """
import asyncio, resource, signal, socket, sys
from dogbreed.command import _stop
from dogbreed.errors import Stopped
from dogbreed.server.running import run

async def app(scope, receive, send):
    size = 0
    while (message := await receive()).get("more_body"):
        size += len(message["body"])
    body = str(size + len(message["body"])).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

class Part:
    async def wait_for_end(self):
        await asyncio.Event().wait()

for _ in range(int(sys.argv[1])):
    signal.signal(signal.SIGTERM, _stop)
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    line = f"serving {listening.getsockname()[1]}"
    try:
        asyncio.run(run(app, listening, line, 20.0, [Part()]))
    except Stopped:
        print("stopped", resource.getrlimit(resource.RLIMIT_NOFILE)[0], flush=True)
"""


@dataclass
class Front:
    """A process that serves, again after each signal."""

    process: subprocess.Popen[str]

    def next_port(self) -> int:
        """Where it listens, as soon as it says so."""
        return int(wait_for_line(self.process.stdout, "serving ").split()[1])

    def stop(self) -> None:
        """Send it the signal that ends a server."""
        self.process.send_signal(signal.SIGTERM)

    def stopped(self) -> int:
        """Wait for its end; how many files it might open."""
        return int(wait_for_line(self.process.stdout, "stopped ").split()[1])


@contextmanager
def front(times: int = 1, set_up: Callable[[], None] | None = None) -> Iterator[Front]:
    """A front that is ended afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", FRONT, str(times)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=set_up,
    ) as process:
        try:
            yield Front(process)
        finally:
            process.kill()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def received(connection: socket.socket) -> bytes:
    """All that comes until the other end closes; a reset is an error."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nphotophot"


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.servers)])
def test_a_signal_right_after_the_line_loses_no_request(times: int) -> None:
    with front(times) as server:
        for _ in range(times):
            port = server.next_port()
            with ExitStack() as stack:
                idle, get, post, half = (stack.enter_context(connected(port)) for _ in range(4))
                get.sendall(GET)
                post.sendall(POST)
                half.sendall(GET[:20])
                server.stop()
                assert received(idle) == b""
                half.sendall(GET[20:])
                for sent in (get, post, half):
                    assert received(sent).startswith(b"HTTP/1.1 200 ")
            server.stopped()


@pytest.mark.servers
def test_connections_too_many_are_answered_429_and_none_is_reset() -> None:
    with front() as server, ExitStack() as stack:
        port = server.next_port()
        many = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(700)]
        for connection in many:
            connection.connect()
            stack.callback(connection.close)
        found = Counter[int]()
        for number, connection in enumerate(many):  # the last ones send a photo
            body = bytes(300_000) if number > 690 else None
            connection.request("POST" if body else "GET", "/", body)
            answer = answer_on(connection)
            found[answer.status] += 1
            if answer.status == 429:
                assert answer.refused == (429, "busy")
                assert answer.headers["retry-after"] == "1"
                assert answer.headers["connection"] == "close"
        assert found == {200: MAX_ANSWERED, 429: 700 - MAX_ANSWERED}
        many[0].request("GET", "/")
        assert answer_on(many[0]).status == 200, "who was in goes on"
        for connection in many[1:]:
            connection.close()

        def answered() -> bool:
            late = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            stack.callback(late.close)
            late.request("GET", "/")
            return answer_on(late).status == 200

        wait_until(answered, "there is room again")


def test_as_many_files_as_are_needed_and_allowed() -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, HARD))

    wanted = RESERVED_FILES + MAX_ANSWERED + MAX_REFUSED
    with front(set_up=few) as server:
        server.next_port()
        server.stop()
        assert server.stopped() == (wanted if HARD == resource.RLIM_INFINITY else min(wanted, HARD))


@pytest.mark.parametrize(
    ("files", "answered", "most"),
    [
        (1_000_000, MAX_ANSWERED, MAX_ANSWERED + MAX_REFUSED),
        (1024, 480, 960),
        (4096, MAX_ANSWERED, 4096 - RESERVED_FILES),
        (128, 32, 64),
        (10, 1, 2),
    ],
)
def test_connections_by_the_files_that_may_be_open(files: int, answered: int, most: int) -> None:
    limits = limits_for(files)
    assert (limits.answered, limits.open) == (answered, most)
