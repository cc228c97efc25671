"""Commands on a terminal of their own, and a browser that records what it should open."""

import fcntl
import os
import pty
import subprocess
import termios
import time
from pathlib import Path

NO_SCREEN = {"BROWSER": "", "DISPLAY": "", "WAYLAND_DISPLAY": ""}
# It shows the page as text, and would rather take over the terminal.
BROWSER = """#!/bin/sh
echo a page in text
(exec </dev/tty) 2>&1 && echo has the terminal >> {opened}
echo "$1" >> {opened}
"""


def browser_in(folder: Path) -> Path:
    """A browser in text, for $BROWSER; `opened` has its pages."""
    script = folder / "browser"
    script.write_text(BROWSER.format(opened=folder / "opened"), "utf-8")
    script.chmod(0o755)
    return script


def opened(browser: Path, wait_s: float) -> list[str]:
    """The first pages that are opened within so much time."""
    note, deadline = browser.with_name("opened"), time.monotonic() + wait_s
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return note.read_text("utf-8").splitlines() if note.exists() else []


def on_a_terminal(*command: str, cwd: Path, **variables: str) -> str:
    """What a command that ends well shows on its terminal."""
    parent_fd, child_fd = pty.openpty()
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **NO_SCREEN, "TERM": "xterm", **variables},
        stdin=child_fd,
        stdout=child_fd,
        stderr=child_fd,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # it is its /dev/tty, too
    ) as process:
        os.close(child_fd)
        shown = b""
        while chunk := _read(parent_fd):
            shown += chunk
    os.close(parent_fd)
    assert process.returncode == 0, shown.decode()
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # everybody has left it
        return b""
