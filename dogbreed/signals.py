"""Signals that end a command: its own process decides what they mean, its helpers don't."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

# Ctrl-C and `timeout` send theirs to every process of the group.
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def starting_helpers() -> Iterator[None]:
    """Processes started in the block never receive ENDING_SIGNALS; this process gets them after it.

    A process inherits the signals that its parent blocks, so there is no moment in which one could
    end the helper. It has to be ended by other means: a message, SIGKILL, or its parent's death.
    """
    # Starting the tracker unblocks the signals again (Python before 3.13), so it comes first.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
