"""Output to terminals and logs: lines that untrusted text can't break, colour or forge."""

import copy
import logging
import sys
import traceback
import warnings
from collections.abc import Mapping
from numbers import Number
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from dogbreed.utils.metric_lines import ASSIGNMENT
from dogbreed.utils.printable import printable

if TYPE_CHECKING:
    from rich.console import Console


def line_of(text: object) -> str:
    """Untrusted text as a part of a line: printable, and without anything that reads as a metric.

    SageMaker searches every line of a job's log for metrics: a folder called `valid_loss=0.0` must
    not become the result of a trial.
    """
    return ASSIGNMENT.sub(r"\1\\u003d", printable(text))


def print_lines(*lines: str, file: TextIO | None = None) -> None:
    """Print each text as exactly one line, on stdout by default, at once."""
    stream = sys.stdout if file is None else file
    stream.write("".join(f"{line_of(line)}\n" for line in lines))
    stream.flush()


def print_exception(error: BaseException) -> None:
    """Print the traceback of an unexpected error on stderr."""
    print_lines(*_traceback(error), file=sys.stderr)


def console(file: TextIO, width: int | None = None) -> "Console":
    """A Rich console on a stream that prints text as it is: no markup, no emoji names."""
    from rich.console import Console

    return Console(file=file, width=width, markup=False, emoji=False, highlight=False)


class LineFormatter(logging.Formatter):
    """Formats records so that arguments can't add lines; the message's line breaks stay."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        record = copy.copy(record)  # other handlers get the arguments unchanged
        if isinstance(record.args, Mapping):
            record.args = {name: _argument(value) for name, value in record.args.items()}
        elif record.args:
            record.args = tuple(map(_argument, record.args))
        record.exc_text = None  # cached by a handler of another format
        return "\n".join(map(printable, super().format(record).split("\n")))

    def formatException(self, ei: Any) -> str:
        """Indented, so that a message with line breaks can't look like records."""
        return "\n".join(f"  {line}" for line in _traceback(ei[1]))


def secure_other_output() -> None:
    """Print warnings, logs and exceptions of libraries in the same way."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(LineFormatter())
    warnings.formatwarning = _format_warning
    sys.excepthook = _print_unhandled


def _argument(value: object) -> object:
    return value if value is None or isinstance(value, Number) else line_of(value)


def _traceback(error: BaseException) -> list[str]:
    return [
        line for part in traceback.format_exception(error) for line in part.rstrip("\n").split("\n")
    ]


def _format_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    return f"{line_of(f'{filename}:{lineno}: {category.__name__}: {message}')}\n"


def _print_unhandled(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    print_exception(error)
