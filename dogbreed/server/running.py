"""The server's life: it starts its worker, takes requests, and answers what is left at its end."""

import asyncio
import math
import socket
from pathlib import Path
from typing import Any

from dogbreed.config import ServeConfig
from dogbreed.errors import ConfigError, Stopped
from dogbreed.server.counters import Counters
from dogbreed.server.explanations import Explanations
from dogbreed.server.memory import give_back_large_pieces
from dogbreed.server.page import pages
from dogbreed.server.worker import Worker
from dogbreed.serving.artifact import find_artifact, read_description

KEEP_ALIVE_S = 75  # longer than the 60 s of most proxies, which must be the ones to close
BACKLOG = 1024  # connections that wait to be taken


def serve(config: ServeConfig) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: the address can't be listened on.
        ArtifactError, EngineError: the model can't be served.
    """
    give_back_large_pieces()
    try:
        asyncio.run(_serve(config))
    except Stopped:
        print("stopped", flush=True)


async def _serve(config: ServeConfig) -> None:
    # What outputs/latest leads to now: another training may end while this serves.
    folder = find_artifact(Path(config.model)).resolve()
    description = read_description(folder)
    listening = _listen(config.host, config.port)
    counters = Counters()
    worker = Worker(
        "dogbreed.server.answering",
        [str(folder), config.engine, config.precision, str(config.threads)],
        silence_s=config.timeout_s,
        restarted=counters.restarts.inc,
    )
    await worker.start()
    explanations = Explanations(str(folder), worker, silence_s=config.timeout_s)
    try:
        # Half a second of imports, while the worker loads the model.
        from dogbreed.server.app import build_app
        from dogbreed.server.endpoint import Endpoint

        endpoint = Endpoint(
            *(description, worker, explanations, counters),
            queue=config.queue,
            timeout_s=config.timeout_s,
        )
        app = build_app(endpoint, pages(description))
        await worker.wait_until_ready()
        host, port = listening.getsockname()[:2]
        place = f"[{host}]" if ":" in host else host
        print(f"serving {config.model} on http://{place}:{port} (Ctrl-C stops it)", flush=True)
        await _run(app, listening, worker, config.timeout_s)
    finally:
        await explanations.stop()
        await worker.stop()


async def _run(app: Any, listening: socket.socket, worker: Worker, timeout_s: float) -> None:
    """Serve until a signal comes, which uvicorn gives back once all is answered.

    Raises:
        Stopped: by that signal.
        WorkerError: there is no worker any more.
    """
    import uvicorn

    from dogbreed.server.protocol import limited_protocol

    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=limited_protocol(timeout_s),
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            backlog=BACKLOG,
            timeout_graceful_shutdown=math.ceil(timeout_s) + 1,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    ended = asyncio.create_task(worker.wait_for_end())
    await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    await ended


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
