"""A terminal: lines wrapped at words, coloured warnings, and a block that is drawn again in place.

In a pipe or a file the same functions print plain lines. There and with TERM=dumb is no block. In a
notebook the block is a part of the cell's output.
"""

import codecs
import copy
import locale
import logging
import math
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TextIO

from dogbreed.utils import notebook
from dogbreed.utils.terminal import LineFormatter, console, line_of

# What a log record can have: the text for a person in place of the message, None for nothing.
BRIEF = "brief"
REDRAWN_S = 0.2  # how often the block shows what has changed, and follows the terminal's width
DUMB = ("", "dumb", "unknown")  # values of TERM: a terminal without a cursor to move
MARGIN = 3  # columns beside the block: for the cursor, and for the ^C that a terminal writes there
SIZE_ELSEWHERE = os.terminal_size((80, 24))
STEPS, ASCII_STEPS = "▁▂▃▄▅▆▇█", "_.-=+*#@"  # of rising height


@dataclass(frozen=True)
class Canvas:
    """What a row is drawn on: `width` in columns, and characters of rising height."""

    width: int
    steps: str


# A row of the block: its lines for a canvas. It is called from another thread.
Row = Callable[[Canvas], Sequence[str]]


def has_cursor(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "") not in DUMB


def size_of(stream: TextIO) -> os.terminal_size:
    """The columns and lines of a terminal now; SIZE_ELSEWHERE of what is none or doesn't tell."""
    size = SIZE_ELSEWHERE
    with suppress(OSError, ValueError):
        size = os.get_terminal_size(stream.fileno())
    columns, lines = os.environ.get("COLUMNS", ""), size.lines or SIZE_ELSEWHERE.lines
    if columns.isdecimal() and int(columns):
        return os.terminal_size((int(columns), lines))
    return os.terminal_size((size.columns or SIZE_ELSEWHERE.columns, lines))


def steps_of(stream: TextIO) -> str:
    """Characters of rising height that this stream and this locale can show."""
    # Python's own streams are in UTF-8 under LC_ALL=C too (PEP 540); the terminal may not be.
    for encoding in (stream.encoding, locale.getencoding()):
        try:
            STEPS.encode(codecs.lookup(encoding).name)
        except (UnicodeEncodeError, LookupError):
            return ASCII_STEPS
    return STEPS


def print_wrapped(*lines: str, file: TextIO) -> None:
    """Print each text as a line; on a terminal as several that break between words."""
    file.write("".join(f"{_for(file, line_of(line))}\n" for line in lines))
    file.flush()


def _for(stream: TextIO, text: str, style: str = "") -> str:
    """The text as this stream shows it: wrapped and styled on a terminal, unchanged elsewhere."""
    if not stream.isatty():
        return text
    from rich.text import Text

    shown, columns, lines = console(stream), size_of(stream).columns, []
    for line in Text(text, style=style).wrap(shown, columns):
        line.rstrip()
        with shown.capture() as captured:
            shown.print(line, end="", soft_wrap=True)
        lines.append(captured.get())
    return "\n".join(lines)


class ScreenHandler(logging.StreamHandler[TextIO]):
    """Logs to a stream for people: records in brief, above the block, warnings in colour."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(LineFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record, or what it has for a person."""
        brief = getattr(record, BRIEF, record)
        if brief is None:
            return
        if brief is not record:
            record = copy.copy(record)
            record.msg, record.args = brief, ()
        block = open_block()
        if block is None or not has_cursor(self.stream):
            super().emit(record)
            return
        with block.above():
            super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        style = "yellow" if record.levelno >= logging.WARNING else ""
        return _for(self.stream, super().format(record), style)


