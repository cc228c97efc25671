"""The live block and the lines on a terminal, on the screen that a person sees."""

import io
import logging
import os
import pty
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import pytest
from helpers.screen import Screen, on_screen, set_size

from dogbreed.utils.progress import Bar, progress
from dogbreed.utils.screen import (
    ASCII_STEPS,
    BRIEF,
    STEPS,
    Canvas,
    LiveBlock,
    ScreenHandler,
    live_block,
    open_block,
    print_wrapped,
    size_of,
    steps_of,
)

WORDS = "a warning that is longer than the forty columns of this narrow terminal"


class Pty:
    """A terminal in this process: `stream` writes to it, `screen` is what it shows."""

    def __init__(self, columns: int) -> None:
        self._parent_fd, child_fd = pty.openpty()
        set_size(self._parent_fd, columns)
        os.set_blocking(self._parent_fd, False)
        self.stream = os.fdopen(child_fd, "w", encoding="utf-8")
        self.screen = Screen(columns)

    def resize(self, columns: int) -> None:
        self.rows()
        set_size(self._parent_fd, columns)
        self.screen.columns = columns

    def rows(self) -> list[str]:
        """What is on the screen now."""
        try:
            while data := os.read(self._parent_fd, 1 << 16):
                self.screen.feed(data)
        except BlockingIOError:
            pass
        return self.screen.rows()

    def close(self) -> None:
        self.stream.close()
        os.close(self._parent_fd)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Pty]]:
    """Makes terminals of so many columns."""
    made: list[Pty] = []
    monkeypatch.setenv("TERM", "xterm")
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def make(columns: int) -> Pty:
        made.append(Pty(columns))
        return made[-1]

    yield make
    for each in made:
        each.close()


def handled(
    stream: TextIO, message: str, level: int = logging.INFO, brief: str | None = ""
) -> None:
    extra = {} if brief == "" else {BRIEF: brief}
    record = logging.makeLogRecord({"msg": message, "levelno": level, **extra})
    ScreenHandler(stream).handle(record)


def test_rows_are_drawn_in_place_and_wrapped_at_words(terminal: Callable[[int], Pty]) -> None:
    shown = terminal(40)
    block = LiveBlock(shown.stream)
    texts = [WORDS]
    block.add(lambda canvas: texts)
    # Three columns are left free.
    assert shown.rows() == [
        "a warning that is longer than the",
        "forty columns of this narrow terminal",
    ]
    texts[:] = ["short", "valid_loss=0.0 \x1b[31m"]
    block.add(lambda canvas: ["last"])
    assert shown.rows() == ["short", r"valid_loss\u003d0.0 \x1b[31m", "last"]
    block.close()
    assert shown.rows() == ["short", r"valid_loss\u003d0.0 \x1b[31m", "last", ""]


@pytest.mark.parametrize("widths", [(100, 40), (100, 30, 100), (40, 90, 35)])
def test_a_resized_terminal_shows_the_block_once(
    terminal: Callable[[int], Pty], widths: tuple[int, ...]
) -> None:
    shown = terminal(widths[0])
    shown.stream.write("before\n")
    block = LiveBlock(shown.stream)
    count = iter(range(100))
    block.add(lambda canvas: [f"{WORDS} {next(count):03}"])
    for width in widths[1:]:
        shown.resize(width)
        with block.above():
            pass
    block.close()
    rows = shown.rows()
    assert rows[0] == "before"
    words = " ".join(rows[1:]).split()
    assert words[:-1] == WORDS.split()
    assert all(len(row) < widths[-1] for row in rows)


