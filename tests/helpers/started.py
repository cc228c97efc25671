"""Real servers for models, started on loopback from a model.tar.gz as AWS's containers do it.

They run in an environment of their own, .venv-servers, that lacks what the containers lack.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from dogbreed.artifact.servers.torchserve import ENVIRONMENT as TORCHSERVE_ENVIRONMENT

PROJECT = Path(__file__).parents[2]
BIN = PROJECT / ".venv-servers" / "bin"
READY_S = 120

# The container's entry point, but for one file that it would write outside of any folder of ours.
_TORCHSERVE = """
import sys
from sagemaker_pytorch_serving_container import serving, torchserve
torchserve.TS_CONFIG_FILE = sys.argv[1]
serving.main()
"""


def missing(*, java: bool) -> str | None:
    """Why the servers can't be started here, in a sentence; None if they can."""
    if not (BIN / "serve").exists():
        return "the servers aren't installed: `make test-servers` does it"
    if java and shutil.which("java") is None:
        return "TorchServe needs Java (Debian: apt install default-jre-headless)"
    return None


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at, each another."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def environment(**variables: str) -> dict[str, str]:
    """This process's variables less what would reach another Python, and those given."""
    kept = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return kept | {"PATH": f"{BIN}:{os.environ['PATH']}"} | variables


def _torchserve_variables(home: str, port: int) -> dict[str, str]:
    """What keeps a TorchServe to itself: loopback alone, ports and files of its own."""
    others = free_ports(4)
    return {
        "TS_INFERENCE_ADDRESS": f"http://127.0.0.1:{port}",
        "TS_MANAGEMENT_ADDRESS": f"http://127.0.0.1:{port}",
        "TS_METRICS_ADDRESS": f"http://127.0.0.1:{others[0]}",
        "TS_GRPC_INFERENCE_PORT": str(others[1]),
        "TS_GRPC_MANAGEMENT_PORT": str(others[2]),
        "TS_INITIAL_WORKER_PORT": str(others[3]),
        "TEMP": home,  # sockets' paths are short: no folder of pytest's
        "TMPDIR": home,
    }


@contextmanager
def torchserve(write_model: Callable[[Path], object], port: int = 0) -> Iterator[str]:
    """TorchServe by sagemaker-pytorch-inference; its address.

    `write_model` writes what a container has in /opt/ml/model to the folder that it is given.
    """
    with tempfile.TemporaryDirectory(prefix="ts") as home:
        write_model(Path(home, "model"))
        port = port or free_ports(1)[0]
        given = environment(
            **_torchserve_variables(home, port),
            **TORCHSERVE_ENVIRONMENT,
            SAGEMAKER_BASE_DIR=home,
            SAGEMAKER_BIND_TO_PORT=str(port),
        )
        command = [str(BIN / "python"), "-c", _TORCHSERVE, f"{home}/ts.properties"]
        url = f"http://127.0.0.1:{port}"
        with _running(command, given, Path(home)) as process:
            # /ping is 200 long before the worker is there; a request waits for it.
            _wait_until(process, Path(home), lambda: ask(f"{url}/ping", None)[0] == 200)
            yield url


def unpack(archive: Path, folder: Path) -> None:
    """A model.tar.gz as a container finds it."""
    with tarfile.open(archive) as tape:
        tape.extractall(folder, filter="data")


def ask(url: str, body: bytes | None, **headers: str) -> tuple[int, Any]:
    """The status and the body of an answer, JSON where it is that; `a_b` is a header a-b."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, named)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, data = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, data = error.code, error.read()
    try:
        return status, json.loads(data)
    except ValueError:
        return status, data


@contextmanager
def _running(
    command: Sequence[str], variables: Mapping[str, str], home: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A command and all that it starts, until the block ends; what it says goes to home/log."""
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=home, env=variables, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, number)
                process.wait(3)


def _wait_until(process: subprocess.Popen[bytes], home: Path, is_ready: Callable[[], bool]) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError):  # nobody listens yet
            if is_ready():
                return
        time.sleep(0.1)
    raise AssertionError(f"it doesn't come up:\n{(home / 'log').read_text()[-6000:]}")
