"""`python -m dogbreed.serve` for tests: started on a free port, sent requests, and inspected."""

import asyncio
import base64
import http.client
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import psutil
from conftest import THREADS, wait_for_line
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

ANSWERING, EXPLAINING = (
    "dogbreed.serving.http.predict_worker",
    "dogbreed.serving.http.explain_worker",
)
# Longer than anything takes on a busy machine; nothing waits for it where all is well.
PATIENCE_S = 60.0

# Stand-ins for what may be in C code: at a photo with such a word the process is gone, the one that
# decodes it or the one that computes its answer.
CRASHES_DECODER, FATAL = b"a word that no photo has", b"another word that no photo has"
CRASHES_DECODER_SITE = f"""
import os, sys
if "dogbreed.data.decoding.process" in sys.orig_argv:
    import PIL.Image
    opened = PIL.Image.open
    def open(file, *arguments, **options):
        if {CRASHES_DECODER!r} in file.getvalue():
            os._exit(9)
        return opened(file, *arguments, **options)
    PIL.Image.open = open
if "dogbreed.serving.http.predict_worker" in sys.orig_argv:
    import dogbreed.data.decoding.photos
    digest = dogbreed.data.decoding.photos.digest
    def fatal(data):
        if {FATAL!r} in data:
            os._exit(9)
        return digest(data)
    dogbreed.data.decoding.photos.digest = fatal
"""


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def values(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)

    @property
    def refused(self) -> tuple[int, str]:
        """The status and the code of a refusal, once its body is seen to be as promised."""
        assert self.headers["content-type"] == "application/json"
        assert list(self.values) == ["error"]
        assert sorted(self.values["error"]) == ["code", "message"]
        message = self.values["error"]["message"]
        assert message.endswith(".")
        assert "\n" not in message
        assert "Traceback" not in message
        return self.status, self.values["error"]["code"]


@dataclass
class LocalServer:
    """One that runs."""

    process: subprocess.Popen[str]
    port: int

    def connection(self) -> http.client.HTTPConnection:
        """A new connection to it."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def send(
        self,
        body: Any = None,
        path: str = "/invocations",
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = self.connection()
        try:
            connection.request(method, path, body, dict(headers or {}))
            return answer_on(connection)
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        """Ask for a page."""
        return self.send(path=path, method="GET")

    def send_json(self, **values: Any) -> Answer:
        """Send JSON; photos as bytes are sent in base64."""
        photos = values.get("photos")
        if isinstance(photos, list):
            values["photos"] = [as_text(each) if type(each) is bytes else each for each in photos]
        return self.send(json.dumps(values), headers={"Content-Type": "application/json"})

    def metrics(self) -> dict[str, float]:
        """Its figures by name, and status where they have one."""
        return {
            sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
            for family in text_string_to_metric_families(self.get("/metrics").body.decode())
            for sample in family.samples
        }

    def worker(self, module: str = ANSWERING) -> psutil.Process:
        """Its process that answers, or that explains."""
        (found,) = self.workers(module)
        return found

    def workers(self, module: str = ANSWERING) -> list[psutil.Process]:
        """Its processes that run a module."""
        return workers_of(self.process.pid, module)

    def resident_mb(self) -> float:
        """Memory of the server and its workers, in MB."""
        parent = psutil.Process(self.process.pid)
        return (
            sum(
                float(each.memory_info().rss) for each in (parent, *parent.children(recursive=True))
            )
            / 1e6
        )


def workers_of(pid: int, module: str) -> list[psutil.Process]:
    """The children of a process that run a module."""
    return [child for child in psutil.Process(pid).children() if module in _command(child)]


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:  # it has ended
        return []


@contextmanager
def serving(
    model: Path, *arguments: str, stderr: int | None = None, **variables: str
) -> Iterator[LocalServer]:
    """A server of a model, ended afterwards whatever happened."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dogbreed.serve", f"model={model}", "port=0", *arguments],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**os.environ, **THREADS, **variables},
    )
    try:
        line = wait_for_line(process.stdout, "serving ")
        yield LocalServer(process, int(line.split(" (")[0].rsplit(":", 1)[1]))
    finally:
        for child in psutil.Process(process.pid).children() if process.poll() is None else ():
            child.send_signal(signal.SIGCONT)  # else the one that a test paused would stay
        process.kill()
        process.communicate()


def answer_on(connection: http.client.HTTPConnection) -> Answer:
    """The next answer on a connection."""
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def wait_until(happened: Callable[[], Any], what: str) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it isn't within PATIENCE_S.
    """
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.02)


def picture(seed: int = 0, size: tuple[int, int] = (90, 70), mode: str = "RGB") -> Image.Image:
    """A picture of noise."""
    values = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(values).convert(mode)


def photo(kind: str = "JPEG", image: Image.Image | None = None, **options: Any) -> bytes:
    """A picture's bytes in a format."""
    file = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image or picture()).save(file, **options)
    else:
        (image or picture()).save(file, kind, **options)
    return file.getvalue()


def as_text(data: bytes) -> str:
    """In base64."""
    return base64.b64encode(data).decode()


def run_async(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it in a thread of its own: a browser's test leaves a loop that runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
