"""The server's front with a small app behind it: its end by a signal, and its connections."""

import http.client
import resource
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import psutil
import pytest
from conftest import wait_for_line
from helpers.local_server import PATIENCE_S, wait_until

from dogbreed.serving.http.connections import Connections
from dogbreed.serving.http.limits import (
    MAX_REFUSED,
    MAX_SERVED,
    RESERVED_FILES,
    ConnectionLimits,
    limits_for,
)

_, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
FRONT = """
import asyncio, resource, signal, socket, sys
from dogbreed.utils.command import _stop
from dogbreed.errors import Stopped
from dogbreed.serving.http.server import run

async def app(scope, receive, send):
    size = 0
    while (message := await receive()).get("more_body"):
        size += len(message["body"])
    body = str(size + len(message["body"])).encode()
    if scope["path"] == "/large":
        body = bytes(32_000_000)
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
        asyncio.run(run(app, listening, line, float(sys.argv[2]), [Part()]))
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
def front(
    times: int = 1, set_up: Callable[[], None] | None = None, timeout_s: float = 60
) -> Iterator[Front]:
    """A front that is ended afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", FRONT, str(times), str(timeout_s)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=set_up,
    ) as process:
        try:
            yield Front(process)
        finally:
            process.kill()


def connected(port: int, client: str = "127.0.0.1") -> socket.socket:
    """A connection of a client's; other addresses of loopback stand for other machines."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE_S, (client, 0))


def status_of(connection: socket.socket, request: bytes) -> int:
    """The status of a request's answer, after which the connection can be used again."""
    connection.sendall(request)
    with closing(http.client.HTTPResponse(connection)) as response:
        response.begin()
        response.read()
        return response.status


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


def test_requests_too_many_of_one_client_are_answered_429_and_none_is_reset() -> None:
    most, surplus = limits_for(1_000_000).served_each, 12
    body = bytes(300_000)
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with front() as server, ExitStack() as stack:
        port = server.next_port()
        many = [stack.enter_context(connected(port)) for _ in range(most + surplus)]
        for each in many:
            each.sendall(head)

        def is_refused() -> bool:
            with connected(port) as late:
                return status_of(late, GET) == 429

        wait_until(is_refused, "the client has as many as it may")
        with connected(port, "127.0.0.2") as other:
            assert status_of(other, GET) == 200, "another client"
        statuses = Counter(status_of(each, body) for each in many)
        assert statuses == {200: most, 429: surplus}
        with connected(port) as late:
            assert status_of(late, GET) == 200, "there is room again"


@pytest.mark.parametrize("begin", [b"", b"P", GET[:20], GET[:-1]])
def test_half_open_connections_lock_nobody_out(begin: bytes) -> None:
    with front() as server, ExitStack() as stack:
        port = server.next_port()
        for _ in range(900):
            stack.enter_context(connected(port)).sendall(begin)
        for client in ("127.0.0.1", "127.0.0.2"):
            with connected(port, client) as other:
                assert [status_of(other, each) for each in (GET, POST)] == [200, 200]


def test_who_has_too_many_connections_loses_those_that_wait_longest() -> None:
    limits = limits_for(256)

    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    with front(set_up=few) as server, ExitStack() as stack:
        port = server.next_port()
        busy = stack.enter_context(connected(port))
        assert status_of(busy, GET) == 200
        busy.sendall(POST[:-9])
        with connected(port) as later:
            assert status_of(later, GET) == 200, "so the one before is read too"
        greedy = [stack.enter_context(connected(port)) for _ in range(limits.open_each + 10)]
        for each in greedy[:11]:
            assert each.recv(1) == b"", "let go"
        assert status_of(greedy[11], GET) == 200
        assert status_of(busy, POST[-9:]) == 200, "whose request is under way stays"
        # All together have too many: who has the most loses one.
        rest = limits.open - limits.open_each
        others = [stack.enter_context(connected(port, f"127.0.1.{n}")) for n in range(1, rest + 1)]
        assert status_of(others[-1], GET) == 200
        with connected(port, "127.0.2.1") as late:
            assert status_of(late, GET) == 200
        assert status_of(others[0], GET) == 200
        assert greedy[12].recv(1) == b""


def test_a_client_that_does_not_read_is_disconnected() -> None:
    with front(timeout_s=0.5) as server:
        process = psutil.Process(server.process.pid)
        with connected(server.next_port()) as idle:
            idle.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
            assert idle.recv(1000)
            wait_until(lambda: len(process.net_connections("tcp")) == 1, "it listens, no more")


def test_as_many_files_as_are_needed_and_allowed() -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, HARD))

    wanted = RESERVED_FILES + MAX_SERVED + MAX_REFUSED
    with front(set_up=few) as server:
        server.next_port()
        server.stop()
        assert server.stopped() == (wanted if HARD == resource.RLIM_INFINITY else min(wanted, HARD))


@pytest.mark.parametrize(
    ("files", "served", "max_open"),
    [
        (1_000_000, MAX_SERVED, MAX_SERVED + MAX_REFUSED),
        (1024, 480, 960),
        (4096, MAX_SERVED, 4096 - RESERVED_FILES),
        (128, 32, 64),
        (10, 1, 2),
    ],
)
def test_connections_by_the_files_that_may_be_open(files: int, served: int, max_open: int) -> None:
    limits = limits_for(files)
    assert (limits.served, limits.open) == (served, max_open)


class Idle:
    """A connection of the one client."""

    client_name = "192.0.2.1"

    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


def test_a_request_on_a_connection_that_was_let_go_is_not_served() -> None:
    connections = Connections(ConnectionLimits(served=4, open=4))  # one of each client
    first, second = Idle(), Idle()
    assert connections.opened(first)
    assert connections.opened(second)
    assert (first.aborted, second.aborted) == (True, False)
    assert not connections.requested(first), "its head was on its way"
    assert connections.requested(second), "whose place is free"
