"""What the server and its worker processes say to each other: frames over the standard streams.

A frame is two numbers, the length of what follows, and that. The first number says which photo it
is about; a worker's first frame has READY with the identity of the model that it loaded, or FAILED
with the reason as text. The second number is what is wanted, with EXPLAIN of which class; in READY
whether that may be; in FAILED whether it is the model's folder (NO_MODEL) that can't be read.
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
NOT_EXPLAINED = b""  # instead of a picture, of a photo that couldn't be decoded once more

Frame = tuple[int, int, bytes]
Send = Callable[[Frame], None]


def packed(frame: Frame) -> bytes:
    """A frame as it travels."""
    number, value, data = frame
    return HEAD.pack(number, value, len(data)) + data


def open_streams() -> tuple[Iterator[Frame], Send]:
    """In a worker: the frames that come, until the server is gone, and what sends one.

    What libraries print to the standard output goes to the standard error from now on.
    """
    source = os.fdopen(os.dup(0), "rb", buffering=1 << 18)
    sink = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    lock = threading.Lock()

    def send(frame: Frame) -> None:
        left = memoryview(packed(frame))
        with lock:
            try:
                while left:  # a pipe takes what fits
                    left = left[sink.write(left) :]
            except BrokenPipeError:  # the server is gone: nobody wants an answer any more
                os._exit(0)

    return _frames(source), send


def _frames(source: BinaryIO) -> Iterator[Frame]:
    while len(head := source.read(HEAD.size)) == HEAD.size:
        number, value, size = HEAD.unpack(head)
        data = source.read(size)
        if len(data) < size:
            return
        yield number, value, data