class LiveBlock:
    """Rows at the bottom of a terminal; whatever else is printed scrolls above them.

    The cursor is never hidden, and each change is one write: a process that is killed leaves the
    terminal as usable as it was.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._console = stream, console(stream)
        self._steps = steps_of(stream)
        self._rows: list[Row] = []
        self._drawn: list[str] = []
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._redraw, daemon=True)
        self._thread.start()

    def add(self, row: Row) -> None:
        """Show a row below the others."""
        with self._lock:
            self._rows.append(row)
            self._draw()

    def remove(self, row: Row) -> None:
        """Show a row no longer."""
        with self._lock:
            self._rows.remove(row)
            self._draw()

    @contextmanager
    def above(self) -> Iterator[None]:
        """What is written in the block of this statement comes above the rows."""
        with self._lock:
            self._write(self._erasing())
            self._drawn = []
            try:
                yield
            finally:
                self._draw()

    def draw(self) -> None:
        """Show at once what has changed of the rows."""
        with self._lock:
            self._draw()

    def close(self) -> None:
        """Draw the rows a last time, and leave the cursor below them."""
        self._closed.set()
        self._thread.join()
        with self._lock:
            self._draw()
            if self._drawn:
                self._write("\n")
            self._drawn = []

    def _redraw(self) -> None:
        while not self._closed.wait(REDRAWN_S):
            self.draw()

    def _draw(self) -> None:
        lines = self._lines()
        if lines != self._drawn:
            self._replace(lines)
            self._drawn = lines

    def _replace(self, lines: list[str]) -> None:
        """Show these lines in place of those that are there."""
        self._write(self._erasing() + "\n".join(lines))

    def _lines(self) -> list[str]:
        """The rows as lines that fit the terminal."""
        from rich.text import Text

        size = self._size()
        canvas = Canvas(max(1, size.columns - MARGIN), self._steps)
        lines = [
            part.plain.rstrip()
            for row in self._rows
            for line in row(canvas)
            for part in Text(line_of(line)).wrap(self._console, canvas.width)
        ]
        return lines[-max(1, size.lines - 1) :]

    def _size(self) -> os.terminal_size:
        return size_of(self._stream)

    def _erasing(self) -> str:
        """What erases the lines that are there, as wide as the terminal is now.

        Terminals wrap lines again when they get narrower, so those take more rows than before. In
        one that cuts lines instead, as xterm does, some lines above the block are erased too.
        """
        from rich.cells import cell_len

        if not self._drawn:
            return ""
        width = size_of(self._stream).columns
        rows = sum(max(1, math.ceil(cell_len(line) / width)) for line in self._drawn)
        return ("\r" if rows == 1 else f"\r\x1b[{rows - 1}A") + "\x1b[J"

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that was closed stops no work
            self._stream.write(text)
            self._stream.flush()


class CellBlock(LiveBlock):
    """The same in a notebook: what else is printed comes below the rows."""

    def __init__(self, stream: TextIO) -> None:
        self._cell = notebook.CellOutput()
        super().__init__(stream)

    @contextmanager
    def above(self) -> Iterator[None]:
        """What is written in the block of this statement comes below the rows."""
        yield

    def close(self) -> None:
        """Draw the rows a last time."""
        self._closed.set()
        self._thread.join()
        self.draw()

    def _replace(self, lines: list[str]) -> None:
        self._cell.show(lines)

    def _size(self) -> os.terminal_size:
        return notebook.SIZE


_open: LiveBlock | None = None


def open_block() -> LiveBlock | None:
    """The block on the terminal now; None: there is none."""
    return _open


@contextmanager
def live_block() -> Iterator[LiveBlock | None]:
    """The block of stderr or of a notebook's cell, closed at the end if it is opened here.

    None where there is neither a terminal nor a cell. It is for the main process.
    """
    global _open
    in_cell = notebook.in_notebook()
    if _open is not None or not (in_cell or has_cursor(sys.stderr)):
        yield _open
        return
    block = _open = (CellBlock if in_cell else LiveBlock)(sys.stderr)
    try:
        with _warnings_above(block):
            yield block
    finally:
        _open = None
        block.close()


@contextmanager
def _warnings_above(block: LiveBlock) -> Iterator[None]:
    """Print the warnings of libraries, which go to stderr by themselves, above the block."""
    before = warnings.showwarning

    def show(*arguments: Any, **named: Any) -> None:
        with block.above():
            before(*arguments, **named)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before
