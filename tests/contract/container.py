"""A container that serves a model: its archive from S3, unpacked, under the project's server."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped, unused-ignore]
from contract.instance import LogStream
from contract.storage import split_uri

PATIENCE_S = 60.0
ANSWER_S = 60.0  # how long the service waits for an answer; its status for it is 0
# Passed on from the test process; everything else in the container's environment is its own.
PASSED_ON = ("PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "OMP_NUM_THREADS")


class DidNotStart(Exception):
    """The sentence that the service has for it."""


class Container:
    """`start` it, `send` it what callers send, `stop` it. What it prints goes to `log`."""

    def __init__(
        self, s3: Any, model_uri: str, log: LogStream, variables: Mapping[str, str]
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ct-"))
        self._s3, self._uri, self._log = s3, model_uri, log
        self._variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self._variables |= variables
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def start(self) -> None:
        """Fetch the model and wait for /ping; raises DidNotStart."""
        model = self._folder / "model"
        try:
            archive = self._folder / "model.tar.gz"
            self._s3.download_file(*split_uri(self._uri), str(archive))
            with tarfile.open(archive, "r:gz") as tape:
                tape.extractall(model, filter="data")
            self.unpacked(model)
        except (ClientError, tarfile.TarError, OSError) as error:
            raise DidNotStart(f"Failed to download model data from {self._uri}: {error}") from error
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self._port = listener.getsockname()[1]
        command = [sys.executable, "-u", "-m", "dogbreed.serve", f"model={model}"]
        self._process = subprocess.Popen(
            [*command, f"port={self._port}"],
            cwd=self._folder,
            env={**self._variables, "DOGBREED_CACHE": str(self._folder / "cache")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        deadline = time.monotonic() + PATIENCE_S
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), self._open("/ping"):
                return
            time.sleep(0.05)
        raise DidNotStart(
            "The primary container for production variant AllTraffic did not pass the ping health "
            "check. Please check CloudWatch logs for this endpoint."
        )

    def send(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """The server's status and answer to POST /invocations."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/invocations", data=body, headers=dict(headers)
        )
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                request, timeout=ANSWER_S
            ) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except TimeoutError:
            return 0, b"Your invocation timed out while waiting for a response from primary."

    def unpacked(self, model: Path) -> None:
        """For a test to damage what was unpacked."""

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self, path: str) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(f"http://127.0.0.1:{self._port}{path}", timeout=2)

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as lines, suppress(ValueError):
            for line in lines:
                self._log.put([line.rstrip("\n")])
