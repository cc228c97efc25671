"""One bounded queue: threads read and decode what comes next while the network computes."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")


def prefetch(
    items: Iterable[Item], load: Callable[[Item], Loaded], *, workers: int, depth: int
) -> Generator[tuple[Item, Loaded], None, None]:
    """Each item with what `load` returns for it, in order.

    `workers` threads load up to `depth` items ahead of the one that was yielded last; `items` are
    consumed no further. An error in `load` is raised when the item's turn comes. Close the iterator
    (contextlib.closing) where it may not be exhausted: items that no thread has begun are dropped,
    and those in progress are not waited for.
    """
    pool = ThreadPoolExecutor(workers)
    queue: deque[tuple[Item, Future[Loaded]]] = deque()
    try:
        for item in items:
            queue.append((item, pool.submit(load, item)))
            if len(queue) > depth:
                first, future = queue.popleft()
                yield first, future.result()
        while queue:
            first, future = queue.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
