"""A real MLflow server on a free port, and a proxy that records what reaches it."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """The address of a server with its database and artifacts in `folder`."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}"]
    places = [f"--backend-store-uri=sqlite:///{folder}/m.db", f"--artifacts-destination={folder}"]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [*command, *places, "--workers=1"],
            cwd=folder,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, process, folder / "log.txt")
        yield address
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


class Recording(ThreadingHTTPServer):
    """Passes requests on to `target`; `seen` are the headers of each, by its path.

    From the `fails_from`-th batch of metrics on it closes the connection without an answer.
    """

    daemon_threads = True

    def __init__(self, target: str, fails_from: int = 1000) -> None:
        super().__init__(("127.0.0.1", 0), _Proxy)
        self.target, self.fails_from = target, fails_from
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.batches = 0

    @property
    def address(self) -> str:
        """Its own address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Proxy(BaseHTTPRequestHandler):
    server: Recording

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.path, dict(self.headers)))
        if self.path.endswith("/runs/log-batch") and "metrics" in json.loads(body):
            self.server.batches += 1
        if self.server.batches >= self.server.fails_from:
            self.close_connection = True
            return
        request = urllib.request.Request(
            self.server.target + self.path, body or None, dict(self.headers), method=self.command
        )
        try:
            with urllib.request.urlopen(request) as response:
                self._answer(response.status, response.read())
        except urllib.error.HTTPError as error:
            self._answer(error.code, error.read())

    do_POST = do_PUT = do_GET

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


@contextmanager
def recording(target: str, fails_from: int = 1000) -> Iterator[Recording]:
    """A proxy of `target`, until the block ends."""
    with Recording(target, fails_from) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
