"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dogbreed.utils.screen import Canvas, live_block
from dogbreed.utils.terminal import print_lines

# Without a terminal, a line after so many seconds shows that work continues, the next ones at
# growing intervals: hours of work are some twenty lines.
SECONDS_BETWEEN_LINES = 10.0
INTERVAL_GROWTH = 0.5  # of the seconds so far
MAX_BAR = 40  # columns


def is_main_process() -> bool:
    """False in the additional processes of a distributed training, which print nothing."""
    # RANK is torchrun's, over all machines; Lightning's launcher sets LOCAL_RANK only.
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


@contextmanager
def progress(
    what: str, total: int, unit: str = "photos", *, keep: bool = False
) -> Iterator[Callable[[int], None]]:
    """Show how much of `total` is done; the block calls the function with each amount done.

    With `keep` a live block that was open before shows it after its end, too.
    """
    if not is_main_process():
        yield lambda amount: None
        return
    with live_block() as block:
        if block is None:
            yield _lines(what, total, unit)
            return
        bar = Bar(what, total)
        block.add(bar)
        try:
            yield bar.advance
        finally:
            bar.end()
            if keep:
                block.draw()
            else:
                block.remove(bar)


def _lines(what: str, total: int, unit: str) -> Callable[[int], None]:
    """A function that prints a line on stderr now and then."""
    done, started = 0, time.monotonic()
    due = started + SECONDS_BETWEEN_LINES

    def advance(amount: int) -> None:
        nonlocal done, due
        done += amount
        now = time.monotonic()
        if now >= due:
            due = now + max(SECONDS_BETWEEN_LINES, INTERVAL_GROWTH * (now - started))
            print_lines(f"{what}: {done} of {total} {unit}", file=sys.stderr)

    return advance


class Bar:
    """A row of a live block: how much is done, for how long, and how long the rest may take."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._done, self._started = 0, time.monotonic()
        self._ended: float | None = None

    def advance(self, amount: int) -> None:
        """Count an amount that was done."""
        self._done += amount

    def end(self) -> None:
        """Stop the time."""
        self._ended = time.monotonic()

    def __call__(self, canvas: Canvas) -> list[str]:
        """`features  ████▁▁▁▁  192/384  0:52, 0:52 left`."""
        seconds = (self._ended or time.monotonic()) - self._started
        count = f"{self._done:,}/{self._total:,}"
        if self._ended is not None:
            return [f"{self._what}  {count}  {_clock(seconds)}"]
        times = _clock(seconds)
        if 0 < self._done < self._total:
            times += f", {_clock(seconds * (self._total - self._done) / self._done)} left"
        size = min(MAX_BAR, canvas.width - len(f"{self._what}  {count}  {times}") - 2)
        if size < 4:
            return [f"{self._what}  {count}  {times}"]
        filled = size * min(self._done, self._total) // max(1, self._total)
        bar = canvas.steps[-1] * filled + canvas.steps[0] * (size - filled)
        return [f"{self._what}  {bar}  {count}  {times}"]


def _clock(seconds: float) -> str:
    """0:05, 12:34, 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
