"""libtiff's messages: it writes them to the standard error itself, without the file's name."""

import ctypes
import functools

from PIL import _imaging


@functools.cache
def silence_libtiff() -> None:
    """Have Pillow's libtiff write nothing; what it finds wrong is still raised by Pillow.

    For the process, once: replacing the standard error for a while would take the messages
    of other threads. On a system whose Pillow hides its libtiff (Windows) nothing changes.
    """
    try:
        # Names are looked up in the libraries that this one was linked with.
        library = ctypes.CDLL(_imaging.__file__)
        handlers = (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler)
    except (OSError, AttributeError):
        return
    for handler in handlers:
        handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        handler(None)
