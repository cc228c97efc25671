"""IPC between the server and its worker processes: frames over the standard streams.

A frame is two numbers, the data's length, and the data. The first number identifies the photo; in
a worker's first frame it is READY, with the identity of its model, or FAILED, with the reason.
The second number is the requested top_k, or EXPLAIN with the index of a class; in READY it is 1 if
EXPLAIN is supported; in FAILED it is NO_MODEL if the model's folder can't be read.
"""

import os
import struct
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO

HEAD = struct.Struct("<QII")
READY, FAILED = 0, 1
EXPLAIN = 1 << 31
NO_MODEL = 1
NOT_EXPLAINED = b""  # in place of an overlay, for a photo that couldn't be decoded again

Frame = tuple[int, int, bytes]
Send = Callable[[Frame], None]


def packed(frame: Frame) -> bytes:
    """A frame's bytes."""
    number, value, data = frame
    return HEAD.pack(number, value, len(data)) + data


def open_streams() -> tuple[Iterator[Frame], Send]:
    """In a worker: an iterator over the received frames, and a function that sends one.

    The iterator ends when the server does. From now on the standard output, to which libraries may
    print, goes to the standard error.
    """
    source = os.fdopen(os.dup(0), "rb", buffering=1 << 18)
    sink = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    lock = threading.Lock()

    def send(frame: Frame) -> None:
        remaining = memoryview(packed(frame))
        with lock:
            try:
                while remaining:  # a pipe may accept only a part
                    remaining = remaining[sink.write(remaining) :]
            except BrokenPipeError:  # the server is gone
                os._exit(0)

    return _frames(source), send


def _frames(source: BinaryIO) -> Iterator[Frame]:
    while len(head := source.read(HEAD.size)) == HEAD.size:
        number, value, size = HEAD.unpack(head)
        data = source.read(size)
        if len(data) < size:
            return
        yield number, value, data
