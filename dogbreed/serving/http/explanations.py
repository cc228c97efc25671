"""The server's pictures of what speaks for a breed.

The worker that answers gives them where it can. Else it is one with torch, which takes seconds to
load and more memory than everything else together: it is there only while it is used.
"""

import asyncio
import time

from dogbreed.serving.http.ipc import EXPLAIN
from dogbreed.serving.http.worker import Worker
from dogbreed.serving.http.worker_errors import ModelReplaced, WorkerRefusal

IDLE_S = 60.0


class Explanations:
    """Explains photos of the model in a folder.

    Args:
        answering: the worker that answers, once it is ready.
        silence_s, identity: as of Worker.
        idle_s: after so long without a photo the worker with torch ends.
    """

    def __init__(
        self,
        model: str,
        answering: Worker,
        *,
        silence_s: float,
        identity: str = "",
        idle_s: float = IDLE_S,
    ) -> None:
        self._model = model
        self._answering = answering
        self._silence_s = silence_s
        self._idle_s = idle_s
        self._worker: Worker | None = None
        self._identity = identity
        self._refusal: WorkerRefusal | None = None
        self._replaced: ModelReplaced | None = None
        self._ended = asyncio.Event()
        self._busy = 0
        self._last = 0.0
        self._lock = asyncio.Lock()
        self._resting: asyncio.Task[None] | None = None

    async def explain(self, photo: bytes, class_index: int) -> bytes:
        """A JPEG of the photo under the heat of what speaks for a class.

        Raises:
            WorkerRefusal: this network can't be explained, or not loaded any more, as it says.
            WorkerError: the worker doesn't come up.
            PoisonRequest: as Worker.ask.
        """
        if self._answering.greeting:
            _, picture = await self._answering.ask(EXPLAIN | class_index, photo)
            return picture
        self._busy += 1
        try:
            worker = await self._started()
            _, picture = await worker.ask(class_index, photo)
            return picture
        finally:
            self._busy -= 1
            self._last = time.monotonic()

    async def wait_for_end(self) -> None:
        """Wait until the model in the folder is seen to be another.

        Raises:
            ModelReplaced: it is.
        """
        await self._ended.wait()
        assert self._replaced is not None
        raise self._replaced

    async def stop(self) -> None:
        """End the worker if there is one."""
        if self._resting is not None:
            self._resting.cancel()
        async with self._lock:
            await self._end()

    async def _started(self) -> Worker:
        async with self._lock:
            if self._refusal is not None:
                raise type(self._refusal)(str(self._refusal))
            if self._worker is not None and self._worker.ended:
                await self._end()
            if self._worker is None:
                worker = Worker(
                    "dogbreed.serving.http.explain_worker",
                    [self._model],
                    silence_s=self._silence_s,
                    identity=self._identity,
                )
                await worker.start()
                try:
                    await worker.wait_until_ready()
                except BaseException as error:
                    if isinstance(error, WorkerRefusal):
                        self._refusal = error
                    if isinstance(error, ModelReplaced):
                        self._replaced = error
                        self._ended.set()
                    await worker.stop()
                    raise
                self._worker = worker
                if self._resting is None or self._resting.done():
                    self._resting = asyncio.create_task(self._rest())
            return self._worker

    async def _rest(self) -> None:
        """End the worker once nobody has asked for a while."""
        while True:
            await asyncio.sleep(self._idle_s)
            async with self._lock:
                if not self._busy and time.monotonic() - self._last >= self._idle_s:
                    await self._end()
                    return

    async def _end(self) -> None:
        if self._worker is not None:
            await self._worker.stop()
            self._worker = None
