"""A terminal's screen: what a person reads after the escape sequences that a command writes."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_PART = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|[\s\S]")
NOTHING: Mapping[str, str] = {}
Done = Callable[["Screen"], bool]


class Screen:
    """Rows of characters and a cursor; a narrower screen wraps its lines again, as most do.

    `colours` counts the sequences that set one. Any other sequence than those that this package
    writes is an error.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.colours = 0
        self._lines = [""]  # as written; a row on the screen is a part of one
        self._line = self._place = 0
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def feed(self, data: bytes) -> None:
        """Show what was written."""
        for found in _PART.finditer(self._decode(data)):
            if found[2]:
                self._sequence(found[1], found[2])
            elif found[0] == "\r":  # to the start of the row
                self._place -= self._place % self.columns if self._place else 0
            elif found[0] == "\n":
                self._line, self._place = self._line + 1, 0
                if self._line == len(self._lines):
                    self._lines.append("")
            else:
                line = self._lines[self._line].ljust(self._place)
                self._lines[self._line] = line[: self._place] + found[0] + line[self._place + 1 :]
                self._place += 1

    def _sequence(self, numbers: str, name: str) -> None:
        if name == "m":
            self.colours += numbers not in ("", "0")
        elif name == "J" and not numbers:
            self._lines[self._line] = self._lines[self._line][: self._place]
            del self._lines[self._line + 1 :]
        elif name == "A":
            for _ in range(int(numbers)):
                self._up()
        else:
            raise AssertionError(f"the sequence {numbers}{name} is none of ours")

    def _up(self) -> None:
        if self._place >= self.columns:
            self._place -= self.columns
        elif self._line:
            self._line -= 1
            length = max(0, len(self._lines[self._line]) - 1)
            self._place += length - length % self.columns

    def rows(self) -> list[str]:
        """The rows, without spaces at their ends."""
        return [
            line[start : start + self.columns].rstrip()
            for line in self._lines
            for start in range(0, max(1, len(line)), self.columns)
        ]

    def text(self) -> str:
        """The rows as one text."""
        return "\n".join(self.rows())


class Terminal:
    """A command that runs on a terminal of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", parent_fd: int, columns: int) -> None:
        self.process, self.screen = process, Screen(columns)
        self.parent_fd = parent_fd
        self.written = b""

    def resize(self, columns: int) -> None:
        """Give the terminal another width; the command gets SIGWINCH."""
        set_size(self.parent_fd, columns)
        self.screen.columns = columns

    def wait(self, until: Done | None = None, timeout_s: float = 120) -> Screen:
        """Show what the command writes until the screen is so, or the command has ended."""
        deadline = time.monotonic() + timeout_s
        while until is None or not until(self.screen):
            assert time.monotonic() < deadline, self.screen.text()
            if not select.select([self.parent_fd], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.parent_fd, 1 << 16)
            except OSError:  # everybody has left it
                data = b""
            if not data:
                assert until is None, self.screen.text()
                break
            self.written += data
            self.screen.feed(data)
        if until is None:
            self.process.wait(60)
        return self.screen


def set_size(descriptor: int, columns: int, rows: int = 50) -> None:
    """Set the size of a terminal."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextmanager
def on_screen(
    *command: str, cwd: Path, columns: int = 100, variables: Mapping[str, str] = NOTHING
) -> Iterator[Terminal]:
    """A command on a terminal of so many columns, killed in the end if it still runs."""
    parent_fd, child_fd = pty.openpty()
    set_size(child_fd, columns)
    unset = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={**environment, "TERM": "xterm", **variables},
        stdin=child_fd,
        stdout=child_fd,
        stderr=child_fd,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C and SIGWINCH reach it
    ) as process:
        os.close(child_fd)
        try:
            yield Terminal(process, parent_fd, columns)
        finally:
            process.kill()
            os.close(parent_fd)
