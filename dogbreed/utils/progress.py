"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dogbreed.utils.terminal import console, line_of, print_lines

if TYPE_CHECKING:
    from rich.progress import Progress

# Without a terminal, a line at this interval shows that work continues.
SECONDS_BETWEEN_LINES = 10.0


def is_main_process() -> bool:
    """False in the additional processes of a distributed training, which print nothing."""
    # RANK is torchrun's, over all machines; Lightning's launcher sets LOCAL_RANK only.
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


@contextmanager
def progress(what: str, total: int, unit: str = "photos") -> Iterator[Callable[[int], None]]:
    """Show how much of `total` is done; the block calls the function with each amount done."""
    if sys.stderr.isatty() and is_main_process():
        with _bar() as bar:
            task = bar.add_task(line_of(what), total=total)
            yield lambda amount: bar.advance(task, amount)
        return
    done, last_line = 0, time.monotonic()

    def advance(amount: int) -> None:
        nonlocal done, last_line
        done += amount
        if time.monotonic() - last_line >= SECONDS_BETWEEN_LINES and is_main_process():
            last_line = time.monotonic()
            print_lines(f"{what}: {done} of {total} {unit}", file=sys.stderr)

    yield advance


def _bar() -> "Progress":
    # A third of the imports of a command that only prints its help.
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console(sys.stderr),
    )
