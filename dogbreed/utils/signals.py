"""Signals that end a command: its main process handles them, its helper processes don't."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from dogbreed.errors import Stopped

# Ctrl-C and `timeout` send them to every process of the group.
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# `timeout` sends its signal to the command and then to its group, so twice to the command.
REPEATED_S = 1.0


Handler = Callable[[int, FrameType | None], None]


def end_process(number: int, frame: FrameType | None) -> None:
    """End the process by the signal, at once."""
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def raise_stopped(number: int, frame: FrameType | None) -> None:
    """Stop a training that Python code has started, whose process goes on: a notebook's."""
    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    raise Stopped(
        f"stopped by {name}; what was computed so far is saved: dogbreed.fit with the same "
        "arguments and resume='auto' continues from there.",
        number,
    )


@contextmanager
def interrupts_stop() -> Iterator[None]:
    """Ctrl-C and a notebook's interrupt raise `Stopped` in the block, in the main thread.

    At KeyboardInterrupt Lightning would end the process and ignore all later ones. Other threads
    receive no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, raise_stopped)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class NotedSignal:
    """A signal handler that records the first signal's `number`, so that the work can stop later.

    A second signal is for the handler `repeated`, which ends the process at once unless another is
    given; within REPEATED_S of the first it is ignored.
    """

    def __init__(self, number: int = 0, repeated: Handler = end_process) -> None:
        self.number, self._repeated = number, repeated
        self._noted_at = time.monotonic()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Record the first signal."""
        if not self.number:
            self.number, self._noted_at = number, time.monotonic()
        elif time.monotonic() - self._noted_at >= REPEATED_S:
            self._repeated(number, frame)


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
