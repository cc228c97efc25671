"""How every command starts and ends: its standard streams, signals, errors as one message."""

import io
import logging
import os
import signal
import sys
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from dogbreed import errors
from dogbreed.utils.os_errors import os_message
from dogbreed.utils.progress import is_main_process
from dogbreed.utils.screen import print_wrapped
from dogbreed.utils.signals import ENDING_SIGNALS, NotedSignal
from dogbreed.utils.terminal import secure_other_output

Command = Callable[[Sequence[str]], None]
# Loggers whose handlers or levels a command changes: the package's own and two libraries'.
_LOGGERS = ("dogbreed", "matplotlib", "pytorch_lightning")


def run_command(command: Command) -> typing.NoReturn:
    """Run an entry point's `command` on the arguments typed; end the process with its exit code.

    A mistake is one message on stderr, never a traceback.
    """
    _prepare_streams()
    secure_other_output()
    for number in ENDING_SIGNALS:
        signal.signal(number, _stop)
    code = run(command, sys.argv[1:])
    # Other threads (decoders, the engine) may still work, and the interpreter takes up to two
    # seconds to release what the operating system reclaims at once.
    os._exit(code)


def run(command: Command, arguments: Sequence[str]) -> int:
    """Run an entry point's `command` in this process; the exit code that a process would end with.

    A mistake is one message on stderr. Signal handlers, warning filters and loggers are afterwards
    what they were before.

    Raises:
        Exception: an error that no command foresees, as it was raised.
    """
    code = 0
    message: tuple[str, ...] = ()
    try:
        with own_output():
            command(arguments)
    except SystemExit as ended:
        if not isinstance(ended.code, int):
            raise
        code = ended.code
    except errors.Stopped as stopped:
        code, message = stopped.exit_code, stopped.args if is_main_process() else ()
    except errors.DogbreedError as error:
        code, message = error.exit_code, tuple(f"error: {error}".split("\n"))
    except BrokenPipeError:
        pass
    except OSError as error:
        code, message = 1, (f"error: {os_message(error)}",)
    except UnicodeEncodeError as error:
        encoding = error.encoding
        code = 1
        message = (
            f"error: {error.object!a}: this locale's encoding ({encoding}) lacks some of its "
            "characters: set another (LC_ALL=C.UTF-8).",
        )
    return _report(code, *message)


@contextmanager
def own_output() -> Iterator[None]:
    """Logging and warnings as a command has them; what it changes of them is undone afterwards."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(log, list(log.handlers), log.level, log.propagate) for log in loggers]
    raises = logging.raiseExceptions
    logging.raiseExceptions = False  # a closed output, such as a pipe, stops no work
    # No command plots: the location of Matplotlib's own cache interests nobody.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Pillow's remarks on photos that it can still read: they don't name the photo.
            warnings.filterwarnings("ignore", module="PIL")
            yield
    finally:
        logging.raiseExceptions = raises
        for log, handlers, level, propagate in before:
            log.handlers, log.propagate = handlers, propagate
            log.setLevel(level)


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
    """What SIGTERM and Ctrl-C do unless a command installs its own handlers, as training does."""
    signal.signal(number, NotedSignal(number))  # another one ends the process at once
    name = signal.Signals(number).name
    raise errors.Stopped(f"stopped by {name}; what was computed so far is saved.", number)


def _report(code: int, *message: str) -> int:
    """Flush stdout, write the lines of `message` to stderr; the exit code."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        pass
    except OSError as error:  # what was printed last is lost
        message = message or (f"error: the standard output: {os_message(error)}",)
        code = code or 1
    if message:
        with suppress(OSError):
            print_wrapped(*message, file=sys.stderr)
    return code
