"""Processes that decode photos, each under the operating system's limits on time and memory.

What decodes a photo is C code that nothing in its own process can interrupt. In a process of its
own it is ended by the kernel: a photo that hangs, crashes or fills the memory is one bad photo.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from dogbreed.errors import EngineError, PhotoError
from dogbreed.utils.machine import cores

# CPU time of one photo: most take less than a tenth of a second, and the slowest format (a deep
# TIFF or a lossless WebP, tests/benchmarks/photo_costs.py) 0.1 s a megapixel on a slow machine.
CPU_S, PIXELS_PER_S = 5, 10_000_000
# Real time of one photo, on a machine whose processors are busy with other work.
TIMEOUT_S = 120.0
STARTING_S = 60.0
# This package's folder, and that of the packages of a model's archive (artifact/packing.py): the
# process decodes with the same Pillow as this one.
_CODE = Path(__file__).parents[3]
_PACKAGES = (_CODE, _CODE / "packages")
_LOST = (EOFError, OSError)  # a pipe whose other end is gone


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a process says of the photo that it has opened.

    Args:
        size_bytes: of memory, while it is decoded.
        costly: see `dogbreed.data.decoding.photos.is_costly`.
    """

    width: int
    height: int
    format: str
    mode: str
    size_bytes: int
    costly: bool


class OpenedPhoto:
    """A photo that a process has opened, to be decoded by one of the methods.

    Each raises PhotoError: the pixels are damaged, or need more than the limits give.
    """

    def __init__(self, process: "_Process", header: Header, until: float) -> None:
        self.header = header
        self._process, self._until = process, until

    def inspect(self) -> dict[str, Any]:
        """The fields of `dogbreed.data.decoding.inspection.Inspected`."""
        return self._process.request({"do": "inspect"}, self._until)[0]

    def upright(self, wanted_px: int | None, to_srgb: bool) -> Image.Image:
        """As `dogbreed.data.decoding.photos.upright`."""
        request = {"do": "upright", "wanted_px": wanted_px, "to_srgb": to_srgb}
        return _picture(*self._process.request(request, self._until))

    def views(
        self, preprocessing: Any, names: Sequence[str], identity: bytes, wanted_px: int = 0
    ) -> npt.NDArray[np.uint8]:
        """As `dogbreed.data.decoding.preprocessing.Preprocessing.views`, by that Preprocessing.

        Args:
            wanted_px: as of `upright`; 0: what the views need.
        """
        request = {
            "do": "views",
            "preprocessing": asdict(preprocessing),
            "names": list(names),
            "identity": identity.hex(),
            "wanted_px": wanted_px or preprocessing.size_px,
        }
        values, data = self._process.request(request, self._until)
        return np.frombuffer(data, np.uint8).reshape(values["shape"])

    def small(self, longest_px: int) -> Image.Image:
        """The picture that the views were made of, scaled down to `longest_px`."""
        return _picture(
            *self._process.request({"do": "small", "longest_px": longest_px}, self._until)
        )


class DecodingPool:
    """Decoding processes: as many as are used at once, of which one per core is retained.

    Args:
        niceness: added to this process's, so that the other work here goes first.
    """

    def __init__(self, *, niceness: int = 0) -> None:
        self._niceness = niceness
        # By process: one that is forked (a worker of a DataLoader) has its own.
        self._idle: dict[int, list[_Process]] = {}
        self._lock = threading.Lock()
        _POOLS.add(self)
        weakref.finalize(self, _end_all, self._idle)

    @contextmanager
    def opened(
        self, data: bytes, *, max_pixels: int, timeout_s: float = TIMEOUT_S
    ) -> Iterator[OpenedPhoto]:
        """A photo that a process has opened.

        Args:
            timeout_s: real time for all that is done with it, at most.

        Raises:
            PhotoError: as `dogbreed.data.decoding.photos.open_photo`; also in the block.
            EngineError: no process can be started.
        """
        until = time.monotonic() + timeout_s
        with self._process() as process:
            values, _ = process.request({"do": "open", "max_pixels": max_pixels}, until, data)
            yield OpenedPhoto(process, Header(**values), until)

    @contextmanager
    def _process(self) -> Iterator["_Process"]:
        with self._lock:
            idle = self._idle.setdefault(os.getpid(), [])
            process = idle.pop() if idle else None
        if process is None:
            process = _Process(self._niceness)
        try:
            yield process
        finally:
            with self._lock:
                retained = process.usable and len(idle) < cores()
                if retained:
                    idle.append(process)
            if not retained:
                process.end()

    def renew_lock(self) -> None:
        """In a process that was just forked: another thread may have held the lock."""
        self._lock = threading.Lock()


