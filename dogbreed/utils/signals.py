"""Signals that end a command: its own process decides what they mean, its helpers don't."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Ctrl-C and `timeout` send theirs to every process of the group.
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# `timeout` sends its signal to the command and then to its group, so twice to the command.
REPEATED_S = 1.0


class NotedSignal:
    """A signal handler that notes the first `number` and lets the work stop in its own time.

    Another one ends the process at once, unless it comes within REPEATED_S: then it is the same.
    """

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self._noted_at = time.monotonic()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Note the signal, or end the process by it."""
        if not self.number:
            self.number, self._noted_at = number, time.monotonic()
        elif time.monotonic() - self._noted_at >= REPEATED_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


@contextmanager
def starting_helpers() -> Iterator[None]:
    """Processes started in the block never receive ENDING_SIGNALS; this process gets them after it.

    A process inherits the signals that its parent blocks, so there is no moment in which one could
    end the helper. It has to be ended by other means: a message, SIGKILL, or its parent's death.
    """
    from multiprocessing import resource_tracker

    # Starting the tracker unblocks the signals again (Python before 3.13), so it comes first.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
