"""Decodes photos from anybody for a server: in processes, within a budget of memory.

A few kB can be a picture of gigabytes, or one whose decoding never ends.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dogbreed.data.decoding.image_formats.base import (
    PLAIN_BYTES,
    check_structure,
    format_by_name,
)
from dogbreed.data.decoding.memory import TRANSPARENT_OR_DEEP_BYTES
from dogbreed.data.decoding.photos import MAX_PIXELS, checked
from dogbreed.data.decoding.pool import DecodingPool, OpenedPhoto
from dogbreed.errors import PhotoError
from dogbreed.serving.memory_budget import decoding_budget

TIMEOUT_S = 24.0  # for one photo; SageMaker waits 60 s for an answer
# Costly photos are decoded on the processor time that other photos and the network leave.
COSTLY_NICENESS = 10


class CostlyPhoto(Exception):
    """A photo that the ordinary queue doesn't decode: it may take seconds."""


class DecodingQueue:
    """Processes that decode photos, and a budget of memory for them; a photo waits for its part.

    Args:
        costly: whether it decodes costly photos too (`photos.open_with_cost`).
    """

    def __init__(self, size_bytes: int, *, costly: bool) -> None:
        self._size = self._free = size_bytes
        self._costly = costly
        self._pool = DecodingPool(niceness=COSTLY_NICENESS if costly else 0)
        self._changed = threading.Condition()
        self._turn = threading.Lock()

    @contextmanager
    def opened(self, data: bytes, timeout_s: float = TIMEOUT_S) -> Iterator[OpenedPhoto]:
        """A photo that is opened, with the memory to decode it.

        Args:
            timeout_s: real time to wait for memory and to decode it.

        Raises:
            PhotoError: it can't be opened, needs more memory than there is, or gets none in time;
                in the block, it can't be decoded.
            CostlyPhoto: it belongs in the other queue.
        """
        until = time.monotonic() + timeout_s
        structure = check_structure(checked(data))
        known = format_by_name(structure.format)
        opens_large = known is not None and known.allocates_when_opened
        if opens_large and not self._costly:
            raise CostlyPhoto
        with ExitStack() as stack:
            if opens_large:
                min_bytes = structure.pixels * PLAIN_BYTES
                self._check(min_bytes, structure.width, structure.height, structure.format)
                # Whether it is transparent is known once it is open: reserve what one takes.
                max_bytes = structure.pixels * TRANSPARENT_OR_DEEP_BYTES
                stack.enter_context(self._memory(min(max_bytes, self._size), until))
            photo = stack.enter_context(
                self._pool.opened(data, max_pixels=MAX_PIXELS, timeout_s=until - time.monotonic())
            )
            header = photo.header
            if header.costly and not self._costly:
                raise CostlyPhoto
            what = f"{header.format} of mode {header.mode}"
            self._check(header.size_bytes, header.width, header.height, what)
            if not opens_large:
                stack.enter_context(self._memory(header.size_bytes, until))
            yield photo

    def _check(self, size_bytes: int, width: int, height: int, what: str) -> None:
        """Refuse a photo that takes more memory than there is."""
        if size_bytes > self._size:
            raise PhotoError(
                "too_large",
                f"{width}x{height} pixels; the limit is "
                f"{self._size * width * height // size_bytes:,} pixels here for {what}",
            )

    @contextmanager
    def _memory(self, size_bytes: int, until: float) -> Iterator[None]:
        # In turn: else many small photos would make a large one wait for ever.
        if not self._turn.acquire(timeout=max(0.0, until - time.monotonic())):
            raise _busy()
        try:
            with self._changed:
                if not self._changed.wait_for(
                    lambda: size_bytes <= self._free, max(0.0, until - time.monotonic())
                ):
                    raise _busy()
                self._free -= size_bytes
        finally:
            self._turn.release()
        try:
            yield
        finally:
            with self._changed:
                self._free += size_bytes
                self._changed.notify_all()


class DecodingBudget:
    """Two queues, each with its memory: ordinary photos never wait for costly ones.

    Args:
        size_bytes: of memory for each; None: `decoding_budget()`.
    """

    def __init__(self, size_bytes: int | None = None) -> None:
        size_bytes = decoding_budget() if size_bytes is None else size_bytes
        self.ordinary = DecodingQueue(size_bytes, costly=False)
        self.costly = DecodingQueue(size_bytes, costly=True)

    @contextmanager
    def opened(self, data: bytes) -> Iterator[OpenedPhoto]:
        """A photo that is opened in its queue; as `DecodingQueue.opened`."""
        with ExitStack() as stack:
            try:
                photo = stack.enter_context(self.ordinary.opened(data))
            except CostlyPhoto:
                photo = stack.enter_context(self.costly.opened(data))
            yield photo


def _busy() -> PhotoError:
    return PhotoError("busy", "other photos take all memory and time: try again shortly")
