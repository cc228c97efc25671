"""A worker process as the server sees it: asked for photos, and started anew when it dies."""

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

# A process that doesn't come up is given so many more tries, each after a pause.
PAUSES_S = (0.2, 1.0, 5.0)
# While a worker answers others, a photo may be owed its answer so many times as long.
PATIENCE = 4
# One that isn't ready by then is ended, and counts as dead.
LOADING_S = 120.0


@dataclass
class _Asked:
    """A photo that the worker has and hasn't answered yet."""

    value: int
    photo: bytes
    answer: "asyncio.Future[tuple[int, bytes]]"
    sent: float = math.inf  # by time.monotonic, to the process that lives now


class Worker:
    """One process that answers each frame with one, in any order.

    Args:
        module: what runs: `python -m module *arguments`; a model's folder is the first of them.
        identity: of the model that is served; a process that loaded another isn't used.
        silence_s: one that owes answers and gives none for so long is ended, and started anew.
        restarted: called each time that it has been.
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
        self._asked: dict[int, _Asked] = {}
        self._numbers = itertools.count()
        self.greeting = 0  # the second number of its first frame
        self._heard = -math.inf  # when its last answer came, by time.monotonic
        self._usable = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        """Whether it can't be used any more."""
        return self._life is not None and self._life.done()

    @property
    def ready(self) -> bool:
        """Whether it takes photos now."""
        return self._usable.is_set()

    async def start(self) -> None:
        """Start the process; `wait_until_ready` tells when it has loaded."""
        await self._spawn()
        self._life = asyncio.create_task(self._live())

    async def wait_until_ready(self) -> None:
        """Wait until it takes photos.

        Raises:
            WorkerError: it doesn't come up; the message is its own.
        """
        assert self._life is not None, "start comes first"
        usable = asyncio.create_task(self._usable.wait())
        await asyncio.wait({usable, self._life}, return_when=asyncio.FIRST_COMPLETED)
        usable.cancel()
        if self._life.done():
            self._life.result()

    async def wait_for_end(self) -> None:
        """Wait until it can't be used any more.

        Raises:
            WorkerError: why.
        """
        assert self._life is not None, "start comes first"
        await asyncio.shield(self._life)

    async def ask(self, value: int, photo: bytes) -> tuple[int, bytes]:
        """The answer to a photo.

        Raises:
            WorkerError: it died, and doesn't come up again.
            PoisonRequest: this photo is why it dies.
        """
        if not self.ready:
            await self.wait_until_ready()
        number = next(self._numbers)
        asked = _Asked(value, photo, asyncio.get_running_loop().create_future())
        self._asked[number] = asked
        try:
            self._send(number, asked)
            while not asked.answer.done():
                await asyncio.wait({asked.answer}, timeout=self._silence_s)
                if self._is_late(asked):
                    self._kill()
            return asked.answer.result()
        finally:
            self._asked.pop(number, None)
            asked.answer.cancel()  # nobody waits for it any more, _ask_again neither

    async def stop(self) -> None:
        """End the process."""
        if self._life is not None:
            self._life.cancel()
            with suppress(asyncio.CancelledError, WorkerError):
                await self._life
        await self._bury()

    async def _live(self) -> None:
        """From one process to the next, until one doesn't come up."""
        loaded = False
        try:
            while True:
                await self._hear_ready()
                loaded = True
                answers = asyncio.create_task(self._read_answers())
                if await self._ask_again(answers):
                    self._usable.set()
                    await answers
                    self._usable.clear()
                for asked in self._asked.values():
                    asked.sent = math.inf
                self._restarted()
                await self._bury()
                await self._spawn()
        except Exception as error:
            if loaded and isinstance(error, ModelUnreadable):
                error = _changed(error)
            for asked in self._asked.values():
                if not asked.answer.done():
                    asked.answer.set_exception(error)
            raise error from None

    async def _spawn(self) -> None:
        # A session of its own: Ctrl-C is for the server, which ends it when all is answered.
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, start_new_session=True
            )
        except OSError as error:  # no memory, no file or no process is left
            raise WorkerError(
                f"{' '.join(self._command)} can't be started: {error.strerror}."
            ) from error

    async def _hear_ready(self) -> None:
        """Wait for the process's first frame; start another where it dies before that.

        Raises:
            WorkerError: it says why it can't, dies again and again, or has another model.
        """
        for pause_s in (*PAUSES_S, None):
            try:
                async with asyncio.timeout(LOADING_S):
                    number, self.greeting, data = await self._frame()
            except (asyncio.IncompleteReadError, TimeoutError):
                if pause_s is None:
                    break
                await self._bury()
                await asyncio.sleep(pause_s)
                await self._spawn()
                continue
            if number == READY:
                self._check_identity(data.decode())
                return
            refusal = ModelUnreadable if self.greeting == NO_MODEL else WorkerRefusal
            raise refusal(data.decode())
        raise WorkerError(
            f"{' '.join(self._command)} ends before it is ready: see what it printed."
        )

    def _check_identity(self, identity: str) -> None:
        # Pages and the table of classes are those of the first.
        if self._identity and identity != self._identity:
            raise ModelReplaced(
                f"The model in {self._model} was replaced by another while it was served: start "
                "the server again, which then serves the new one."
            )

    async def _read_answers(self) -> None:
        """Hand each answer to who waits for it, until the process is gone."""
        with suppress(asyncio.IncompleteReadError):
            while True:
                number, value, data = await self._frame()
                self._heard = time.monotonic()
                asked = self._asked.get(number)
                if asked is not None and not asked.answer.done():
                    asked.answer.set_result((value, data))

    async def _ask_again(self, answers: "asyncio.Task[None]") -> bool:
        """Ask again, one by one, what the process before left; whether this one survived that.

        A photo at which it dies is refused.
        """
        for number, asked in list(self._asked.items()):
            if asked.answer.done():
                continue
            self._send(number, asked)
            either: set[asyncio.Future[Any]] = {asked.answer, answers}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if answers.done() and not asked.answer.done():
                asked.answer.set_exception(PoisonRequest())
                return False
        return not answers.done()

    def _send(self, number: int, asked: _Asked) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        asked.sent = time.monotonic()
        # Where the process is gone the answers end too, and it is asked again.
        self._process.stdin.write(packed((number, asked.value, asked.photo)))

    async def _frame(self) -> tuple[int, int, bytes]:
        assert self._process is not None
        assert self._process.stdout is not None
        number, value, size = HEAD.unpack(await self._process.stdout.readexactly(HEAD.size))
        return number, value, await self._process.stdout.readexactly(size)

    def _is_late(self, asked: _Asked) -> bool:
        now = time.monotonic()
        return not asked.answer.done() and (
            now - max(asked.sent, self._heard) >= self._silence_s
            or now - asked.sent >= PATIENCE * self._silence_s
        )

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            # Its own kill() would look whether it lives, and take its end from who waits for it.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def _bury(self) -> None:
        self._kill()
        if self._process is not None:
            await self._process.wait()


def _changed(error: ModelUnreadable) -> ModelUnreadable:
    return ModelUnreadable(
        f"The model's folder was changed or removed while it was served, and the worker process "
        f"that was started again can't load it. {error} Then start the server again."
    )