def test_what_is_logged_scrolls_above_the_block(
    terminal: Callable[[int], Pty], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = terminal(40)
    monkeypatch.setattr(sys, "stderr", shown.stream)
    with live_block() as block:
        assert block is not None
        assert open_block() is block
        with live_block() as same:
            assert same is block
        block.add(lambda canvas: ["the block"])
        handled(shown.stream, "first")
        handled(shown.stream, WORDS, logging.WARNING)
        handled(shown.stream, "only in the file", brief=None)
        handled(shown.stream, "epoch=1 with all metrics", brief="in brief")
    assert open_block() is None
    wrapped = ["a warning that is longer than the forty", "columns of this narrow terminal"]
    assert shown.rows() == ["first", *wrapped, "in brief", "the block", ""]
    assert shown.screen.colours == len(wrapped)


def test_a_warning_of_a_library_comes_above_the_block(
    terminal: Callable[[int], Pty], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = terminal(60)
    monkeypatch.setattr(sys, "stderr", shown.stream)
    before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(
            warnings, "showwarning", lambda message, *_, **__: print(message, file=sys.stderr)
        )
        with live_block() as block:
            assert block is not None
            block.add(lambda canvas: ["the block"])
            warnings.warn("careful", stacklevel=1)
    monkeypatch.undo()
    assert shown.rows() == ["careful", "the block", ""]
    assert warnings.showwarning is before


@pytest.mark.parametrize("variable", ["NO_COLOR", "TERM"])
def test_colours_can_be_switched_off(
    terminal: Callable[[int], Pty], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "dumb")
    shown = terminal(40)
    handled(shown.stream, WORDS, logging.WARNING)
    assert shown.rows()[0] == "a warning that is longer than the forty"
    assert shown.screen.colours == 0


def test_a_dumb_terminal_has_no_block(
    terminal: Callable[[int], Pty], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = terminal(40)
    monkeypatch.setattr(sys, "stderr", shown.stream)
    for value in ("dumb", ""):
        monkeypatch.setenv("TERM", value)
        with live_block() as block, progress("counting", 3) as advance:
            advance(3)
        assert block is None
    assert shown.rows() == [""]


def test_elsewhere_a_line_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    handled(file, WORDS * 5, logging.WARNING)
    print_wrapped(WORDS * 5, file=file)
    with live_block() as block:
        assert block is None
    assert file.getvalue() == f"{WORDS * 5}\n" * 2


def test_bars_come_and_go(terminal: Callable[[int], Pty], monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(60)
    monkeypatch.setattr(sys, "stderr", shown.stream)
    with live_block() as block:
        assert block is not None
        with progress("features", 4, keep=True) as advance:
            advance(2)
            with block.above():
                pass
            assert shown.rows()[0].startswith("features  ████")
            assert "2/4" in shown.rows()[0]
            with progress("checking", 2):
                assert len(shown.rows()) == 2
            advance(2)
        assert shown.rows() == ["features  4/4  0:00"]
    with pytest.raises(KeyboardInterrupt), progress("stopped", 4):
        raise KeyboardInterrupt
    assert shown.rows() == ["features  4/4  0:00", ""]


@pytest.mark.parametrize("width", range(10, 120, 7))
def test_a_bar_fits_its_line(width: int) -> None:
    bar = Bar("features", 100_000)
    bar.advance(50_000)
    (line,) = bar(Canvas(width, STEPS))
    shortest = "features  50,000/100,000  0:00, 0:00 left"
    assert len(line) <= max(width, len(shortest))


def test_a_locale_without_blocks_gets_ascii(
    terminal: Callable[[int], Pty], monkeypatch: pytest.MonkeyPatch
) -> None:
    import locale

    stream = terminal(40).stream
    monkeypatch.setattr(locale, "getencoding", lambda: "UTF-8")
    assert steps_of(stream) == STEPS
    with io.TextIOWrapper(io.BytesIO(), "latin-1") as latin:
        assert steps_of(latin) == ASCII_STEPS
    monkeypatch.setattr(locale, "getencoding", lambda: "ANSI_X3.4-1968")  # what LC_ALL=C is
    assert steps_of(stream) == ASCII_STEPS


def test_columns_says_the_width(
    terminal: Callable[[int], Pty], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = terminal(90)
    assert size_of(shown.stream).columns == 90
    monkeypatch.setenv("COLUMNS", "40")
    assert size_of(shown.stream).columns == 40
    assert size_of(io.StringIO()).lines > 0


ENDLESS = """
import time
from dogbreed.utils.command import run_command
from dogbreed.utils.progress import progress
def main(arguments):
    with progress("counting", 1000) as advance:
        while True:
            advance(1)
            time.sleep(0.01)
run_command(main)
"""


@pytest.mark.slow
def test_ctrl_c_leaves_a_clean_screen(tmp_path: Path) -> None:
    with on_screen(sys.executable, "-c", ENDLESS, cwd=tmp_path, columns=40) as terminal:
        terminal.wait(lambda screen: "left" in screen.text())
        os.write(terminal.parent_fd, b"\x03")
        screen = terminal.wait()
    assert terminal.process.returncode == 130
    assert screen.rows() == ["stopped by SIGINT; what was computed so", "far is saved.", ""]
    assert b"\x1b[?25l" not in terminal.written  # the cursor was never hidden
