"""One process does a piece of work; others wait for it, and say so."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dogbreed.utils.files import locked
from dogbreed.utils.terminal import print_lines


@contextmanager
def alone(lock: Path, doing: str) -> Iterator[None]:
    """Wait until no other process is in such a block of the same file `lock`.

    `doing` is what the other is said to be doing, such as "fetching into FOLDER".
    """
    with ExitStack() as stack:
        if not stack.enter_context(locked(lock, wait=False)):
            print_lines(f"Another process is {doing}; waiting for it.", file=sys.stderr)
            stack.enter_context(locked(lock))
        yield
