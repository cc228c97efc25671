"""Many transfers at a time: bounded workers, with progress; the first error ends them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from dogbreed.utils.progress import progress

WORKERS = 32  # equals max_pool_connections of the clients
File = TypeVar("File")


def send_all(send: Callable[[File], None], files: Sequence[File], workers: int) -> None:
    """Upload in threads; the first error ends it."""
    pool = ThreadPoolExecutor(workers)
    try:
        with progress("uploading", len(files)) as advance:
            for future in as_completed([pool.submit(send, file) for file in files]):
                future.result()
                advance(1)
    finally:
        pool.shutdown(cancel_futures=True)