class _Process:
    """One process, used by one thread at a time."""

    def __init__(self, niceness: int) -> None:
        self._connection, theirs = Pipe()
        self.usable = True
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(
                filter(None, (*map(str, _PACKAGES), os.environ.get("PYTHONPATH")))
            ),
            # Each thread's arena would take memory of the limit, and freed pieces would stay.
            "MALLOC_ARENA_MAX": "2",
            "MALLOC_MMAP_THRESHOLD_": str(4 * 2**20),
            "OPENBLAS_NUM_THREADS": "1",
        }
        # -P: no module of the folder that the command is run in is taken for one of ours.
        command = [sys.executable, "-P", "-W", "ignore", "-m", "dogbreed.data.decoding.process"]
        try:
            with theirs:
                # A session of its own: Ctrl-C is for the command, which ends it.
                self._popen = subprocess.Popen(
                    [*command, str(theirs.fileno()), str(niceness)],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            self._connection.close()
            raise EngineError(
                f"A process that decodes photos can't be started: {error.strerror}."
            ) from error
        self._wait_until_ready()

    def request(
        self, values: dict[str, Any], until: float, data: bytes = b""
    ) -> tuple[dict[str, Any], bytes]:
        """What the process answers: values, and bytes where they come with some.

        Args:
            until: by time.monotonic.

        Raises:
            PhotoError: that it answers, or that follows from its end.
        """
        self.usable = False  # until it has answered
        try:
            self._connection.send_bytes(json.dumps(values).encode())
            if data:
                self._connection.send_bytes(data)
            if not self._connection.poll(max(0.0, until - time.monotonic())):
                raise PhotoError("too_slow", "decoding it takes too long")
            answer = json.loads(self._connection.recv_bytes())
            content = self._connection.recv_bytes() if answer.get("bytes") else b""
        except _LOST as error:
            raise self._why_ended() from error
        self.usable = True
        if "error" in answer:
            raise PhotoError(*answer["error"])
        return answer["values"], content

    def end(self) -> None:
        """End the process."""
        self._connection.close()
        with suppress(ProcessLookupError):
            self._popen.kill()
        self._popen.wait()

    def _wait_until_ready(self) -> None:
        assert self._popen.stderr is not None
        with self._popen.stderr as stderr:
            with suppress(*_LOST):
                if self._connection.poll(STARTING_S) and self._connection.recv_bytes():
                    return
            self._popen.kill()
            printed = stderr.read().decode(errors="replace").strip().splitlines()
        self.end()
        raise EngineError(
            "A process that decodes photos ends before it is ready: "
            f"{printed[-1] if printed else self._popen.returncode}."
        )

    def _why_ended(self) -> PhotoError:
        try:
            code = self._popen.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return PhotoError("damaged", "its decoder stopped answering")
        if code == -signal.SIGXCPU:
            return PhotoError("too_slow", "decoding it takes more processor time than a photo may")
        if code == -signal.SIGKILL:  # by the kernel, when memory ran out
            return PhotoError("too_large", "decoding it takes more memory than there is")
        return PhotoError("damaged", f"its decoder crashed ({_named(code)})")


def _picture(values: dict[str, Any], data: bytes) -> Image.Image:
    return Image.frombuffer("RGB", tuple(values["size"]), data, "raw", "RGB", 0, 1)


def _named(code: int) -> str:
    try:
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"
    except ValueError:
        return f"signal {-code}"


def _end_all(idle: dict[int, list[_Process]]) -> None:
    for process in idle.pop(os.getpid(), []):
        process.end()


def _renew_locks() -> None:
    for pool in _POOLS:
        pool.renew_lock()


_POOLS: "weakref.WeakSet[DecodingPool]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_renew_locks)
POOL = DecodingPool()  # of this process; processes are started when photos need them
