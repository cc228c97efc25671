"""Watches the memory of a server's processes from outside."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Self

import psutil

SAMPLES_PER_S = 5
# What a container gets of an ml.t2.medium, an estimate: of 4 GiB Linux itself takes 0.2, and Docker
# and SageMaker's agents 0.7, which leaves 3.1 GiB.
T2_MEDIUM_BYTES = 3_300_000_000


def memory_bytes(processes: Iterable[psutil.Process]) -> int:
    """Bytes of processes together; a page that n processes share counts 1/n for each. Linux."""
    total = 0
    for process in processes:
        with suppress(psutil.Error):  # it has ended
            total += process.memory_full_info().pss
    return total


class MemoryWatch:
    """The highest memory of some processes that was seen, in bytes.

    Args:
        processes: those that there are when it is called.
    """

    def __init__(self, processes: Callable[[], Iterable[psutil.Process]]) -> None:
        self.peak_bytes = 0
        self._processes = processes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def sample(self) -> None:
        """Measure now."""
        self.peak_bytes = max(self.peak_bytes, memory_bytes(self._processes()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(1 / SAMPLES_PER_S):
            self.sample()
