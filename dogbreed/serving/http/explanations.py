"""The server's Grad-CAM overlays.

The predict worker computes them if its network has class maps. Else an explain worker with torch
does, which takes seconds to load and more memory than all else together: it runs only while it is
used.
"""

import asyncio
import time

from dogbreed.serving.http.ipc import EXPLAIN
from dogbreed.serving.http.worker import Worker
from dogbreed.serving.http.worker_errors import ModelReplaced, WorkerRefusal

IDLE_S = 60.0


class Explanations:
    """Computes overlays with the model in a folder.

    Args:
        predict_worker: the worker of predict_worker.py.
        silence_s, identity: as of Worker.
        idle_s: the explain worker ends after this time without a photo.
    """

    def __init__(
        self,
        model: str,
        predict_worker: Worker,
        *,
        silence_s: float,
        identity: str = "",
        idle_s: float = IDLE_S,
    ) -> None:
        self._model = model
        self._predict_worker = predict_worker
        self._silence_s = silence_s
        self._idle_s = idle_s
        self._explain_worker: Worker | None = None
        self._identity = identity
        self._refusal: WorkerRefusal | None = None
        self._replaced: ModelReplaced | None = None
        self._ended = asyncio.Event()
        self._busy = 0
        self._last_used = 0.0
        self._lock = asyncio.Lock()
        self._idle_check: asyncio.Task[None] | None = None

    async def explain(self, photo: bytes, class_index: int) -> bytes:
        """A JPEG: the photo under the activation map of a class; NOT_EXPLAINED as in ipc.py.

        Raises:
            WorkerRefusal: the network has no Grad-CAM, or can't be loaded any more.
            WorkerError: the worker doesn't start.
            PoisonRequest: as Worker.request.
        """
        if self._predict_worker.ready_value:
            _, overlay = await self._predict_worker.request(EXPLAIN | class_index, photo)
            return overlay
        self._busy += 1
        try:
            worker = await self._started()
            _, overlay = await worker.request(class_index, photo)
            return overlay
        finally:
            self._busy -= 1
            self._last_used = time.monotonic()

    async def wait_for_end(self) -> None:
        """Wait until an explain worker loads another model than the one that is served.

        Raises:
            ModelReplaced: one did.
        """
        await self._ended.wait()
        assert self._replaced is not None
        raise self._replaced

    async def stop(self) -> None:
        """End the worker if there is one."""
        if self._idle_check is not None:
            self._idle_check.cancel()
        async with self._lock:
            await self._end()

    async def _started(self) -> Worker:
        async with self._lock:
            if self._refusal is not None:
                raise type(self._refusal)(str(self._refusal))
            if self._explain_worker is not None and self._explain_worker.ended:
                await self._end()
            if self._explain_worker is None:
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
                self._explain_worker = worker
                if self._idle_check is None or self._idle_check.done():
                    self._idle_check = asyncio.create_task(self._stop_when_idle())
            return self._explain_worker

    async def _stop_when_idle(self) -> None:
        """End the worker once it has been idle for `idle_s`."""
        while True:
            await asyncio.sleep(self._idle_s)
            async with self._lock:
                if not self._busy and time.monotonic() - self._last_used >= self._idle_s:
                    await self._end()
                    return

    async def _end(self) -> None:
        if self._explain_worker is not None:
            await self._explain_worker.stop()
            self._explain_worker = None
