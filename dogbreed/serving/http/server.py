"""The server: it starts its worker, serves requests, and completes them before it exits."""

import asyncio
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from dogbreed.artifact.folder import find_artifact, read_description
from dogbreed.configuration.run import ServeConfig
from dogbreed.errors import ConfigError, Stopped
from dogbreed.run_records.best import choose_run
from dogbreed.serving.http.counters import Counters
from dogbreed.serving.http.explanations import Explanations
from dogbreed.serving.http.hosts import Hosts, is_loopback
from dogbreed.serving.http.limits import BACKLOG, KEEP_ALIVE_S
from dogbreed.serving.http.malloc import release_large_blocks
from dogbreed.serving.http.page import pages, sign_in_page, static_files
from dogbreed.serving.http.token import TOKEN_VARIABLE, take_token
from dogbreed.serving.http.worker import Worker
from dogbreed.serving.model_line import model_line
from dogbreed.utils.terminal import print_lines


class Part(Protocol):
    """A part whose end is the server's."""

    async def wait_for_end(self) -> None:
        """Wait until it can't be used any more, then raise a WorkerError that says why."""


def serve(config: ServeConfig) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: the address can't be listened on; `hosts` or the token is invalid.
        ArtifactError, EngineError: the model can't be served, or isn't in its folder any more when
            a worker process is restarted.
    """
    release_large_blocks()
    try:
        asyncio.run(_serve(config))
    except Stopped:
        print_lines("stopped")


async def _serve(config: ServeConfig) -> None:
    # The current target of outputs/latest: a training may finish while this serves.
    chosen = choose_run(Path(config.model))
    folder = find_artifact(chosen.folder).resolve()
    description = read_description(folder)
    hosts, token = Hosts(config.hosts, config.host), take_token(config.token)
    listening = _listen(config.host, config.port)
    counters = Counters()
    worker = Worker(
        "dogbreed.serving.http.predict_worker",
        [
            *(str(folder), config.engine, config.precision),
            *(str(config.threads), str(config.timeout_s)),
        ],
        silence_s=config.timeout_s,
        identity=description.identity,
        restarted=counters.restarts.inc,
    )
    await worker.start()
    explanations = Explanations(
        str(folder), worker, silence_s=config.timeout_s, identity=description.identity
    )
    try:
        # These imports take half a second, while the worker loads the model.
        from dogbreed.serving.http.app import build_app
        from dogbreed.serving.http.endpoint import Endpoint
        from dogbreed.serving.http.guard import Guard

        endpoint = Endpoint(description, worker, explanations, counters, config)
        needs_token = token is not None
        app = build_app(endpoint, pages(description, token=needs_token), token=needs_token)
        public = ("/ping", *static_files())
        guard = Guard(app, hosts, token, public, sign_in_page(), counters.refused)
        await worker.wait_until_ready()
        print_lines(model_line(chosen, description))
        if not needs_token:
            _warn_without_token(config.host, listening)
        line = f"serving {config.model} on {_address(listening)} (Ctrl-C stops it)"
        await run(guard, listening, line, config.timeout_s, (worker, explanations))
    finally:
        await explanations.stop()
        await worker.stop()


async def run(
    app: Any, listening: socket.socket, line: str, timeout_s: float, parts: Iterable[Part]
) -> None:
    """Serve until a signal, which uvicorn raises again once all requests are answered.

    Args:
        line: printed once connections are accepted and signals are handled.
        parts: if one ends, the server stops.

    Raises:
        Stopped: by that signal.
        WorkerError: one of the parts has ended.
    """
    from dogbreed.serving.http.uvicorn_server import build_server

    server = build_server(app, timeout_s, lambda: print_lines(line))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    ends = {asyncio.create_task(part.wait_for_end()) for part in parts}
    await asyncio.wait({serving, *ends}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    for end in ends:
        if end.done():
            end.result()


def _warn_without_token(host: str, listening: socket.socket) -> None:
    """Warn if other machines can send photos without a token."""
    if not is_loopback(listening.getsockname()[0]):
        print_lines(
            f"warning: host={host}: everyone who can reach this machine can use the server. Set a "
            f"token ({TOKEN_VARIABLE}=$(openssl rand -hex 16), sent as Authorization: Bearer), or "
            "listen on this machine only (host=127.0.0.1). List the server's other names in "
            "hosts=[NAME].",
            file=sys.stderr,
        )


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
        # Connections inherit it. asyncio sets it only on sockets that it creates itself, and the
        # second packet of a response would wait 40 ms for the first to be acknowledged.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # disconnects clients that don't read
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * KEEP_ALIVE_S)
        return listening
    except (OSError, UnicodeError) as error:  # UnicodeError: of an invalid name
        reason = getattr(error, "strerror", None) or "no such address"
        raise ConfigError(
            f"host={host} port={port}: can't be listened on ({reason}): is another server "
            "running? Give another port (port=0: any free one), or a host of this machine."
        ) from error
