"""Many transfers at a time: bounded workers, with progress; the first error ends them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from dogbreed.utils.progress import progress

WORKERS = 32  # equals max_pool_connections of the clients
File = TypeVar("File")


def transfer_all(
    transfer: Callable[[File], None], files: Sequence[File], workers: int, doing: str
) -> None:
    """Transfer each file in threads; the first error ends it. `doing` names it in the progress."""
    pool = ThreadPoolExecutor(workers)
    try:
        with progress(doing, len(files)) as advance:
            for future in as_completed([pool.submit(transfer, file) for file in files]):
                future.result()
                advance(1)
    finally:
        pool.shutdown(cancel_futures=True)
