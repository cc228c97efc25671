"""The endpoint behind /invocations: limits, calls of the worker, and responses."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from dogbreed.artifact.description import Description
from dogbreed.configuration.run import ServeConfig
from dogbreed.errors import PhotoError
from dogbreed.serving.http.client_limits import ClientLimits, client_of
from dogbreed.serving.http.counters import Counters
from dogbreed.serving.http.explanations import Explanations
from dogbreed.serving.http.ipc import NOT_EXPLAINED
from dogbreed.serving.http.worker import Worker
from dogbreed.serving.http.worker_errors import (
    ModelUnreadable,
    PoisonRequest,
    WorkerError,
    WorkerRefusal,
)
from dogbreed.serving.requests.invocations import (
    ATTRIBUTES_HEADER,
    ENCODING_HEADER,
    MAX_BYTES,
    Invocation,
    RequestError,
    attributes,
    check_accept,
    check_size,
    entry_of,
    explanation_of,
    not_explained,
    read_invocation,
    refusal_of,
    response_of,
)
from dogbreed.serving.web.compressed import is_compressed

# Bodies of requests that are in memory at once: of one client, and of all.
MAX_CLIENT_BYTES, MAX_BUFFERED_BYTES = 128 * 2**20, 160 * 2**20
# Discarded before a body that is too large is refused: clients read no response while they send.
MAX_IGNORED_BYTES = 256 * 2**20
INLINE_BYTES = 64 * 1024  # a body of at most this size is parsed in the event loop

_NOT_EXPLAINED = entry_of(
    PhotoError("busy", "it was decoded for its classes, but not in time for its overlay")
)
_POISON_REQUEST = entry_of(PhotoError("unusable", "reading it crashes the worker process"))


class Endpoint:
    """Responds to requests with a model's predictions.

    Args:
        worker: a process of `dogbreed.serving.http.predict_worker`.
        config: a request is refused with 429 while `queue` photos of its client are pending, or a
            quarter more of all clients; its body has `timeout_s` to arrive; TIFFs are decoded only
            with `tiff`.
    """

    def __init__(
        self,
        description: Description,
        worker: Worker,
        explanations: Explanations,
        counters: Counters,
        config: ServeConfig,
    ) -> None:
        self.counters = counters
        self._worker = worker
        self._explanations = explanations
        self._class_index = {name: index for index, name in enumerate(description.classes)}
        self._timeout_s = config.timeout_s
        self._tiff = config.tiff
        queue = config.queue
        self._pending = ClientLimits(queue + max(1, queue // 4), queue)
        self.buffered_bytes = ClientLimits(MAX_BUFFERED_BYTES, MAX_CLIENT_BYTES)

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self._worker.ready

    async def respond(self, request: Request) -> dict[str, Any]:
        """The response's values.

        Raises:
            RequestError: the request is refused.
            ClientDisconnect: the client is gone.
        """
        arrived = time.perf_counter()
        status = "500"
        try:
            response = await self._respond(request)
            status = "200"
            self.counters.seconds.observe(time.perf_counter() - arrived)
            return response
        except RequestError as error:
            status = str(error.status)
            raise
        except ClientDisconnect:
            status = "400"
            raise
        except asyncio.CancelledError as error:  # the server is stopping
            status = "503"
            raise RequestError(503, "stopped", "The server is stopping.") from error
        finally:
            self.counters.requests.labels(status).inc()

    async def _respond(self, request: Request) -> dict[str, Any]:
        check_accept(request.headers.get("Accept", ""))
        client = client_of(request.client.host) if request.client else ""
        self._check_queue(client)
        with self._buffering(client) as buffered:
            body = await self._body(request, buffered)
            started = time.perf_counter()
            invocation = await self._read(body, request, buffered)
            self._check_queue(client)
            with self._queued(client, len(invocation.photos)):
                # Wait for all: one that continued after another's error would not be counted.
                results = await asyncio.gather(
                    *(self._entry(photo, invocation) for photo in invocation.photos),
                    return_exceptions=True,
                )
            entries = []
            for result in results:
                if isinstance(result, BaseException):
                    raise result
                entries.append(result)
            # The hints are about curl: browsers, which send this header, need none.
            hint = "" if "sec-fetch-site" in request.headers else invocation.hint
            return response_of(entries, started, hint)

    async def _entry(self, photo: bytes, invocation: Invocation) -> dict[str, Any]:
        """The response's entry for one photo."""
        refusal = refusal_of(photo, tiff=self._tiff)
        if refusal is not None:
            return entry_of(refusal)
        try:
            batch_photos, data = await self._worker.request(invocation.top_k, photo)
        except WorkerError as error:
            raise RequestError(503, "no_model", f"The model can't be loaded: {error}") from error
        except PoisonRequest:
            return _POISON_REQUEST
        self.counters.batch.observe(batch_photos)
        entry: dict[str, Any] = json.loads(data)
        if invocation.explain and "classes" in entry:
            index = self._class_index[entry["classes"][0]["class"]]
            try:
                overlay = await self._explanations.explain(photo, index)
            except WorkerError as error:
                if isinstance(error, WorkerRefusal) and not isinstance(error, ModelUnreadable):
                    raise not_explained(error) from error
                raise RequestError(503, "no_model", f"There is no overlay: {error}") from error
            except PoisonRequest:
                return _POISON_REQUEST
            if overlay == NOT_EXPLAINED:
                return _NOT_EXPLAINED
            entry["explanation"] = explanation_of(overlay)
        return entry

    async def _body(self, request: Request, buffered: "_Buffered") -> bytes:
        """The request's body, within its limits of time and size."""
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._timeout_s):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size <= MAX_BYTES:
                        buffered.add(len(chunk))
                        parts.append(chunk)
                    elif size > MAX_IGNORED_BYTES:
                        break
        except TimeoutError as error:
            raise RequestError(
                408, "too_slow", f"The body took longer than {self._timeout_s:g} s to arrive."
            ) from error
        check_size(size)
        return b"".join(parts)

    async def _read(self, body: bytes, request: Request, buffered: "_Buffered") -> Invocation:
        """The request's content, from its body and its parameters."""
        parameters = dict(request.query_params)
        parameters |= attributes(request.headers.get(ATTRIBUTES_HEADER, ""))
        encoding = request.headers.get(ENCODING_HEADER, "")
        compressed = is_compressed(body, encoding)
        if compressed:
            buffered.add(MAX_BYTES)  # its size may grow to this
        if not compressed and len(body) <= INLINE_BYTES:
            return read_invocation(body, parameters, encoding)
        invocation = await asyncio.to_thread(read_invocation, body, parameters, encoding)
        if compressed:
            buffered.add(sum(map(len, invocation.photos)) - MAX_BYTES)
        return invocation

    def _check_queue(self, client: str) -> None:
        if not self._pending.fit(client):
            raise _busy()

    @contextmanager
    def _queued(self, client: str, photos: int) -> Iterator[None]:
        self._pending.add(client, photos)
        self.counters.waiting.set(self._pending.used)
        try:
            yield
        finally:
            self._pending.add(client, -photos)
            self.counters.waiting.set(self._pending.used)

    @contextmanager
    def _buffering(self, client: str) -> Iterator["_Buffered"]:
        buffered = _Buffered(self.buffered_bytes, client)
        try:
            yield buffered
        finally:
            self.buffered_bytes.add(client, -buffered.size_bytes)


class _Buffered:
    """The bytes of one request that are in memory."""

    def __init__(self, all_bytes: ClientLimits, client: str) -> None:
        self._all_bytes = all_bytes
        self._client = client
        self.size_bytes = 0

    def add(self, size_bytes: int) -> None:
        if not self._all_bytes.fit(self._client, size_bytes):
            raise _busy()
        self._all_bytes.add(self._client, size_bytes)
        self.size_bytes += size_bytes


def _busy() -> RequestError:
    return RequestError(429, "busy", "Too many photos are pending: try again shortly.")
