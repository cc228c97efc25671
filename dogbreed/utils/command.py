"""How every command starts and ends: its standard streams, signals, errors as one message."""

import io
import logging
import os
import signal
import sys
import types
import typing
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress

from dogbreed import errors
from dogbreed.utils.os_errors import os_message
from dogbreed.utils.progress import is_main_process
from dogbreed.utils.signals import ENDING_SIGNALS, NotedSignal
from dogbreed.utils.terminal import print_lines, secure_other_output


def run_command(command: Callable[[Sequence[str]], None]) -> typing.NoReturn:
    """Run an entry point's `command` on the arguments typed; end the process with its exit code.

    A mistake is one message on stderr, never a traceback.
    """
    _prepare_streams()
    secure_other_output()
    logging.raiseExceptions = False  # a line that nobody can read any more stops no work
    # No command plots: where Matplotlib keeps its own cache is of no interest.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # What Pillow finds odd in a photo that it can still read; it doesn't say in which one.
    warnings.filterwarnings("ignore", module="PIL")
    for number in ENDING_SIGNALS:
        signal.signal(number, _stop)
    try:
        command(sys.argv[1:])
    except errors.Stopped as stopped:
        _leave(stopped.exit_code, *(stopped.args if is_main_process() else ()))
    except errors.DogbreedError as error:
        _leave(error.exit_code, *f"error: {error}".split("\n"))
    except BrokenPipeError:
        _leave(0)
    except OSError as error:
        _leave(1, f"error: {os_message(error)}")
    except UnicodeEncodeError as error:
        _leave(
            1,
            f"error: {error.object!a}: this locale's encoding ({error.encoding}) lacks some of its "
            "characters: set another (LC_ALL=C.UTF-8).",
        )
    _leave(0)


def _prepare_streams() -> None:
    """Have the standard streams open, and show characters that they lack as escapes.

    A command can be started with one of them closed (>&-). The next file that is opened would get
    its number, and what a library writes there would end up in that file.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _stop(number: int, frame: types.FrameType | None) -> None:
    """What SIGTERM and Ctrl-C do where nothing better is installed (training saves first)."""
    signal.signal(number, NotedSignal(number))  # another one ends the process at once
    name = signal.Signals(number).name
    raise errors.Stopped(f"stopped by {name}; what was computed so far is saved.", number)


def _leave(code: int, *message: str) -> typing.NoReturn:
    """End the process; `message` are the lines of what is to be said on stderr."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        pass
    except OSError as error:  # what was printed last is lost
        message = message or (f"error: the standard output: {os_message(error)}",)
        code = code or 1
    if message:
        with suppress(OSError):
            print_lines(*message, file=sys.stderr)
    # Other threads (decoders, the engine) may still work, and the interpreter takes up to two
    # seconds to put away what the system takes back at once; nothing of it is needed any more.
    os._exit(code)
