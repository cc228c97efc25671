"""A supervised worker process: the server sends it photos, and restarts it when it dies."""

import asyncio
import itertools
import math
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dogbreed.serving.http.ipc import HEAD, NO_MODEL, READY, packed
from dogbreed.serving.http.worker_errors import (
    ModelReplaced,
    ModelUnreadable,
    PoisonRequest,
    WorkerError,
    WorkerRefusal,
)

# A process that dies while it starts is started again after each of these pauses.
START_PAUSES_S = (0.2, 1.0, 5.0)
# While a worker replies to others, a photo may wait this many times `silence_s`.
MAX_WAIT_FACTOR = 4
LOADING_S = 120.0  # a process that isn't ready by then is killed


@dataclass
class _Pending:
    """A photo to which the worker hasn't replied yet."""

    value: int
    photo: bytes
    reply: "asyncio.Future[tuple[int, bytes]]"
    sent: float = math.inf  # by time.monotonic, to the current process


class Worker:
    """A process that replies to each frame with one frame, in any order.

    Args:
        module: the program, `python -m module *arguments`; the first argument is a model's folder.
        identity: of the model that is served; a process that loaded another one isn't used.
        silence_s: a process with pending photos that sends no reply for this time is restarted.
        restarted: called after each restart.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        silence_s: float,
        identity: str = "",
        restarted: Callable[[], None] = lambda: None,
    ) -> None:
        self._command = (sys.executable, "-m", module, *arguments)
        self._model = arguments[0] if arguments else ""
        self._identity = identity
        self._silence_s = silence_s
        self._restarted = restarted
        self._process: Process | None = None
        self._pending: dict[int, _Pending] = {}
        self._numbers = itertools.count()
        self.ready_value = 0  # the second number of its first frame
        self._last_reply = -math.inf  # by time.monotonic
        self._ready = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        """Whether it can't be used any more."""
        return self._supervisor is not None and self._supervisor.done()

    @property
    def ready(self) -> bool:
        """Whether it accepts photos now."""
        return self._ready.is_set()

    async def start(self) -> None:
        """Start the process; `wait_until_ready` returns when it has loaded the model."""
        await self._spawn()
        self._supervisor = asyncio.create_task(self._supervise())

    async def wait_until_ready(self) -> None:
        """Wait until it accepts photos.

        Raises:
            WorkerError: it can't be started.
        """
        assert self._supervisor is not None, "start comes first"
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({ready, self._supervisor}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._supervisor.done():
            self._supervisor.result()

    async def wait_for_end(self) -> None:
        """Wait until it can't be used any more.

        Raises:
            WorkerError: why.
        """
        assert self._supervisor is not None, "start comes first"
        await asyncio.shield(self._supervisor)

    async def request(self, value: int, photo: bytes) -> tuple[int, bytes]:
        """The reply to a photo: a number and data, see ipc.py.

        Raises:
            WorkerError: the process died, and can't be restarted.
            PoisonRequest: this photo crashes it.
        """
        if not self.ready:
            await self.wait_until_ready()
        number = next(self._numbers)
        pending = _Pending(value, photo, asyncio.get_running_loop().create_future())
        self._pending[number] = pending
        try:
            self._send(number, pending)
            while not pending.reply.done():
                await asyncio.wait({pending.reply}, timeout=self._silence_s)
                if self._is_late(pending):
                    self._kill()
            return pending.reply.result()
        finally:
            self._pending.pop(number, None)
            pending.reply.cancel()  # so that _resend skips it

    async def stop(self) -> None:
        """End the process."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError, WorkerError):
                await self._supervisor
        await self._reap()

    async def _supervise(self) -> None:
        """Run one process after another, until one can't be started."""
        loaded = False
        try:
            while True:
                await self._await_ready()
                loaded = True
                replies = asyncio.create_task(self._read_replies())
                if await self._resend(replies):
                    self._ready.set()
                    await replies
                    self._ready.clear()
                for pending in self._pending.values():
                    pending.sent = math.inf
                self._restarted()
                await self._reap()
                await self._spawn()
        except Exception as error:
            if loaded and isinstance(error, ModelUnreadable):
                error = _changed(error)
            for pending in self._pending.values():
                if not pending.reply.done():
                    pending.reply.set_exception(error)
            raise error from None

    async def _spawn(self) -> None:
        # In its own session: Ctrl-C goes to the server only, which ends it after the last reply.
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, start_new_session=True
            )
        except OSError as error:  # out of memory, files or processes
            raise WorkerError(
                f"{' '.join(self._command)} can't be started: {error.strerror}."
            ) from error

    async def _await_ready(self) -> None:
        """Wait for the process's first frame; start another one if it dies before that.

        Raises:
            WorkerError: it reports an error, dies repeatedly, or has loaded another model.
        """
        for pause_s in (*START_PAUSES_S, None):
            try:
                async with asyncio.timeout(LOADING_S):
                    number, self.ready_value, data = await self._frame()
            except (asyncio.IncompleteReadError, TimeoutError):
                if pause_s is None:
                    break
                await self._reap()
                await asyncio.sleep(pause_s)
                await self._spawn()
                continue
            if number == READY:
                self._check_identity(data.decode())
                return
            refusal = ModelUnreadable if self.ready_value == NO_MODEL else WorkerRefusal
            raise refusal(data.decode())
        raise WorkerError(f"{' '.join(self._command)} exits before it is ready: see its output.")

    def _check_identity(self, identity: str) -> None:
        # The page and the list of classes are those of the served model.
        if self._identity and identity != self._identity:
            raise ModelReplaced(
                f"The model in {self._model} was replaced while it was served: restart the server "
                "to serve the new one."
            )

    async def _read_replies(self) -> None:
        """Hand each reply to its request, until the process is gone."""
        with suppress(asyncio.IncompleteReadError):
            while True:
                number, value, data = await self._frame()
                self._last_reply = time.monotonic()
                pending = self._pending.get(number)
                if pending is not None and not pending.reply.done():
                    pending.reply.set_result((value, data))

    async def _resend(self, replies: "asyncio.Task[None]") -> bool:
        """Send the last process's pending photos again, one by one; whether this one survived them.

        A photo that crashes it gets a PoisonRequest.
        """
        for number, pending in list(self._pending.items()):
            if pending.reply.done():
                continue
            self._send(number, pending)
            either: set[asyncio.Future[Any]] = {pending.reply, replies}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if replies.done() and not pending.reply.done():
                pending.reply.set_exception(PoisonRequest())
                return False
        return not replies.done()

    def _send(self, number: int, pending: _Pending) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        pending.sent = time.monotonic()
        # If the process is gone, _read_replies ends too, and the photo is sent again.
        self._process.stdin.write(packed((number, pending.value, pending.photo)))

    async def _frame(self) -> tuple[int, int, bytes]:
        assert self._process is not None
        assert self._process.stdout is not None
        number, value, size = HEAD.unpack(await self._process.stdout.readexactly(HEAD.size))
        return number, value, await self._process.stdout.readexactly(size)

    def _is_late(self, pending: _Pending) -> bool:
        now = time.monotonic()
        return not pending.reply.done() and (
            now - max(pending.sent, self._last_reply) >= self._silence_s
            or now - pending.sent >= MAX_WAIT_FACTOR * self._silence_s
        )

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            # Process.kill() would poll it, and take its exit status from Process.wait().
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def _reap(self) -> None:
        self._kill()
        if self._process is not None:
            await self._process.wait()


def _changed(error: ModelUnreadable) -> ModelUnreadable:
    return ModelUnreadable(
        f"The model's folder was changed or removed while it was served, and the restarted worker "
        f"process can't load it. {error} Then restart the server."
    )
