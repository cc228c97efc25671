"""Watches the memory of a server's processes from outside."""

import threading
from typing import Any, Self

from helpers.ray_container import Container

SAMPLES_PER_S = 5
# What a container gets of an ml.t2.medium, an estimate: of 4 GiB Linux itself takes 0.2, and Docker
# and SageMaker's agents 0.7, which leaves 3.1 GiB.
T2_MEDIUM_BYTES = 3_300_000_000


class MemoryWatch:
    """The highest memory of a container that was seen, in bytes."""

    def __init__(self, container: Container) -> None:
        self.peak_bytes = 0
        self._container = container
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def sample(self) -> None:
        """Measure now."""
        self.peak_bytes = max(self.peak_bytes, self._container.memory_bytes())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(1 / SAMPLES_PER_S):
            self.sample()
