"""AWS's Ray Serve container without a container: its own two scripts over a model.tar.gz.

What differs from the container: folders, ports and addresses, which `_replaced` lists; Python,
torch and the operating system are this machine's; pip finds the packages of requirements.txt
installed, and uses no index; Ray takes the size of its object store from a machine of 4 GB.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from helpers.started import BIN, READY_S, ask, environment, free_ports, missing, unpack

from dogbreed.artifact.servers.ray import ENVIRONMENT

SCRIPTS = Path(__file__).parents[1] / "inference" / "aws_ray"

# Processes whose parents have ended become children of this one, so that they are found and ended.
_SUPERVISOR = """
import ctypes, os, subprocess, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # as many cores as ml.t2.medium has
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
sys.exit(subprocess.call(sys.argv[1:]))
"""
# By its module: SageMaker's toolkit installs a command `serve` too, and either may be the last.
_SERVE = f"#!{BIN}/python\nfrom ray.serve.scripts import cli\ncli()\n"

_MACHINE = {
    "PIP_NO_INDEX": "1",
    # 30 % of the machine's memory, as Ray would take.
    "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES": "1200000000",
}


def missing_for_ray() -> str | None:
    """Why the container's scripts can't be run here, in a sentence; None if they can."""
    why = missing(java=False)
    if why is None and not list(BIN.parent.glob("lib/python*/site-packages/httpx")):
        why = "the adapter's httpx isn't installed: rm -r .venv-servers; make test-servers"
    if why is None and not sys.platform.startswith("linux"):
        why = "finding the processes that a shell script leaves behind needs Linux"
    return why


@dataclass(frozen=True)
class Container:
    """The running server.

    Args:
        url: where the adapter answers.
        started_s: seconds from the start of the entry point to the first answer to /ping of 200.
    """

    url: str
    started_s: float
    supervisor: psutil.Process

    def processes(self) -> list[psutil.Process]:
        """All that the entry point started, less the process that only watches over it."""
        return self.supervisor.children(recursive=True)

    def replica(self) -> psutil.Process | None:
        """The process that computes; None while there is none."""
        for process in self.processes():
            with suppress(psutil.Error):
                if "ServeReplica" in " ".join(process.cmdline()):
                    return process
        return None


@contextmanager
def ray_container(archive: Path, variables: Mapping[str, str] = ENVIRONMENT) -> Iterator[Container]:
    """The entry point `serve` over what the container unpacks, with the model's variables."""
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        home = Path(folder)
        unpack(archive, home / "model")
        url = _write_scripts(home)
        command = [sys.executable, "-c", _SUPERVISOR, "bash", str(home / "entrypoint.sh"), "serve"]
        # RAY_TMPDIR: where Ray looks for the cluster to join; it might find another one elsewhere.
        given = environment(**_MACHINE, **variables, RAY_TMPDIR=str(home))
        given["PATH"] = f"{home}/bin:{given['PATH']}"
        with (home / "log").open("ab") as log:
            begun = time.monotonic()
            process = subprocess.Popen(command, cwd=home, env=given, stdout=log, stderr=log)
        supervisor = psutil.Process(process.pid)
        try:
            _wait_until_healthy(process, url, home / "log")
            yield Container(url, time.monotonic() - begun, supervisor)
        finally:
            _end(supervisor)
            process.wait()


def _write_scripts(home: Path) -> str:
    """The container's scripts with this machine's folders and ports; the adapter's address."""
    head, backend, port = free_ports(3)
    for name, target in (
        ("sagemaker_entrypoint.sh", "entrypoint.sh"),
        ("sagemaker_serve.py", "sagemaker_serve.py"),
    ):
        text = (SCRIPTS / name).read_text("utf-8")
        for old, new in _replaced(home, head, backend, port)[name].items():
            assert old in text, f"{name} has no {old}"
            text = text.replace(old, new)
        (home / target).write_text(text, "utf-8")
    (home / "bin").mkdir()
    serve = home / "bin" / "serve"
    serve.write_text(_SERVE, "utf-8")
    serve.chmod(0o755)
    return f"http://127.0.0.1:{port}"


def _replaced(home: Path, head: int, backend: int, port: int) -> dict[str, dict[str, str]]:
    """What is replaced in each script: the container's, and what stands for it."""
    return {
        "sagemaker_entrypoint.sh": {
            "/opt/ml/model": f"{home}/model",
            "/app/": f"{home}/",
            "--port=6379": f"--port={head}",
            "--http-host=0.0.0.0 --http-port=8000": f"--http-host=127.0.0.1 --http-port={backend}",
            "localhost:8000": f"127.0.0.1:{backend}",
        },
        "sagemaker_serve.py": {
            "/opt/ml/model": f"{home}/model",
            "http://127.0.0.1:8000": f"http://127.0.0.1:{backend}",
            "0.0.0.0": "127.0.0.1",
            "port=8080": f"port={port}",
        },
    }


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError):  # nobody listens yet
            if ask(f"{url}/ping", None)[0] == 200:
                return
        time.sleep(0.1)
    raise AssertionError(
        f"it doesn't come up:\n{log.read_text()[:4000]}\n...\n{log.read_text()[-2000:]}"
    )


def _end(supervisor: psutil.Process) -> None:
    """Kill all that was started, and last the process that orphans become children of."""
    for _ in range(10):
        started = supervisor.children(recursive=True)
        for process in started:
            with suppress(psutil.Error):
                process.kill()
        if not started:
            break
        psutil.wait_procs(started, timeout=1)
    with suppress(psutil.Error):
        supervisor.kill()


def answers_again(
    container: Container, photo: bytes, within_s: float = 60
) -> tuple[float, list[int]]:
    """Send a photo until it is answered: the seconds until then, and the other statuses before.

    Raises:
        AssertionError: it isn't within `within_s`.
    """
    start, statuses = time.monotonic(), list[int]()
    while time.monotonic() < start + within_s:
        status, _ = ask(f"{container.url}/invocations", photo, Content_Type="image/jpeg")
        if status == 200:
            return time.monotonic() - start, statuses
        statuses.append(status)
        time.sleep(0.2)
    raise AssertionError(f"no answer in {within_s} s, but {statuses}")
