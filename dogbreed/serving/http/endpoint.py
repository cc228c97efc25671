"""The endpoint behind /invocations: what it lets in, whom it asks, what it answers."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from dogbreed.artifact.description import Description
from dogbreed.errors import PhotoError
from dogbreed.serving.http.client_limits import Shares, client_of
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
from dogbreed.serving.requests.compressed import is_compressed
from dogbreed.serving.requests.invocations import (
    ATTRIBUTES_HEADER,
    ENCODING_HEADER,
    MAX_BYTES,
    Invocation,
    RequestError,
    answer_of,
    attributes,
    check_accept,
    check_size,
    entry_of,
    explanation_of,
    not_explained,
    read_invocation,
    refusal_of,
)

# Bodies of requests that are in memory at once: of one client, and of all.
MAX_CLIENT_BYTES, MAX_HELD_BYTES = 128 * 2**20, 160 * 2**20
# Read on and thrown away before a body that is too large is refused: who still sends can't listen.
MAX_IGNORED_BYTES = 256 * 2**20
INLINE_BYTES = 64 * 1024  # what is read as JSON between two other requests

_NOT_EXPLAINED = entry_of(
    PhotoError("busy", "it was decoded for its answer, but not in time for its explanation")
)
_DEADLY = entry_of(PhotoError("unusable", "reading it ends the process that does"))


class Endpoint:
    """Answers requests with a model.

    Args:
        worker: what computes, as `dogbreed.serving.http.predict_worker` does.
        queue: a request is refused by 429 while so many photos of its client wait, or a quarter
            more of all clients.
        timeout_s: a request's body must have arrived within it.
        tiff: whether TIFFs are decoded.
    """

    def __init__(
        self,
        description: Description,
        worker: Worker,
        explanations: Explanations,
        counters: Counters,
        *,
        queue: int,
        timeout_s: float,
        tiff: bool = False,
    ) -> None:
        self.counters = counters
        self._worker = worker
        self._explanations = explanations
        self._class_index = {name: index for index, name in enumerate(description.classes)}
        self._timeout_s = timeout_s
        self._tiff = tiff
        self._waiting = Shares(queue + max(1, queue // 4), queue)
        self.held_bytes = Shares(MAX_HELD_BYTES, MAX_CLIENT_BYTES)

    @property
    def ready(self) -> bool:
        """Whether photos are answered now."""
        return self._worker.ready

    async def answer(self, request: Request) -> dict[str, Any]:
        """The answer's values.

        Raises:
            RequestError: it can't be answered.
            ClientDisconnect: the caller is gone.
        """
        arrived = time.perf_counter()
        status = "500"
        try:
            answer = await self._answer(request)
            status = "200"
            self.counters.seconds.observe(time.perf_counter() - arrived)
            return answer
        except RequestError as error:
            status = str(error.status)
            raise
        except ClientDisconnect:
            status = "400"
            raise
        except asyncio.CancelledError as error:  # the server is stopped, and has waited for it
            status = "503"
            raise RequestError(503, "stopped", "The server is being stopped.") from error
        finally:
            self.counters.requests.labels(status).inc()

    async def _answer(self, request: Request) -> dict[str, Any]:
        check_accept(request.headers.get("Accept", ""))
        client = client_of(request.client.host) if request.client else ""
        self._check_queue(client)
        with self._holding(client) as held:
            body = await self._body(request, held)
            started = time.perf_counter()
            invocation = await self._read(body, request, held)
            self._check_queue(client)
            with self._queued(client, len(invocation.photos)):
                # Every one of them: what went on after another's fault wouldn't be counted.
                done = await asyncio.gather(
                    *(self._entry(photo, invocation) for photo in invocation.photos),
                    return_exceptions=True,
                )
            entries = []
            for entry in done:
                if isinstance(entry, BaseException):
                    raise entry
                entries.append(entry)
            return answer_of(entries, started, invocation.hint)

    async def _entry(self, photo: bytes, invocation: Invocation) -> dict[str, Any]:
        """What the answer has for one photo."""
        refusal = refusal_of(photo, tiff=self._tiff)
        if refusal is not None:
            return entry_of(refusal)
        try:
            together, data = await self._worker.ask(invocation.top_k, photo)
        except WorkerError as error:
            raise RequestError(503, "no_model", f"The model can't be loaded: {error}") from error
        except PoisonRequest:
            return _DEADLY
        self.counters.batch.observe(together)
        entry: dict[str, Any] = json.loads(data)
        if invocation.explain and "classes" in entry:
            index = self._class_index[entry["classes"][0]["class"]]
            try:
                picture = await self._explanations.explain(photo, index)
            except WorkerError as error:
                if isinstance(error, WorkerRefusal) and not isinstance(error, ModelUnreadable):
                    raise not_explained(error) from error
                raise RequestError(503, "no_model", f"It can't be explained: {error}") from error
            except PoisonRequest:
                return _DEADLY
            if picture == NOT_EXPLAINED:
                return _NOT_EXPLAINED
            entry["explanation"] = explanation_of(picture)
        return entry

    async def _body(self, request: Request, held: "_Held") -> bytes:
        """The request's body, in time and within its limit."""
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._timeout_s):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size <= MAX_BYTES:
                        held.add(len(chunk))
                        parts.append(chunk)
                    elif size > MAX_IGNORED_BYTES:
                        break
        except TimeoutError as error:
            raise RequestError(
                408, "too_slow", f"The body took longer than {self._timeout_s:g} s to arrive."
            ) from error
        check_size(size)
        return b"".join(parts)

    async def _read(self, body: bytes, request: Request, held: "_Held") -> Invocation:
        """What the request's body and its parameters say."""
        parameters = dict(request.query_params)
        parameters |= attributes(request.headers.get(ATTRIBUTES_HEADER, ""))
        encoding = request.headers.get(ENCODING_HEADER, "")
        compressed = is_compressed(body, encoding)
        if compressed:
            held.add(MAX_BYTES)  # what it may become
        if not compressed and len(body) <= INLINE_BYTES:
            return read_invocation(body, parameters, encoding)
        invocation = await asyncio.to_thread(read_invocation, body, parameters, encoding)
        if compressed:
            held.add(sum(map(len, invocation.photos)) - MAX_BYTES)
        return invocation

    def _check_queue(self, client: str) -> None:
        if not self._waiting.fit(client):
            raise _busy()

    @contextmanager
    def _queued(self, client: str, photos: int) -> Iterator[None]:
        self._waiting.add(client, photos)
        self.counters.waiting.set(self._waiting.held)
        try:
            yield
        finally:
            self._waiting.add(client, -photos)
            self.counters.waiting.set(self._waiting.held)

    @contextmanager
    def _holding(self, client: str) -> Iterator["_Held"]:
        held = _Held(self.held_bytes, client)
        try:
            yield held
        finally:
            self.held_bytes.add(client, -held.size_bytes)


class _Held:
    """The bytes of one request that are in memory."""

    def __init__(self, all_bytes: Shares, client: str) -> None:
        self._all_bytes = all_bytes
        self._client = client
        self.size_bytes = 0

    def add(self, size_bytes: int) -> None:
        if not self._all_bytes.fit(self._client, size_bytes):
            raise _busy()
        self._all_bytes.add(self._client, size_bytes)
        self.size_bytes += size_bytes


def _busy() -> RequestError:
    return RequestError(429, "busy", "Too many photos wait for their answer: try again shortly.")
