"""The server's life: it starts its worker, takes requests, and answers what is left at its end."""

import asyncio
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from dogbreed.artifact.folder import find_artifact, read_description
from dogbreed.configuration.run import ServeConfig
from dogbreed.errors import ConfigError, Stopped
from dogbreed.serving.http.counters import Counters
from dogbreed.serving.http.explanations import Explanations
from dogbreed.serving.http.hosts import Hosts, is_loopback
from dogbreed.serving.http.limits import BACKLOG, KEEP_ALIVE_S
from dogbreed.serving.http.memory import give_back_large_pieces
from dogbreed.serving.http.page import pages, sign_in_page, static_files
from dogbreed.serving.http.token import TOKEN_VARIABLE, take_token
from dogbreed.serving.http.worker import Worker
from dogbreed.utils.terminal import print_lines


class Part(Protocol):
    """What the server can't do without."""

    async def wait_for_end(self) -> None:
        """Wait until it can't be used any more; raises a WorkerError that says why."""


def serve(config: ServeConfig) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: the address can't be listened on; `hosts` or the token can't be used.
        ArtifactError, EngineError: the model can't be served, or its folder doesn't hold it any
            more when a worker process has to be started again.
    """
    give_back_large_pieces()
    try:
        asyncio.run(_serve(config))
    except Stopped:
        print_lines("stopped")


async def _serve(config: ServeConfig) -> None:
    # What outputs/latest leads to now: another training may end while this serves.
    folder = find_artifact(Path(config.model)).resolve()
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
        # Half a second of imports, while the worker loads the model.
        from dogbreed.serving.http.app import build_app
        from dogbreed.serving.http.endpoint import Endpoint
        from dogbreed.serving.http.guard import Guard

        endpoint = Endpoint(
            *(description, worker, explanations, counters),
            queue=config.queue,
            timeout_s=config.timeout_s,
            tiff=config.tiff,
        )
        needs_token = token is not None
        app = build_app(endpoint, pages(description, token=needs_token), token=needs_token)
        guard = Guard(app, hosts, token, ("/ping", *static_files()), sign_in_page())
        await worker.wait_until_ready()
        if not needs_token:
            _warn_of_others(config.host, listening)
        line = f"serving {config.model} on {_address(listening)} (Ctrl-C stops it)"
        await run(guard, listening, line, config.timeout_s, (worker, explanations))
    finally:
        await explanations.stop()
        await worker.stop()


async def run(
    app: Any, listening: socket.socket, line: str, timeout_s: float, parts: Iterable[Part]
) -> None:
    """Serve until a signal comes, which uvicorn gives back once all is answered.

    Args:
        line: printed once connections are taken and signals are listened to.
        parts: without which nothing can be answered any more.

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


def _warn_of_others(host: str, listening: socket.socket) -> None:
    """Say so where others than this machine can send photos without a token."""
    if not is_loopback(listening.getsockname()[0]):
        print_lines(
            f"warning: host={host}: whoever reaches this machine can use the server. Give it a "
            f"token ({TOKEN_VARIABLE}=$(openssl rand -hex 16), sent as Authorization: Bearer), or "
            "listen to this machine alone (host=127.0.0.1). Names that it is called by go into "
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
        # For the connections too: asyncio sets it on sockets of its own making alone, and an
        # answer in two pieces would wait 40 ms for the first to be acknowledged.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # who doesn't read its answer is let go
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * KEEP_ALIVE_S)
        return listening
    except (OSError, UnicodeError) as error:  # the latter of a name that none can have
        reason = getattr(error, "strerror", None) or "no such address"
        raise ConfigError(
            f"host={host} port={port}: can't be listened on ({reason}): is another server "
            "there? Give another port (port=0: any that is free), or a host of this machine."
        ) from error
