"""One instance of a training job: its /opt/ml, its one container as processes, its log."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]
from botocore.exceptions import ClientError  # type: ignore[import-untyped, unused-ignore]

OPT_ML = "/opt/ml"  # what SAGEMAKER_BASE_DIR replaces
TOOLKIT = Path(__file__).with_name("toolkit.py")
LOG_GROUP = "/aws/sagemaker/TrainingJobs"

# What the images set (docker/pytorch/Dockerfile.cpu in aws/deep-learning-containers).
IMAGE_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONIOENCODING": "UTF-8",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "SAGEMAKER_TRAINING_MODULE": "sagemaker_pytorch_container.training:main",
}
# What this machine needs instead of a container. pip may look whether the requirements are met,
# but neither reach out nor change anything: the job runs in the environment of the tests.
HERE = {
    "PATH": f"{sysconfig.get_path('scripts')}:/usr/local/bin:/usr/bin:/bin",
    "SM_STUDIO_LOCAL_MODE": "true",  # no waiting for names of hosts
    "GLOO_SOCKET_IFNAME": "lo",
    "PIP_NO_INDEX": "1",
    "PIP_DRY_RUN": "1",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
}


class LogStream:
    """A stream of CloudWatch Logs. A role that may not write there has jobs without logs."""

    def __init__(self, logs: Any, name: str, group: str = LOG_GROUP) -> None:
        self._logs = logs
        self._place = {"logGroupName": group, "logStreamName": name}
        with suppress(ClientError):  # most often: it is there already
            logs.create_log_group(logGroupName=group)
        with suppress(ClientError):
            logs.create_log_stream(**self._place)

    def put(self, lines: Sequence[str]) -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line or " "} for line in lines]
        with suppress(ClientError):
            self._logs.put_log_events(**self._place, logEvents=events)


@dataclass(frozen=True)
class Cluster:
    """The hosts of a job, as in each host's resource configuration."""

    hosts: tuple[str, ...]
    instance_type: str

    def resource_config(self, host: str) -> dict[str, Any]:
        group = {"instance_type": self.instance_type, "hosts": self.hosts}
        return {
            "current_host": host,
            "current_instance_type": self.instance_type,
            "current_group_name": "homogeneousCluster",
            "hosts": self.hosts,
            "instance_groups": [{"instance_group_name": "homogeneousCluster", **group}],
            "network_interface_name": "lo",  # eth0 in the service
        }


class Instance:
    """A folder that replaces /opt/ml, and the processes that know it as theirs."""

    def __init__(self, folder: Path, host: str) -> None:
        self.host = host
        self.base = folder / "ml"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        for name in ("ml/input/config", "ml/input/data", "ml/model", "ml/output/data"):
            (folder / name).mkdir(parents=True)
        for name in ("home", "tmp"):
            (folder / name).mkdir()

    def local(self, path: str) -> Path:
        """Where a path below /opt/ml is on this machine."""
        if not path.startswith(OPT_ML):
            raise ValueError(f"{path} isn't below {OPT_ML}: only that is emulated")
        return self.base / path.removeprefix(OPT_ML).lstrip("/")

    def configure(self, **files: Mapping[str, Any]) -> None:
        """Write input/config/<name>.json for every name."""
        for name, content in files.items():
            (self.base / f"input/config/{name}.json").write_text(json.dumps(content), "utf-8")

    def start(
        self,
        entrypoint: Sequence[str],
        variables: Mapping[str, str],
        read: Callable[[list[str]], None],
    ) -> None:
        """Start the container: `train`, or the job's own entry point."""
        command = [part.replace(OPT_ML, str(self.base)) for part in entrypoint]
        # Where smdebug looks below /opt/ml by itself.
        hook = self.base / "input/config/debughookconfig.json"
        moved = {"SMDEBUG_CONFIG_FILE_PATH": str(hook)} if hook.is_file() else {}
        self._process = subprocess.Popen(
            command or [sys.executable, str(TOOLKIT)],
            cwd=self.base,
            env={
                **IMAGE_ENVIRONMENT,
                **HERE,
                "HOME": str(self._folder / "home"),
                "TMPDIR": str(self._folder / "tmp"),
                **moved,
                **variables,
                "SAGEMAKER_BASE_DIR": str(self.base),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(read,), daemon=True)
        self._reader.start()

    def exit_code(self) -> int | None:
        """The first process's exit code as in a shell; None while it runs."""
        assert self._process is not None
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def failure(self) -> str:
        """What the job has to say about its failure."""
        file = self.base / "output/failure"
        return file.read_text("utf-8", "replace") if file.is_file() else ""

    def signal(self) -> None:
        """SIGTERM to the container's first process and to no other, as the service does it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def is_empty(self) -> bool:
        """Whether every process of the container has ended."""
        return self._process is None or (self._process.poll() is not None and not self._inside())

    def kill(self) -> None:
        """End the container with all that is in it, and read its last words."""
        while not self.is_empty():
            for process in self._inside():
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.01)
        if self._reader is not None:
            self._reader.join(timeout=10)

    def discard(self) -> None:
        self.kill()
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _inside(self) -> list[Any]:
        """The container's processes. A process group is not enough: torchrun's workers have
        groups of their own, but every process knows this instance's folder."""
        return [
            process
            for process in psutil.process_iter(["environ"])
            if (process.info["environ"] or {}).get("SAGEMAKER_BASE_DIR") == str(self.base)
        ]

    def _read(self, read: Callable[[list[str]], None]) -> None:
        """Pass the output on line by line."""
        assert self._process is not None
        assert self._process.stdout is not None
        rest = b""
        while chunk := os.read(self._process.stdout.fileno(), 1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            if lines:
                read([line.decode("utf-8", "replace") for line in lines])
        if rest:
            read([rest.decode("utf-8", "replace")])
