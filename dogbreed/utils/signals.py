"""Signals that end a command: its main process handles them, its helper processes don't."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Ctrl-C and `timeout` send them to every process of the group.
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# `timeout` sends its signal to the command and then to its group, so twice to the command.
REPEATED_S = 1.0


class NotedSignal:
    """A signal handler that records the first signal's `number`, so that the work can stop later.

    A second signal ends the process at once, unless it comes within REPEATED_S of the first.
    """

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self._noted_at = time.monotonic()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Record the signal, or end the process by it."""
        if not self.number:
            self.number, self._noted_at = number, time.monotonic()
        elif time.monotonic() - self._noted_at >= REPEATED_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


@contextmanager
def starting_helpers() -> Iterator[None]:
    """Processes started in the block never receive ENDING_SIGNALS; this process gets them after it.

    A process inherits its parent's blocked signals, so at no time can one of them end the helper.
    It has to be ended in other ways: by a message, SIGKILL, or its parent's death.
    """
    from multiprocessing import resource_tracker

    # Starting the tracker unblocks the signals again (Python before 3.13), so it comes first.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
